//! Engines in safe Rust that try to break the host: each case of `tests/fixtures/hostile`, and what must come of it.

use crate::common::{Host, connect};
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
