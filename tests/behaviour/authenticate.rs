//! `authenticate`: what an engine answers to a client that asks to connect.

use crate::common::{Host, try_connect};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_rejects_with_status_headers_and_body() {
    let host = Host::with("unruly", &[]);
    match try_connect(&host, "/reject").await {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 401);
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_eq!(response.body().as_deref(), Some(b"who are you?".as_slice()));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_agrees_on_a_subprotocol_and_adds_headers() {
    let host = Host::with("unruly", &[]);
    let mut request = host.url("/subprotocol").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "v1, v2".parse().expect("a value"));
    let (mut client, response) = tokio_tungstenite::connect_async(request).await.expect("the handshake succeeds");
    assert_eq!(response.headers()["sec-websocket-protocol"], "v2");
    assert_eq!(response.headers()["x-engine"], "unruly");
    client.send(Message::text("facts")).await.expect("sent");
    let facts = client.next().await.expect("a reply").expect("a message").into_text().expect("text");
    assert!(facts.starts_with("/subprotocol 127.0.0.1:") && facts.ends_with("Some(\"v2\")"), "{facts}");
}

// H10, and a subprotocol that was not offered.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_of_the_engine_that_cannot_be_sent_is_a_500() {
    let host = Host::with("unruly", &[]);
    for path in ["/header", "/subprotocol"] {
        match try_connect(&host, path).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 500, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    host.wait_for_log(1, &["unruly", "x-split"]);
}
