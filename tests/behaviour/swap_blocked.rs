//! An engine that blocks during a swap holds up as few clients as possible, and others no longer than
//! `--reload-max-pause`.

use crate::common::{Client, Deployed, Host, artefacts, ask, connect, hear, say};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// A hostile engine as an operator has it, which blocks until it is let go.
struct Blocked {
    deployed: Deployed,
    host: Host,
}

impl Blocked {
    fn start(case: &str, arguments: &[&str]) -> Blocked {
        let deployed = Deployed::new("hostile");
        configure(&deployed, case, "old");
        let host = deployed.start(&[&["--loops", "2", "--workers", "2"], arguments].concat());
        Blocked { deployed, host }
    }

    /// Asks for a reload, to an engine of this case.
    fn reload(&self, case: &str) {
        configure(&self.deployed, case, "new");
        self.host.hang_up();
    }

    fn let_go(&self) {
        fs::write(until(&self.deployed), "").expect("written");
    }
}

fn until(deployed: &Deployed) -> PathBuf {
    deployed.folder.path().join("let-go")
}

fn configure(deployed: &Deployed, case: &str, label: &str) {
    deployed.configure(&format!("case = '{case}'\nlabel = '{label}'\nuntil = '{}'", until(deployed).display()));
}

async fn several(host: &Host, path: &str) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(connect(host, path).await);
    }
    clients
}

