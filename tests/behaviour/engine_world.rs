//! The abilities of an engine on jobs and threads of its own.

use crate::common::{Host, connect};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_threads_send_to_their_client() {
    let host = Host::with("unruly", &[]);
    for path in ["/from_job", "/from_thread"] {
        let mut client = connect(&host, path).await;
        for number in 0..100 {
            let message = Message::text(number.to_string());
            client.send(message.clone()).await.expect("sent");
            assert_eq!(client.next().await.expect("a reply").expect("a message"), message, "{path}");
        }
    }
}

// E4
#[tokio::test(flavor = "multi_thread")]
async fn sending_to_a_client_that_is_gone_comes_to_nothing() {
    let host = Host::with("unruly", &[]);
    let mut client = connect(&host, "/keep").await;
    client.send(Message::text("x")).await.expect("sent");
    client.next().await.expect("a reply").expect("a message");
    drop(client);
    host.wait_for_log(1, &["sent to a client that is gone: Gone", "unruly"]);
}
