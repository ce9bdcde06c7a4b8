//! SIGTERM: everyone gets 1001, queued replies are delivered, the exit code is 0.

use crate::common::{Host, closed_with, connect};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_closes_everyone_with_1001_and_exits_with_0() {
    let mut host = Host::with("echo", &["--loops", "2"]);
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(connect(&host, "/").await);
    }
    host.terminate();
    for client in &mut clients {
        assert_eq!(closed_with(client).await, 1001);
    }
    assert_eq!(host.wait().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_wait_are_delivered_before_the_close() {
    let mut host = Host::with("echo", &["--max-message", "16MiB"]);
    let mut client = connect(&host, "/").await;
    let large = Message::binary(vec![42; 16 << 20]);
    client.send(large.clone()).await.expect("sent");
    // The first bytes show that the reply has begun; the rest waits for this client to read.
    let peeked = client.get_ref();
    match peeked {
        tokio_tungstenite::MaybeTlsStream::Plain(stream) => {
            stream.readable().await.expect("the reply comes");
        }
        _ => unreachable!("no TLS here"),
    }
    host.terminate();
    host.wait_for_log(1, &["SIGTERM"]);
    assert!(client.next().await.expect("a reply").expect("a message") == large);
    assert_eq!(closed_with(&mut client).await, 1001);
    assert_eq!(host.wait().code(), Some(0));
}
