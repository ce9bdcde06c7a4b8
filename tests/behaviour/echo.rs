//! Echo through a plugin.

use crate::common::{Host, Raw, connect, frame};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Around every boundary of the length encoding (RFC 6455 section 5.2), of the read buffer, and up to 16 MiB.
const SIZES: [usize; 14] =
    [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 65_537, 131_072, 1_000_003, 1 << 20, 5_000_001, 16 << 20];

#[tokio::test(flavor = "multi_thread")]
async fn echoes_text_and_binary_of_0_bytes_to_16_mib() {
    let host = Host::with("echo", &["--max-message", "16MiB"]);
    let mut client = connect(&host, "/").await;
    for size in SIZES {
        let text: String = "héllo wörld ✓ "
            .chars()
            .cycle()
            .scan(0, |length, character| {
                *length += character.len_utf8();
                (*length <= size).then_some(character)
            })
            .collect();
        for message in [Message::text(text), Message::binary(pattern(size))] {
            client.send(message.clone()).await.expect("sent");
            let reply = client.next().await.expect("a reply").expect("a message");
            assert!(reply == message, "the echo of {size} bytes differs");
        }
    }
    client.close(None).await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_come_in_order_however_many_are_in_flight() {
    let host = Host::with("echo", &[]);
    let (mut sink, mut stream) = connect(&host, "/").await.split();
    let sending = tokio::spawn(async move {
        for number in 0..20_000_u32 {
            sink.feed(Message::text(number.to_string())).await.expect("sent");
        }
        sink.flush().await.expect("flushed");
        sink
    });
    for number in 0..20_000_u32 {
        let reply = stream.next().await.expect("a reply").expect("a message");
        assert_eq!(reply.into_text().expect("text").as_str(), number.to_string());
    }
    drop(sending.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragmented_message_with_pings_inside_is_one_message() {
    let host = Host::with("echo", &[]);
    let mut raw = Raw::open(&host, "/");
    raw.send(&frame(0x01, b"frag"));
    raw.send(&frame(0x89, b"alive?"));
    assert_eq!(raw.read_frame(), (0x8a, b"alive?".to_vec()), "the pong does not wait for the message");
    raw.send(&frame(0x00, b"men"));
    raw.send(&frame(0x80, b"ted"));
    assert_eq!(raw.read_frame(), (0x81, b"fragmented".to_vec()));
}

// H9
#[test]
fn a_frame_right_behind_the_request_is_processed() {
    let host = Host::with("echo", &[]);
    let mut raw = Raw::dial(&host);
    let mut bytes = Raw::request("/").into_bytes();
    bytes.extend(frame(0x81, b"early"));
    bytes.extend(&frame(0x81, b"split")[..4]);
    raw.send(&bytes);
    assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.read_frame(), (0x81, b"early".to_vec()));
    raw.send(&frame(0x81, b"split")[4..]);
    assert_eq!(raw.read_frame(), (0x81, b"split".to_vec()));
}

#[test]
fn a_frame_one_byte_at_a_time_is_processed() {
    let host = Host::with("echo", &[]);
    let mut raw = Raw::open(&host, "/");
    for byte in frame(0x82, &[7; 200]) {
        raw.send(&[byte]);
    }
    let head = raw.read(4);
    assert_eq!(head, [0x82, 126, 0, 200]);
    assert_eq!(raw.read(200), [7; 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_engine_of_the_readme_greets() {
    let host = Host::with("hello", &[]);
    assert!(host.ready_line().ends_with("(engine hello 1.0.0)"), "{}", host.ready_line());
    let mut client = connect(&host, "/any/path?at=all").await;
    client.send(Message::text("Ann")).await.expect("sent");
    assert_eq!(client.next().await.expect("a reply").expect("a message"), Message::text("Hello Ann!"));
}

fn pattern(size: usize) -> Bytes {
    (0..size).map(|index| (index * 31 % 251) as u8).collect::<Vec<_>>().into()
}
