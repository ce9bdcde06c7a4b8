//! Engines in safe Rust that try to break the host: each case of `tests/fixtures/hostile`, and what must come of it.

use crate::common::{Deployed, Host, artefacts, ask, closed_with, connect, hear, say, try_connect};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_case_it_echoes() {
    let host = Host::with("hostile", &[]);
    let mut client = connect(&host, "/").await;
    for count in 0..2 {
        client.send(Message::text("hi")).await.expect("sent");
        let expected = Message::text(format!(" {count} hi"));
        assert_eq!(client.next().await.expect("a reply").expect("a message"), expected);
    }
}

/// A thread that its engine has started goes on when another generation has taken over.
#[tokio::test(flavor = "multi_thread")]
async fn threads_of_a_retired_generation_reach_nobody() {
    let deployed = Deployed::new("hostile");
    deployed.configure("case = \"thread-goes-on\"\nlabel = \"old\"");
    let host = deployed.start(&[]);
    let mut client = connect(&host, "/held-by-a-thread").await;
    assert_eq!(hear(&mut client).await, "ghost", "while it is not retired");
    client.send(Message::text("hi")).await.expect("sent");
    while hear(&mut client).await != "old 0 hi" {}
    deployed.configure("label = \"new\"");
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 1 connections handed over"]);
    host.wait_for_log(1, &["retired, and the thread ends"]);
    for said in [
        "retired, by the client: true",
        "retired, left false, Closed, 0 waits",
        "retired, by the host: reached 0, seen 0",
        "dropped: job",
        "dropped: late timer",
        "dropped: timer",
    ] {
        host.wait_for_log(1, &[said]);
    }
    client.send(Message::text("hi")).await.expect("sent");
    // Earlier messages of the thread come first.
    while hear(&mut client).await != "new 1 hi" {}
    assert_eq!(ask(&mut client, "hi").await, "new 2 hi");
    assert!(!host.log().contains("a job runs") && !host.log().contains("a timer runs"));
}

/// A generation reaches the clients when it takes over, and not before: that may never be.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_has_not_taken_over_reaches_nobody() {
    let deployed = Deployed::new("hostile");
    let host = deployed.start(&[]);
    let mut client = connect(&host, "/").await;
    let mut set = connect(&host, "/set").await;
    ask(&mut set, "error-in-export_state").await;
    deployed.configure("case = \"new-sends\"");
    host.hang_up();
    host.wait_for_log(1, &["in new: reached 0, seen 0, retired false"]);
    host.wait_for_log(1, &["reload refused"]);
    host.wait_for_log(1, &["the thread of new has ended, retired true"]);
    assert_eq!(ask(&mut client, "hi").await, " 0 hi", "nothing has come before it");
    ask(&mut set, "").await;
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 2 connections handed over"]);
    assert_eq!(hear(&mut client).await, "from a thread of new");
    host.wait_for_log(1, &["the thread of new has ended, retired false"]);
    assert_eq!(ask(&mut client, "hi").await, " 1 hi");
}

/// FAULTS E1: panics whose payload panics when it is dropped, and so does the payload of that panic.
#[tokio::test(flavor = "multi_thread")]
async fn panics_that_panic_again_end_one_connection() {
    let deployed = Deployed::new("hostile");
    let mut host = deployed.start(&["--workers", "2"]);
    let mut other = connect(&host, "/").await;
    assert!(try_connect(&host, "/bomb-in-authenticate").await.is_err());
    host.wait_for_log(1, &["authenticate panicked at"]);
    for (case, ends, said) in [
        ("bomb-in-text", true, "on_text panicked at"),
        ("bomb-in-job", true, "job panicked at"),
        ("bomb-in-drop-of-job", true, "job panicked at"),
        ("bomb-in-event", true, "on_event panicked at"),
        ("bomb-in-spawned-job", false, "job panicked at"),
        ("bomb-in-timer", false, "timer panicked at"),
        ("bomb-in-drop-of-timer", false, "drop of a timer panicked at"),
        ("bomb-in-drop-of-session", false, "on_closed panicked at"),
    ] {
        let said_before = host.log().matches(said).count();
        let mut client = connect(&host, &format!("/{case}")).await;
        say(&mut client, "hi").await;
        if ends {
            assert_eq!(closed_with(&mut client).await, 1011, "{case}");
        } else {
            assert_eq!(hear(&mut client).await, " 0 hi", "{case}");
            client.close(None).await.expect("closed");
        }
        host.wait_for_log(said_before + 1, &[said, "bombs.rs"]);
        ask(&mut other, case).await;
    }
    ask(&mut connect(&host, "/set").await, "bomb-in-drop-of-engine").await;
    host.terminate();
    assert_eq!(closed_with(&mut other).await, 1001);
    assert!(host.wait().success());
    host.wait_for_log(1, &["drop of the engine panicked at", "bombs.rs"]);
}

