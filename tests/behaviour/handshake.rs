//! The HTTP front of the running program (FAULTS H). Its own tests have the rest.

use crate::common::{Host, Raw, connect, try_connect};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Error, Message};

fn ask(host: &Host, request: &str) -> String {
    let mut raw = Raw::dial(host);
    raw.send(request.as_bytes());
    String::from_utf8(raw.read_rest()).expect("an answer in UTF-8")
}

// H1
#[test]
fn a_browser_that_asks_for_a_page_sees_which_engines_run() {
    let host = Host::with("echo", &[]);
    let answer = ask(&host, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("upgrade: websocket") && answer.contains("<html") && answer.contains(">echo<"), "{answer}");
}

// H1
#[test]
fn wrong_requests_are_answered_by_their_fault() {
    let host = Host::with("echo", &[]);
    let valid = Raw::request("/");
    assert!(ask(&host, &valid.replace("GET", "POST")).starts_with("HTTP/1.1 405 "));
    assert!(ask(&host, &valid.replace("Key: dGhl", "Key: dGh")).starts_with("HTTP/1.1 400 "));
    let version = ask(&host, &valid.replace("Version: 13", "Version: 8"));
    assert!(version.starts_with("HTTP/1.1 426 ") && version.contains("sec-websocket-version: 13"), "{version}");
    assert_eq!(host.wait_for_log(3, &["handshake failed", "127.0.0.1:"]).len(), 3, "each is logged once");
}

// H2
#[test]
fn a_request_split_anywhere_is_a_request() {
    let host = Host::with("echo", &[]);
    let request = Raw::request("/");
    for offset in 1..request.len() {
        let mut raw = Raw::dial(&host);
        raw.0.set_nodelay(true).expect("no delay");
        raw.send(&request.as_bytes()[..offset]);
        raw.send(&request.as_bytes()[offset..]);
        let head = raw.read_head();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{offset}: {head}");
    }
    let mut raw = Raw::dial(&host);
    raw.0.set_nodelay(true).expect("no delay");
    for byte in request.bytes() {
        raw.send(&[byte]);
    }
    assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
}

// H7
#[test]
fn connection_headers_add_up_and_a_body_is_refused() {
    let host = Host::with("echo", &[]);
    let valid = Raw::request("/");
    let mut raw = Raw::dial(&host);
    let two = valid.replace("Connection: Upgrade", "Connection: keep-alive\r\nConnection: foo, upgrade");
    raw.send(two.as_bytes());
    assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
    for header in ["Content-Length: 2", "Content-Length: 0", "Transfer-Encoding: chunked"] {
        let answer = ask(&host, &valid.replace("Host: localhost", &format!("Host: localhost\r\n{header}")));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{header}: {answer}");
    }
}

// H8
#[test]
fn nothing_behind_a_refused_upgrade_is_answered() {
    let host = Host::with("echo", &[]);
    let refused = Raw::request("/").replace("Version: 13", "Version: 8");
    let answers = ask(&host, &format!("{refused}{}", Raw::request("/")));
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    assert!(answers.starts_with("HTTP/1.1 426 "), "{answers}");
}

// H4
#[test]
fn a_head_that_is_too_large_is_answered_with_431() {
    let host = Host::with("echo", &[]);
    let many: String = (0..2000).map(|number| format!("X-{number}: y\r\n")).collect();
    assert!(ask(&host, &format!("GET / HTTP/1.1\r\n{many}\r\n")).starts_with("HTTP/1.1 431 "));
    let long = "y".repeat(1 << 20);
    assert!(ask(&host, &format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n")).starts_with("HTTP/1.1 431 "));
}

// H11
#[tokio::test(flavor = "multi_thread")]
async fn each_path_has_its_engine_and_the_others_are_404() {
    let echo = crate::common::artefacts().of("echo").display().to_string();
    let hello = crate::common::artefacts().of("hello").display().to_string();
    let (echo, hello) = (format!("/echo={echo}"), format!("/hello={hello}"));
    let host = Host::start(crate::common::artefacts().wshost(), &["--plugin", &echo, "--plugin", &hello]);
    assert!(host.ready_line().ends_with("(engines echo 1.0.0 at /echo, hello 1.0.0 at /hello)"));
    for (path, reply) in [("/echo", "Ann"), ("/hello", "Hello Ann!"), ("/hello/below?x", "Hello Ann!")] {
        let mut client = connect(&host, path).await;
        client.send(Message::text("Ann")).await.expect("sent");
        assert_eq!(client.next().await.expect("a reply").expect("a message"), Message::text(reply));
    }
    for path in ["/", "/helloween", "/hell"] {
        match try_connect(&host, path).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 404, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn a_client_that_says_nothing_is_cut_at_the_deadline() {
    let host = Host::with("echo", &["--handshake-timeout", "300ms"]);
    let mut silent = Raw::dial(&host);
    let mut slow = Raw::dial(&host);
    slow.send(b"GET / HTTP/1.1\r\nHost: ");
    assert!(silent.read_rest().is_empty());
    assert!(slow.read_rest().is_empty());
    host.wait_for_log(2, &["handshake failed", "not complete after 300ms"]);
}
