//! The HTTP front of the running program (FAULTS H). Its own tests have the rest.

use crate::common::{Host, Raw, connect, frame, try_connect};
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
    // This announces no body, as proxies and devices do, and a frame follows.
    let mut raw = Raw::dial(&host);
    let empty = valid.replace("Host: localhost", "Host: localhost\r\nContent-Length: 0");
    raw.send(&[empty.as_bytes(), &frame(0x81, b"hi")].concat());
    assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.read_frame(), (0x81, b"hi".to_vec()));
    for header in [
        "Content-Length: 2",
        "Content-Length: 0\r\nContent-Length: 2",
        "Content-Length: -0",
        "Content-Length:",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
    ] {
        let answer = ask(&host, &valid.replace("Host: localhost", &format!("Host: localhost\r\n{header}")));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{header}: {answer}");
    }
}

// P8
#[test]
fn a_request_names_its_host_once_or_is_refused() {
    let host = Host::with("echo", &[]);
    let upgrade = Raw::request("/");
    let page = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for request in [upgrade.as_str(), page] {
        for lines in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nX: y\r\nHOST: b\r\n",
            "Host: a b\r\n",
            "Host: a/b\r\n",
            "Host: u@a\r\n",
        ] {
            let answer = ask(&host, &request.replace("Host: localhost\r\n", lines));
            assert!(answer.starts_with("HTTP/1.1 400 "), "{lines:?}: {answer}");
        }
    }
    let old = ask(&host, "GET / HTTP/1.0\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 426 ") || old.starts_with("HTTP/1.1 426 "), "{old}");
    assert!(ask(&host, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n").contains(" 400 "));
    assert!(ask(&host, &upgrade.replace("HTTP/1.1", "HTTP/1.0")).contains(" 400 "), "RFC 6455: HTTP/1.1 or higher");
    for valid in ["Host: [::1]:9001", "Host: a.example:", "host:   localhost:80  ", "Host:"] {
        let mut raw = Raw::dial(&host);
        raw.send(upgrade.replace("Host: localhost", valid).as_bytes());
        assert!(raw.read_head().starts_with("HTTP/1.1 101 "), "{valid}");
    }
}

// P8
#[test]
fn the_host_of_an_absolute_target_is_the_one_that_the_engine_sees() {
    let host = Host::with("probe", &[]);
    let mut raw = Raw::dial(&host);
    raw.send(Raw::request("http://b.example:81/request").as_bytes());
    let head = raw.read_head();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Some(\"b.example:81\")"), "{head}");
    let lacking = Raw::request("http://b.example/").replace("Host: localhost\r\n", "");
    assert!(ask(&host, &lacking).starts_with("HTTP/1.1 400 "));
    for target in ["*", "localhost:80", "http://u@b/", "x"] {
        let answer = ask(&host, &Raw::request(target));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
}

// P8: requests that a proxy in front could take for something else.
#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let host = Host::with("echo", &[]);
    let valid = Raw::request("/");
    for (instead, of) in [
        ("Host : localhost", "Host: localhost"),
        ("Host: localhost\r\n folded", "Host: localhost"),
        ("Host: localhost\r\n\tfolded", "Host: localhost"),
        ("Host: local\0host", "Host: localhost"),
        ("Host: localhost\rX: y", "Host: localhost"),
        ("X: \x7f\r\nHost: localhost", "Host: localhost"),
        ("X\0: y\r\nHost: localhost", "Host: localhost"),
        (": y\r\nHost: localhost", "Host: localhost"),
        ("no colon\r\nHost: localhost", "Host: localhost"),
        ("GET / HTTP/1.1\r\n Host: localhost", "GET / HTTP/1.1\r\nHost: localhost"),
        ("GET  / HTTP/1.1", "GET / HTTP/1.1"),
        ("GET / HTTP/1.1 ", "GET / HTTP/1.1"),
        ("GET / HTTP/2.0", "GET / HTTP/1.1"),
        ("GET /\0 HTTP/1.1", "GET / HTTP/1.1"),
        ("GET /\t HTTP/1.1", "GET / HTTP/1.1"),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"),
    ] {
        let request = valid.replace(of, instead);
        assert_ne!(request, valid);
        let answer = ask(&host, &request);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.").count() == 1, "{instead:?}: {answer}");
    }
    // Case does not matter, nor does it how a list is spread over lines.
    for (instead, of) in [
        ("UPGRADE: WebSocket", "Upgrade: websocket"),
        ("connection:keep-alive,UPGRADE", "Connection: Upgrade"),
        ("Connection: keep-alive, Upgrade", "Connection: Upgrade"),
        ("Connection: ,, upgrade ,", "Connection: Upgrade"),
        ("Upgrade: h2c, websocket", "Upgrade: websocket"),
    ] {
        let mut raw = Raw::dial(&host);
        raw.send(valid.replace(of, instead).as_bytes());
        assert!(raw.read_head().starts_with("HTTP/1.1 101 "), "{instead}");
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

// H8: bytes after it must not make the kernel reset the connection before the answer is read.
#[test]
fn an_answer_reaches_a_client_that_goes_on_sending() {
    let host = Host::with("echo", &[]);
    let body = "x".repeat(2 << 20);
    for head in ["POST / HTTP/1.1", "GET / HTTP/1.1\r\nExpect: 100-continue", "GET /\0 HTTP/1.1"] {
        let request = format!("{head}\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = ask(&host, &request);
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("\r\n\r\n"), "{answer}");
    }
}

// H4
/// An engine may ask for it as long as the connection lives, so that it is kept.
#[test]
fn a_path_of_more_than_8_kib_is_answered_with_414() {
    let host = Host::with("probe", &[]);
    let longest = format!("/{}", "x".repeat(8 * 1024 - 1));
    Raw::open(&host, &longest);
    host.wait_for_log(1, &["connection opened", &longest]);
    assert!(ask(&host, &Raw::request(&format!("{longest}?"))).starts_with("HTTP/1.1 414 "));
}

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