/// FAULTS E1: whatever an export or import answers, and however it is dropped, the old generation goes on.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_errors_of_a_handover_are_refused() {
    let deployed = Deployed::new("hostile");
    let host = deployed.start(&[]);
    let mut client = connect(&host, "/").await;
    let mut set = connect(&host, "/set").await;
    let mut texts = 0;
    for kind in ["error", "bomb"] {
        for hook in ["new", "accepts", "export_state", "export_session", "import_state", "import_session"] {
            if (kind, hook) == ("error", "accepts") {
                continue;
            }
            let case = format!("{kind}-in-{hook}");
            let of_old = hook.starts_with("export");
            ask(&mut set, if of_old { &case } else { "" }).await;
            deployed.configure(&format!("case = \"{}\"", if of_old { "" } else { &case }));
            let before = host.log().matches("reload refused").count();
            host.hang_up();
            let refused = host.wait_for_log(before + 1, &["reload refused"]);
            let refused = &refused[before];
            let why = match (kind, hook) {
                (_, "accepts") => "does not accept the state",
                ("error", _) => "an error that cannot say what it is: its text panicked at",
                _ => "panicked at",
            };
            assert!(refused.contains(why) && (hook == "accepts" || refused.contains(hook)), "{case}: {refused}");
            assert_eq!(ask(&mut client, "hi").await, format!(" {texts} hi"), "{case}");
            texts += 1;
        }
    }
    host.wait_for_log(1, &["a call from the host panicked at", "bombs.rs"]);
    ask(&mut set, "").await;
    deployed.configure("label = \"new\"");
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 2 connections handed over"]);
    assert_eq!(ask(&mut client, "hi").await, format!("new {texts} hi"));
}

/// FAULTS E1: a `new` with such an error refuses to start.
#[test]
fn a_hostile_error_of_new_is_a_refusal() {
    for (case, why) in [("error-in-new", "its text panicked at"), ("bomb-in-new", "new panicked at")] {
        let deployed = Deployed::new("hostile");
        deployed.configure(&format!("case = \"{case}\""));
        let config = deployed.folder.path().join("engine.toml");
        let plugin = artefacts().of("hostile").to_str().expect("UTF-8");
        let arguments = ["--plugin", plugin, "--engine-config", config.to_str().expect("UTF-8")];
        let (code, _, stderr) = Host::refuses(&arguments, &[]);
        assert_eq!(code, 65, "{stderr}");
        assert!(stderr.contains(why) && stderr.contains("bombs.rs"), "{stderr}");
    }
}

