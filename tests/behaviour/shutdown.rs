//! SIGTERM: everyone gets 1001, queued replies are delivered, the exit code is 0.

use crate::common::{Host, Raw, ask, closed_with, connect};
use futures_util::{SinkExt, StreamExt};
use std::fs;
use std::io::Read;
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

/// FAULTS P9: a file.
#[test]
fn a_file_that_is_being_downloaded_is_delivered() {
    const LENGTH: usize = 32 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("large"), vec![42; LENGTH]).expect("written");
    let mut host = Host::with("echo", &["--static", folder.path().to_str().expect("UTF-8")]);
    let mut raw = Raw::dial(&host);
    raw.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = raw.read_head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    host.terminate();
    host.wait_for_log(1, &["SIGTERM"]);
    let mut rest = Vec::new();
    raw.0.read_to_end(&mut rest).expect("all of it comes");
    assert_eq!(rest.len(), LENGTH);
    drop(raw);
    assert_eq!(host.wait().code(), Some(0));
}

/// FAULTS P9: a handshake that the engine thinks about.
#[test]
fn a_client_that_the_engine_is_asked_about_is_let_in_and_told() {
    let mut host = Host::with("opinionated", &[]);
    let mut raw = Raw::dial(&host);
    raw.send(Raw::request("/slow").as_bytes());
    host.wait_for_log(1, &["slow in authenticate"]);
    host.terminate();
    let head = raw.read_head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let (opcode, payload) = raw.read_frame();
    assert_eq!((opcode, &payload[..2]), (0x88, &1001_u16.to_be_bytes()[..]));
    drop(raw);
    assert_eq!(host.wait().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_not_asked_in_full_is_not_waited_for() {
    let mut host = Host::with("echo", &["--loops", "1", "--handshake-timeout", "1h", "--drain-timeout", "1h"]);
    let mut halfway = Raw::dial(&host);
    halfway.send(b"GET / HTTP/1.1\r\nHost: local");
    let mut silent = Raw::dial(&host);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "they are there").await, "they are there");
    host.terminate();
    assert_eq!(closed_with(&mut client).await, 1001);
    let head = halfway.read_head();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    drop(halfway);
    assert_eq!(silent.0.read(&mut [0]).expect("no reset"), 0);
    assert_eq!(host.wait().code(), Some(0));
}
