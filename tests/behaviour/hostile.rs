//! Engines in safe Rust that try to break the host: each case of `tests/fixtures/hostile`, and what must come of it.

use crate::common::{Deployed, Host, ask, connect, hear};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

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
    // What the thread sent before comes before.
    while hear(&mut client).await != "new 1 hi" {}
    assert_eq!(ask(&mut client, "hi").await, "new 2 hi");
    assert!(!host.log().contains("a job runs") && !host.log().contains("a timer runs"));
}