/// FAULTS H10: an engine's mistake is told as an engine's mistake.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_no_response_can_hold_are_the_engines_mistake() {
    let host = Host::with("hostile", &[]);
    for (case, status, said) in [
        ("accept-30000-headers", 500, "30000 headers"),
        ("accept-24570-headers", 500, "24570 headers"),
        ("accept-10-mb-header", 500, "1 headers of 10000001 bytes"),
        ("accept-header-without-name", 500, "is no header name"),
        ("accept-header-with-a-space", 500, "is no header name"),
        ("accept-header-with-a-line", 500, "a line break"),
        ("accept-header-with-nul", 500, "holds a character that no header may hold"),
        ("accept-header-of-the-host", 500, "the host's own"),
        ("accept-subprotocol-not-offered", 500, "did not offer the subprotocol"),
        ("accept-subprotocol-illegal", 500, "did not offer the subprotocol"),
        ("accept-10-mb-subprotocol", 500, "did not offer the subprotocol"),
        ("reject-30000-headers", 500, "30000 headers"),
        ("reject-header-with-a-line", 500, "a line break"),
        ("reject-status-99", 500, "rejects with status 99"),
        ("reject-status-0", 500, "rejects with status 0"),
        ("reject-status-101", 500, "rejects with status 101"),
        ("reject-status-65535", 500, "rejects with status 65535"),
        ("reject-10-mb-body", 403, "client rejected by the engine"),
    ] {
        let error = try_connect(&host, &format!("/{case}")).await.expect_err("it is refused");
        let Error::Http(response) = error else { panic!("{case}: {error}") };
        assert_eq!(response.status(), status, "{case}");
        let lines = host.wait_for_log(1, &[said]);
        let line = lines.last().expect("a line");
        assert!(line.contains("hostile") && line.len() < 1000, "{case}: {line}");
    }
    assert_eq!(ask(&mut connect(&host, "/").await, "hi").await, " 0 hi");
}

/// Groups, metrics, close codes and times of any kind.
#[tokio::test(flavor = "multi_thread")]
async fn odd_arguments_are_refused_or_taken() {
    let mut host = Host::with("hostile", &[]);
    let mut client = connect(&host, "/odd-arguments").await;
    say(&mut client, "hi").await;
    while hear(&mut client).await != " 0 hi" {}
    host.terminate();
    assert_eq!(closed_with(&mut client).await, 1001);
    assert!(host.wait().success());
}

/// The host is called by threads that are at their end, and while an engine unwinds.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_can_be_called_at_every_stage_of_a_thread() {
    let mut host = Host::with("hostile", &["--compress"]);
    let mut unwinding = connect(&host, "/calls-while-unwinding").await;
    say(&mut unwinding, "hi").await;
    assert_eq!(closed_with(&mut unwinding).await, 1011);
    let mut ending = connect(&host, "/calls-while-a-thread-ends").await;
    say(&mut ending, "hi").await;
    // Once for the unwinding, twice for the thread.
    host.wait_for_log(3, &["a job of the last moment"]);
    let mut last = connect(&host, "/calls-when-a-loop-ends").await;
    say(&mut last, "hi").await;
    assert_eq!(ask(&mut connect(&host, "/").await, "hi").await, " 0 hi");
    while hear(&mut last).await != " 0 hi" {}
    host.terminate();
    assert_eq!(closed_with(&mut last).await, 1001);
    assert!(host.wait().success());
}

/// Without workers, the main thread still receives signals, and jobs do not nest.
#[tokio::test(flavor = "multi_thread")]
async fn without_workers_nothing_of_an_engine_holds_up_the_main_thread() {
    let host = Host::with("hostile", &["--workers", "0"]);
    let mut spawning = connect(&host, "/spawned-job-spawns").await;
    assert_eq!(ask(&mut spawning, "hi").await, " 0 hi");
    assert_eq!(hear(&mut spawning).await, "spawned all");
    let mut client = connect(&host, "/timer-hangs").await;
    assert_eq!(ask(&mut client, "hi").await, " 0 hi");
    assert_eq!(host.control(&["status"]).0, 0);
    host.terminate();
    assert_eq!(closed_with(&mut client).await, 1001);
}

/// A cancelled timer is freed at once, not when it would have been due.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_timers_cost_nothing() {
    let host = Host::with("hostile", &[]);
    let mut client = connect(&host, "/timers-cancelled").await;
    ask(&mut client, "100,000 timers").await;
    let before = host.resident();
    for _ in 0..4 {
        ask(&mut client, "100,000 timers").await;
    }
    let grown = host.resident().saturating_sub(before) / 1024;
    assert!(grown < 32 * 1024, "{grown} KiB for 400,000 timers, all of them cancelled");
}
