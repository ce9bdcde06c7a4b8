//! Several engines in one host: each has its own clients, groups and configuration.

use crate::common::{Host, Raw, artefacts, ask, closed_with, connect, frame, hear, say};
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

/// The probe under `/a` and under `/b`, and echo for every other path.
fn three_engines() -> Host {
    let [probe, echo] = ["probe", "echo"].map(|package| artefacts().of(package).display().to_string());
    let (a, b) = (format!("/a={probe}"), format!("/b={probe}"));
    Host::start(artefacts().wshost(), &["--plugin", &a, "--plugin", &b, "--plugin", &echo, "--workers", "2"])
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_groups_and_names_are_apart() {
    let host = three_engines();
    let mut ann = connect(&host, "/a/ann").await;
    let mut bob = connect(&host, "/b/bob").await;
    let mut eve = connect(&host, "/elsewhere").await;
    assert_eq!(ask(&mut eve, "count").await, "count", "that is echo");
    for (client, path) in [(&mut ann, "/a/ann"), (&mut bob, "/b/bob")] {
        assert_eq!(ask(client, "clients").await, path);
        assert_eq!(ask(client, "count").await, "1");
        assert_eq!(ask(client, "join lobby").await, "Sent");
    }
    for (client, path) in [(&mut ann, "/a/ann"), (&mut bob, "/b/bob")] {
        assert_eq!(ask(client, "members lobby").await, path);
        assert_eq!(ask(client, "to-others lobby who else?").await, "0");
        assert_eq!(ask(client, "all-others who else?").await, "0");
        assert_eq!(ask(client, "all just me").await, "just me");
        assert_eq!(hear(client).await, "1");
    }
    assert_eq!(ask(&mut ann, "name x").await, "named x");
    assert_eq!(ask(&mut bob, "on x state").await, "nobody is called x", "two instances");
    assert_eq!(ask(&mut eve, "nothing else came").await, "nothing else came");
}

/// FAULTS P6
#[tokio::test(flavor = "multi_thread")]
async fn paths_are_compared_decoded() {
    let [probe, echo] = ["probe", "echo"].map(|package| artefacts().of(package).display().to_string());
    let paths = ["/café", "/my room", "/ch%61t", "/a%2fb", "/x=y"];
    let plugins = paths.map(|path| format!("{path}={probe}"));
    let mut arguments: Vec<_> = plugins.iter().flat_map(|plugin| ["--plugin", plugin]).collect();
    arguments.extend(["--plugin", &echo]);
    let host = Host::start(artefacts().wshost(), &arguments);
    for (path, is_probe) in [
        ("/caf%C3%A9", true),
        ("/caf%c3%a9/room", true),
        ("/café", true),
        ("/my%20room", true),
        ("/%6Dy%20room/?x", true),
        ("/chat", true),
        ("/ch%61t", true),
        ("/x/../chat", true),
        ("/x/%2e%2E/chat", true),
        ("/a%2Fb", true),
        ("/x%3dy", true),
        ("/a/b", false),
        ("/chat%2f", false),
        ("/chat/../x", false),
        ("/chat%00", false),
        ("//chat", false),
        ("/%zz/%", false),
        ("/%C0%AF", false),
        ("/%ff", false),
    ] {
        let mut raw = Raw::open(&host, path);
        raw.send(&frame(0x81, b"job x"));
        let (_, reply) = raw.read_frame();
        assert_eq!(reply, if is_probe { &b"x"[..] } else { b"job x" }, "{path}");
        if is_probe {
            raw.send(&frame(0x81, b"clients"));
            assert_eq!(String::from_utf8_lossy(&raw.read_frame().1), path, "an engine sees what was asked for");
        }
    }
    for path in ["/caf%c3%a9/", "/my%20room", "/chat", "/x%3Dy", "/./café"] {
        let (code, stdout, stderr) = host.control(&["reload", path]);
        assert_eq!(code, 0, "{path}: {stdout}{stderr}");
    }
    let status = host.control(&["status"]).1;
    assert!(paths.iter().all(|path| status.contains(path)), "{status}");

    let twice = [format!("/caf%C3%A9={echo}"), format!("/café/={echo}")];
    let (code, _, stderr) = Host::refuses(&["--plugin", &twice[0], "--plugin", &twice[1]], &[]);
    assert!(code == 64 && stderr.contains("two plugins claim /café"), "{code} {stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_timers_and_panics_of_one_do_not_concern_the_other() {
    let host = three_engines();
    let mut ann = connect(&host, "/a").await;
    let mut bob = connect(&host, "/b").await;
    say(&mut ann, "hold held").await;
    assert_eq!(ask(&mut bob, "job free").await, "free");
    assert_eq!(ask(&mut bob, "open").await, "the gate is open");
    let mut other = connect(&host, "/a/other").await;
    assert_eq!(ask(&mut other, "asked").await, "1");
    assert_eq!(ask(&mut bob, "asked").await, "0");
    assert_eq!(ask(&mut other, "open").await, "the gate is open");
    assert_eq!(hear(&mut ann).await, "held", "the gate of its own engine");

    ann.send(Message::text("panic-in-job")).await.expect("sent");
    assert_eq!(closed_with(&mut ann).await, 1011);
    assert_eq!(ask(&mut bob, "after 1 still here").await, "still here");
    assert_eq!(ask(&mut other, "spawn still here").await, "still here");
}
