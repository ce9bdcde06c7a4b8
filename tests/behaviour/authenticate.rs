//! `authenticate`: an engine's answer to a client that asks to connect.

use crate::common::{Host, Raw, ask, connect, hear, say, try_connect};
use futures_util::{SinkExt, StreamExt};
use std::thread::sleep;
use std::time::Duration;
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

#[tokio::test(flavor = "multi_thread")]
async fn on_a_worker_it_holds_up_nobody() {
    let host = Host::with("opinionated", &["--loops", "1"]);
    let mut other = connect(&host, "/").await;
    let waiting = {
        let url = host.url("/wait");
        tokio::spawn(async move { tokio_tungstenite::connect_async(url).await.expect("let in").0 })
    };
    host.wait_for_log(1, &["waiting in authenticate"]);
    // The one loop turns for others, and lets others in.
    assert_eq!(ask(&mut other, "hello").await, "hello");
    assert_eq!(ask(&mut connect(&host, "/").await, "hello").await, "hello");
    assert!(!waiting.is_finished());
    assert_eq!(ask(&mut other, "go").await, "go");
    let mut let_in = waiting.await.expect("let in");
    let_in.send(Message::text("here I am")).await.expect("sent");
    assert_eq!(hear(&mut let_in).await, "here I am");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_an_http_error_whatever_status_the_engine_says() {
    let host = Host::with("opinionated", &[]);
    let cases =
        [(400, 400), (418, 418), (503, 503), (599, 599), (0, 500), (101, 500), (200, 500), (302, 500), (600, 500)];
    for (said, sent) in cases {
        match try_connect(&host, &format!("/reject/{said}")).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), sent, "{said}"),
            other => panic!("{said}: {other:?}"),
        }
    }
}

#[test]
fn odd_cookies_and_headers_are_no_token() {
    let host = Host::with("auth", &[]);
    let odd: [&[u8]; 8] = [
        b"Cookie:",
        b"Cookie: ",
        b"Cookie: token",
        b"Cookie: token=",
        b"Cookie: =sesame; ;; token",
        b"Cookie: token=\xff\xfe",
        b"Authorization:",
        b"Authorization: Bearer",
    ];
    for header in odd {
        let request = Raw::request("/");
        let (head, _) = request.split_at(request.len() - 2);
        let mut raw = Raw::dial(&host);
        raw.send(&[head.as_bytes(), header, b"\r\n\r\n"].concat());
        let answer = String::from_utf8(raw.read_rest()).expect("an answer in UTF-8");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{}: {answer}", String::from_utf8_lossy(header));
    }
}

/// FAULTS K2: the client has done its part.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_takes_is_not_taken_from_the_client_s_time() {
    let host = Host::with("opinionated", &["--handshake-timeout", "2s"]);
    let mut other = connect(&host, "/").await;
    let request = Raw::request("/wait");
    let mut slow = Raw::dial(&host);
    slow.send(&request.as_bytes()[..20]);
    // Both spans are about half of the time, so that a busy machine may take the other half; together they are more.
    let half = Duration::from_millis(1100);
    sleep(half);
    slow.send(&request.as_bytes()[20..]);
    host.wait_for_log(1, &["waiting in authenticate"]);
    sleep(half);
    say(&mut other, "go").await;
    let head = slow.read_head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}
