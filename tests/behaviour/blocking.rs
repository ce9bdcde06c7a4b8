//! A callback that blocks (E2) is told on in the log, and holds up its own event loop alone.

use crate::common::{Host, Raw, ask, connect, hear, say};

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_blocks_is_logged_and_the_other_loop_goes_on() {
    let host = Host::with("probe", &["--loops", "2"]);
    // Dealt to one loop each.
    let mut blocked = connect(&host, "/blocked").await;
    let mut free = connect(&host, "/free").await;
    say(&mut blocked, "sleep 1000").await;
    while ask(&mut free, "asleep").await == "0" {}
    for number in 0..100 {
        assert_eq!(ask(&mut free, &format!("echo {number}")).await, number.to_string());
    }
    assert_eq!(ask(&mut free, "asleep").await, "1", "the other callback has slept through all of this");
    assert_eq!(hear(&mut blocked).await, "slept");
    let lines = host.wait_for_log(1, &["WARN", "probe", "on_text", "127.0.0.1:"]);
    assert_eq!(lines.len(), 1, "told once: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_does_not_block_is_not_logged() {
    let host = Host::with("probe", &[]);
    let mut client = connect(&host, "/").await;
    for number in 0..1000 {
        assert_eq!(ask(&mut client, &format!("echo {number}")).await, number.to_string());
    }
    assert!(!host.log().contains("WARN"), "{}", host.log());
}

/// Formerly nobody saw this.
#[tokio::test(flavor = "multi_thread")]
async fn an_authenticate_that_blocks_is_logged_with_its_peer() {
    let host = Host::with("hostile", &[]);
    connect(&host, "/authenticate-blocks").await;
    let texts =
        ["WARN", "authenticate has been at work for over 100ms", "holds up all", "hostile", "0.1.0", "127.0.0.1:"];
    assert_eq!(host.wait_for_log(1, &texts).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticate_that_blocks_a_worker_is_logged_later() {
    let host = Host::with("opinionated", &["--workers", "2"]);
    let mut other = connect(&host, "/").await;
    let mut waits = Raw::dial(&host);
    waits.send(Raw::request("/wait").as_bytes());
    let texts = ["WARN", "authenticate has been at work for over 2s", "its worker", "opinionated", "127.0.0.1:"];
    assert_eq!(host.wait_for_log(1, &texts).len(), 1);
    say(&mut other, "go").await;
    assert!(waits.read_head().starts_with("HTTP/1.1 101 "));
}
