//! The data that a swap leaves behind is dropped on another thread when everybody has gone on, since a `Drop` may be
//! slow.

use crate::common::{Deployed, ask, connect};

/// The figure behind `name` in a line of the log.
fn figure(line: &str, name: &str) -> f64 {
    let (_, rest) = line.split_once(name).expect("the figure is there");
    rest.split_whitespace().next().and_then(|figure| figure.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_that_never_returns_is_told_in_the_log_and_nobody_else_notices() {
    let cases = [
        ("", "/session-drop-hangs", "drop of a session"),
        ("timer-drop-hangs", "/", "drop of a timer"),
        ("engine-drop-hangs", "/", "drop of the engine"),
    ];
    for (engine, path, what) in cases {
        let deployed = Deployed::new("hostile");
        deployed.configure(&format!("case = '{engine}'\nlabel = 'old'"));
        let host = deployed.start(&["--loops", "2"]);
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(connect(&host, path).await);
        }
        for client in &mut clients {
            assert_eq!(ask(client, "hi").await, "old 0 hi");
        }
        deployed.configure("label = 'new'");
        host.hang_up();
        host.wait_for_log(1, &["reloaded: 4 connections handed over"]);
        for client in &mut clients {
            assert_eq!(ask(client, "hi").await, "new 1 hi");
        }
        assert_eq!(ask(&mut connect(&host, "/").await, "hi").await, "new 0 hi");
        host.wait_for_log(1, &["WARN", what, "has been at work for over 1s", "engine=\"hostile\""]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pause_does_not_grow_with_what_is_dropped() {
    let deployed = Deployed::new("hostile");
    let host = deployed.start(&[]);
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(connect(&host, "/session-drop-sleeps").await);
    }
    host.hang_up();
    let line = host.wait_for_log(1, &["reloaded: 200 connections handed over"]).remove(0);
    // The drops take 5 ms each.
    let pause = figure(&line, "pause_ms=");
    assert!(pause < 500.0, "{pause} ms");
}