/// Each asks once more: nothing has been lost or repeated.
async fn all_ask(clients: &mut [Client], label: &str, count: u32) {
    for client in clients {
        assert_eq!(ask(client, "hi").await, format!("{label} {count} hi"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_export_blocks_only_the_client_whose_session_it_has_waits() {
    let blocked = Blocked::start("", &["--reload-timeout", "60s"]);
    let host = &blocked.host;
    let mut others = several(host, "/").await;
    let mut client = connect(host, "/export-blocks").await;
    all_ask(&mut others, "old", 0).await;
    blocked.reload("");
    host.wait_for_log(1, &["export_session blocks"]);
    say(&mut client, "hi").await;
    for count in 1..20 {
        all_ask(&mut others, "old", count).await;
    }
    assert_eq!(ask(&mut connect(host, "/").await, "hi").await, "old 0 hi", "new ones are let in");
    assert!(!host.log().contains("reload refused"));
    // It comes back, with the messages that it has sent meanwhile, and the swap succeeds after all.
    blocked.let_go();
    host.wait_for_log(1, &["reloaded: ", "connections handed over"]);
    assert!(hear(&mut client).await.ends_with(" 0 hi"));
    all_ask(&mut others, "new", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_blocks_past_the_deadline_refuses_the_reload_and_its_client_is_named() {
    let cases = [("", "/export-blocks", "export_session of client "), ("export-state-blocks", "/", "export_state was")];
    for (engine, path, why) in cases {
        let blocked = Blocked::start(engine, &["--reload-timeout", "1s"]);
        let host = &blocked.host;
        let mut others = several(host, "/").await;
        let mut client = connect(host, path).await;
        blocked.reload("");
        let line = host.wait_for_log(1, &["reload refused", "not done after 1s"]).remove(0);
        assert!(line.contains(why), "{line}");
        all_ask(&mut others, "old", 0).await;
        // The session is still away, or the state.
        blocked.reload("");
        let line = host.wait_for_log(2, &["reload refused", "not done after 1s"]).remove(1);
        assert!(line.contains(why) || line.contains("the session of client "), "{line}");
        blocked.let_go();
        assert_eq!(ask(&mut client, "hi").await, "old 0 hi");
        // Nothing has been used up.
        blocked.reload("");
        host.wait_for_log(1, &["reloaded: 7 connections handed over"]);
        all_ask(&mut others, "new", 1).await;
        assert_eq!(ask(&mut client, "hi").await, "new 1 hi");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_blocks_while_all_are_frozen_holds_them_up_for_the_longest_pause_and_the_swap_is_tried_again() {
    let blocked = Blocked::start("", &["--reload-max-pause", "200ms", "--reload-timeout", "60s"]);
    let host = &blocked.host;
    let mut others = several(host, "/").await;
    let mut client = connect(host, "/second-export-blocks").await;
    blocked.reload("");
    host.wait_for_log(1, &["handover put off", "export_session of client "]);
    for count in 0..20 {
        all_ask(&mut others, "old", count).await;
    }
    say(&mut client, "hi").await;
    blocked.let_go();
    let line = host.wait_for_log(1, &["reloaded: 7 connections handed over"]).remove(0);
    assert!(!line.contains("generation=3"), "the same attempt at a generation: {line}");
    assert!(hear(&mut client).await.ends_with(" 0 hi"));
    all_ask(&mut others, "new", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_blocks_refuses_the_reload_after_the_longest_pause() {
    let cases = [("", "/import-blocks", "import_session of client "), ("import-state-blocks", "/", "import_state was")];
    for (engine, path, why) in cases {
        let blocked = Blocked::start("", &["--reload-max-pause", "200ms", "--reload-timeout", "60s"]);
        let host = &blocked.host;
        let mut others = several(host, "/").await;
        let mut client = connect(host, path).await;
        blocked.reload(engine);
        let line = host.wait_for_log(1, &["reload refused", "nobody is held up for longer than 200ms"]).remove(0);
        assert!(line.contains(why) && line.contains("--reload-max-pause"), "{line}");
        all_ask(&mut others, "old", 0).await;
        blocked.let_go();
        assert_eq!(ask(&mut client, "hi").await, "old 0 hi");
        blocked.reload("");
        host.wait_for_log(1, &["reloaded: 7 connections handed over"]);
        all_ask(&mut others, "new", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_job_is_waited_for_while_everyone_goes_on() {
    let blocked = Blocked::start("", &["--reload-timeout", "60s"]);
    let host = &blocked.host;
    let mut others = several(host, "/").await;
    let mut client = connect(host, "/job-blocks").await;
    assert_eq!(ask(&mut client, "hi").await, "old 0 hi");
    host.wait_for_log(1, &["a job blocks"]);
    blocked.reload("");
    host.wait_for_log(1, &["the handover waits for callbacks and jobs"]);
    for count in 0..20 {
        all_ask(&mut others, "old", count).await;
    }
    blocked.let_go();
    host.wait_for_log(1, &["reloaded: 7 connections handed over"]);
    assert!(!host.log().contains("handover put off"), "nobody was frozen to wait for it");
    all_ask(&mut others, "new", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_client_that_has_gone_is_waited_for_while_everyone_goes_on() {
    let blocked = Blocked::start("", &["--reload-timeout", "60s"]);
    let host = &blocked.host;
    // Dealt to one loop each.
    let client = connect(host, "/closed-blocks").await;
    let mut other = connect(host, "/").await;
    drop(client);
    host.wait_for_log(1, &["on_closed blocks"]);
    blocked.reload("");
    host.wait_for_log(1, &["the handover waits for callbacks and jobs"]);
    for count in 0..20 {
        all_ask(std::slice::from_mut(&mut other), "old", count).await;
    }
    blocked.let_go();
    host.wait_for_log(1, &["reloaded: 1 connections handed over"]);
    all_ask(std::slice::from_mut(&mut other), "new", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_blocks_its_loop_holds_up_no_client_of_another_loop() {
    let blocked = Blocked::start("", &["--reload-timeout", "60s"]);
    let host = &blocked.host;
    // Dealt to one loop each.
    let mut client = connect(host, "/text-blocks").await;
    let mut other = connect(host, "/").await;
    say(&mut client, "hi").await;
    host.wait_for_log(1, &["on_text blocks"]);
    blocked.reload("");
    host.wait_for_log(1, &["handing over: first every export is tried"]);
    for count in 0..20 {
        all_ask(std::slice::from_mut(&mut other), "old", count).await;
    }
    blocked.let_go();
    assert_eq!(hear(&mut client).await, "old 0 hi");
    host.wait_for_log(1, &["reloaded: 2 connections handed over"]);
    assert_eq!(ask(&mut other, "hi").await, "new 20 hi");
    assert_eq!(ask(&mut client, "hi").await, "new 1 hi");
}

/// Two engines on one loop: a callback of one keeps the other's client from going on between two swaps.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_not_gone_on_yet_takes_part_in_the_next_swap() {
    let [engine, other] = ["old", "other"].map(|label| {
        let deployed = Deployed::new("hostile");
        configure(&deployed, "", label);
        deployed
    });
    let [plugin, config] = [engine.file(), engine.config()].map(|file| format!("/a={}", file.display()));
    let [plugin, config] = [["--plugin", &plugin], ["--engine-config", &config]];
    let patient = ["--loops", "1", "--workers", "2", "--reload-max-pause", "60s", "--reload-timeout", "60s"];
    let host = Arc::new(other.start(&[&plugin[..], &config, &patient].concat()));
    let mut client = connect(&host, "/a").await;
    let mut blocks = connect(&host, "/text-blocks").await;
    assert_eq!(ask(&mut client, "hi").await, "old 0 hi");
    let reload = |case, label| {
        configure(&engine, case, label);
        let host = Arc::clone(&host);
        spawn_blocking(move || host.control(&["reload", "/a"]))
    };
    let first = reload("import-state-blocks", "new");
    host.wait_for_log(1, &["import_state blocks"]);
    say(&mut blocks, "hi").await;
    host.wait_for_log(1, &["on_text blocks"]);
    fs::write(until(&engine), "").expect("written");
    let (_, told, _) = first.await.expect("asked");
    assert!(told.contains("1 session moved"), "{told}");
    let second = reload("", "newer");
    host.wait_for_log(2, &["handing over: first every export is tried"]);
    fs::write(until(&other), "").expect("written");
    assert_eq!(hear(&mut blocks).await, "other 0 hi");
    let (_, told, _) = second.await.expect("asked");
    assert!(told.contains("1 session moved"), "{told}");
    assert_eq!(ask(&mut client, "hi").await, "newer 1 hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_that_hangs_is_given_up_and_the_next_reload_succeeds() {
    for case in ["new-blocks", "new-waits-for-its-timer"] {
        let blocked = Blocked::start("", &["--reload-timeout", "500ms"]);
        let host = &blocked.host;
        let mut others = several(host, "/").await;
        blocked.reload(case);
        let line = host.wait_for_log(1, &["reload refused", "new has not returned after 500ms"]).remove(0);
        assert!(
            line.contains("hostile 0.1.0") && line.contains("its timers run only when it has taken over"),
            "{line}"
        );
        all_ask(&mut others, "old", 0).await;
        blocked.reload("");
        host.wait_for_log(1, &["reloaded: 6 connections handed over"]);
        all_ask(&mut others, "new", 1).await;
        // Its late result is dropped, and nobody notices.
        blocked.let_go();
        all_ask(&mut others, "new", 2).await;
    }
}

#[test]
fn at_the_start_a_new_may_wait_for_its_own_timer_and_for_its_own_job() {
    for what in ["timer", "job"] {
        let blocked = Blocked::start(&format!("new-waits-for-its-{what}"), &[]);
        blocked.host.wait_for_log(1, &[&format!("new has waited for its {what}")]);
    }
}

#[test]
fn a_new_that_hangs_at_the_start_is_told_and_then_refused() {
    let deployed = Deployed::new("hostile");
    configure(&deployed, "new-blocks", "old");
    let (plugin, config) = (deployed.file(), deployed.config());
    let [plugin, config] = [&plugin, &config].map(|path| path.to_str().expect("a path in UTF-8"));
    let arguments = ["--plugin", plugin, "--engine-config", config, "--start-timeout", "6s"];
    let (code, _, stderr) = Host::refuses(&arguments, &[]);
    assert_eq!(code, 65, "{stderr}");
    for told in
        ["new has been at work for over 5s", "new has not returned after 6s", "--start-timeout", "hostile 0.1.0"]
    {
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn sigterm_ends_a_process_whose_engine_hangs_at_the_start() {
    let deployed = Deployed::new("hostile");
    configure(&deployed, "new-blocks", "old");
    let mut command = Command::new(artefacts().wshost());
    command.arg("--plugin").arg(deployed.file()).arg("--engine-config").arg(deployed.config());
    let mut child = command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().expect("wshost starts");
    let log = BufReader::new(child.stderr.take().expect("stderr is piped"));
    assert!(log.lines().map_while(Result::ok).any(|line| line.contains("new blocks")));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the child can be signalled");
    let ended = child.wait().expect("the child can be waited for");
    assert!(ended.code() == Some(128 + 15) || ended.signal() == Some(15), "{ended}");
}

/// An engine's word takes longer than a pause, and somebody always waits for one.
#[tokio::test(flavor = "multi_thread")]
async fn newcomers_without_end_do_not_keep_a_new_generation_away() {
    let deployed = Deployed::new("opinionated");
    let host = Arc::new(deployed.start(&[
        "--workers=8",
        "--ping-after=60s",
        "--reload-max-pause=300ms",
        "--reload-timeout=60s",
    ]));
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "before").await, "before");
    let newcomers = {
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            let mut all = tokio::task::JoinSet::new();
            loop {
                every.tick().await;
                let host = Arc::clone(&host);
                all.spawn(async move { connect(&host, "/slow").await });
            }
        })
    };
    host.wait_for_log(5, &["slow in authenticate"]);
    host.hang_up();
    host.wait_for_log(1, &["reloaded: "]);
    assert!(!host.log().contains("handover put off"), "{}", host.log());
    newcomers.abort();
    assert_eq!(ask(&mut client, "after").await, "after");
}
