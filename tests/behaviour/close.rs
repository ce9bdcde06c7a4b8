//! How connections end (FAULTS F8 to F10).

use crate::common::{Host, Raw, closed_with, connect, frame};
use futures_util::SinkExt;
use socket2::SockRef;
use std::net::Shutdown;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

// RFC 6455 section 5.5.1: "When sending a Close frame in response, the endpoint typically echos the status code"
#[tokio::test(flavor = "multi_thread")]
async fn a_close_is_answered_with_its_own_code() {
    let host = Host::with("unruly", &[]);
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut client = connect(&host, &format!("/code/{code}")).await;
        let close = CloseFrame { code: CloseCode::from(code), reason: "bye".into() };
        client.send(Message::Close(Some(close))).await.expect("sent");
        assert_eq!(closed_with(&mut client).await, code);
        host.wait_for_log(1, &["closed /code/", &format!(" with {code}")]);
    }
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    let host = Host::with("unruly", &[]);
    let mut raw = Raw::open(&host, "/empty");
    raw.send(&frame(0x88, b""));
    assert_eq!(raw.read_rest(), [0x88, 0]);
    host.wait_for_log(1, &["closed /empty with 1005"]);
}

// F10
#[test]
fn data_after_a_close_frame_is_ignored() {
    let host = Host::with("unruly", &[]);
    let mut raw = Raw::open(&host, "/");
    let mut bytes = frame(0x88, &1000_u16.to_be_bytes());
    bytes.extend(frame(0x81, b"too late"));
    raw.send(&bytes);
    assert_eq!(raw.read_close(), 1000);
}

// F9
#[test]
fn on_closed_comes_once_with_1006_when_the_peer_is_gone() {
    let host = Host::with("unruly", &[]);

    let raw = Raw::open(&host, "/reset");
    SockRef::from(&raw.0).set_linger(Some(Duration::ZERO)).expect("linger can be set");
    drop(raw);
    host.wait_for_log(1, &["closed /reset with 1006"]);

    let mut raw = Raw::open(&host, "/mid-frame");
    raw.send(&frame(0x81, b"half of this")[..9]);
    SockRef::from(&raw.0).set_linger(Some(Duration::ZERO)).expect("linger can be set");
    drop(raw);
    host.wait_for_log(1, &["closed /mid-frame with 1006"]);

    let mut raw = Raw::open(&host, "/half-close");
    raw.0.shutdown(Shutdown::Write).expect("shut down");
    assert!(raw.read_rest().is_empty());
    host.wait_for_log(1, &["closed /half-close with 1006"]);

    assert_eq!(host.wait_for_log(3, &["closed /"]).len(), 3, "each once");
}

// F9
#[test]
fn a_peer_that_never_answers_our_close_is_dropped_at_the_deadline() {
    let host = Host::with("unruly", &[]);
    let mut raw = Raw::open(&host, "/silent");
    raw.send(&frame(0x81, b"close"));
    let (first, payload) = raw.read_frame();
    assert_eq!((first, &payload[..2], &payload[2..]), (0x88, &4321_u16.to_be_bytes()[..], &b"as you wish"[..]));
    assert!(raw.read_rest().is_empty(), "TCP is dropped");
    assert_eq!(host.wait_for_log(1, &["closed /silent with 1006"]).len(), 1);
}

#[test]
fn an_answer_to_our_close_settles_the_code() {
    let host = Host::with("unruly", &[]);
    let mut raw = Raw::open(&host, "/answered");
    raw.send(&frame(0x81, b"close"));
    assert_eq!(raw.read_frame().0, 0x88);
    raw.send(&frame(0x88, &4321_u16.to_be_bytes()));
    assert!(raw.read_rest().is_empty());
    host.wait_for_log(1, &["closed /answered with 4321"]);
}

// F8: codes that must not be sent are not sent.
#[test]
fn an_engine_cannot_send_a_reserved_code_or_a_long_ping() {
    let host = Host::with("unruly", &[]);
    let mut raw = Raw::open(&host, "/");
    raw.send(&frame(0x81, b"bad close"));
    assert_eq!(raw.read_frame(), (0x81, b"[Refused, Refused, Refused]".to_vec()));
    host.wait_for_log(1, &["close code 1006 must not be sent"]);
    host.wait_for_log(1, &["125 at most"]);
}
