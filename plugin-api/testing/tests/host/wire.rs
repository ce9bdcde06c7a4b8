//! What goes over the wire: frames, what no client may send, limits, and compression.

use crate::probe::{Probe, calls, in_callback};
use plugin_api::close_code;
use plugin_api::prelude::*;
use plugin_testing::{Compression, Frame, Message, Options, TestClient, TestHost, masked};
use std::time::Duration;

/// Sends back what comes.
struct Echo;

impl Engine for Echo {
    type Session = ();

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Echo)
    }

    fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
        client.send_text(text);
        None
    }

    fn on_binary(&self, client: &Client, _: &mut (), data: &[u8]) -> Option<Box<dyn Job>> {
        client.send_binary(data);
        None
    }
}

/// The code and the reason with which the client was closed.
fn closed_with(client: &TestClient) -> (u16, String) {
    match &client.received()[..] {
        [Message::Close { code, reason }] => (*code, reason.clone()),
        other => panic!("{other:?} came"),
    }
}

#[test]
fn a_message_may_come_in_frames_with_others_between() {
    let host = TestHost::new::<Echo>();
    let alice = host.connect("/");
    alice.fragments(["a", "b", "c"]);
    alice.fragments([Message::binary([1]), Message::binary([2])]);
    alice.frame(Frame::part("d"));
    alice.ping(b"still there?");
    alice.frame(Frame::whole("e"));
    let expected = ["abc".into(), Message::binary([1, 2]), Message::pong("still there?"), "de".into()];
    assert_eq!(alice.received(), expected);
}

#[test]
fn each_breach_of_the_protocol_has_its_close_code() {
    let unmasked = [0x81, 0x02, b'h', b'i'];
    for (bytes, code) in [
        (unmasked.to_vec(), close_code::PROTOCOL),
        (masked(0xC1, b"a reserved bit"), close_code::PROTOCOL),
        (masked(0x83, b"a reserved opcode"), close_code::PROTOCOL),
        (masked(0x80, b"nothing to continue"), close_code::PROTOCOL),
        (masked(0x09, b"a ping in parts"), close_code::PROTOCOL),
        (masked(0x89, &[0; 126]), close_code::PROTOCOL),
        (masked(0x88, &1005_u16.to_be_bytes()), close_code::PROTOCOL),
        ([masked(0x01, b"one"), masked(0x81, b"within another")].concat(), close_code::PROTOCOL),
        (masked(0x81, b"\xFF"), close_code::INVALID_DATA),
        (masked(0x88, b"\x03\xE8\xFF"), close_code::INVALID_DATA),
        (masked(0x82, &[0; 101]), close_code::TOO_BIG),
        ([masked(0x02, &[0; 100]), masked(0x80, &[0])].concat(), close_code::TOO_BIG),
    ] {
        let host = TestHost::with_options::<Probe>(Options { max_message: 100, ..Options::default() });
        let mallory = host.connect("/?name=mallory");
        mallory.raw(&bytes);
        let (sent, reason) = closed_with(&mallory);
        assert_eq!(sent, code, "{bytes:?}: {reason}");
        assert_eq!(mallory.state(), State::Closed);
        let logs = host.logs();
        assert!(logs.iter().any(|line| line.to_string() == format!("INFO wshost: connection failed: {reason}")));
        let closed = format!("closed mallory {code} after 0 texts");
        assert!(logs.iter().any(|line| line.target == "calls" && line.message == closed), "{logs:?}");
    }
}

#[test]
fn what_came_before_a_breach_is_answered() {
    let host = TestHost::new::<Echo>();
    let mallory = host.connect("/");
    mallory.in_one_read(|| {
        mallory.text("hello");
        mallory.raw(&masked(0x83, b""));
        mallory.text("too late");
    });
    assert!(
        matches!(&mallory.received()[..], [Message::Text(hello), Message::Close { code: 1002, .. }] if hello == "hello")
    );
}

#[test]
fn a_message_that_does_not_come_to_its_end_has_a_deadline() {
    let patient = Options { message_timeout: Duration::from_secs(3), ..Options::default() };
    let host = TestHost::with_options::<Echo>(patient);
    let alice = host.connect("/");
    alice.frame(Frame::part("to be "));
    host.advance(Duration::from_millis(2900));
    assert_eq!(alice.state(), State::Open);
    host.advance(Duration::from_millis(400));
    assert_eq!(closed_with(&alice).0, close_code::POLICY);
}

/// Found by the simulation: of a message whose beginning was read before a pause that was long enough, the end came too late,
/// whenever it came.
#[test]
fn its_time_stands_still_while_nothing_is_read_or_answered() {
    let patient = Options { message_timeout: Duration::from_secs(3), max_backlog: 1000, ..Options::default() };
    let host = TestHost::with_options::<Echo>(patient);
    let alice = host.connect("/");
    alice.stop_reading();
    let (long, short) = ("much ".repeat(180), masked(0x81, b"more"));
    alice.in_one_read(|| {
        alice.text(&long);
        alice.raw(&short[..5]);
    });
    host.advance(Duration::from_secs(20));
    alice.start_reading();
    host.advance(Duration::from_millis(2900));
    alice.raw(&short[5..]);
    assert_eq!(alice.received(), [Message::text(long), Message::text("more")]);
}

#[test]
fn bytes_may_come_one_by_one() {
    let host = TestHost::new::<Echo>();
    let alice = host.connect("/");
    for byte in masked(0x81, "schöne Grüße".as_bytes()) {
        alice.raw(&[byte]);
    }
    assert_eq!(alice.received(), ["schöne Grüße"]);
}

#[test]
fn fragments_of_the_engine_are_frames() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    in_callback(&alice, |client, _| {
        let mut report = client.text_fragments();
        report.send("one");
        client.ping(b"between");
        report.finish("two");
    });
    let frames = [Frame::whole(Message::ping("between")), Frame::part("one"), Frame::whole("two")];
    assert_eq!(alice.received_frames(), frames);
    assert!(calls(&host).contains(&"pong between".to_owned()));
}

#[test]
fn messages_are_compressed_for_clients_that_offer_it() {
    for context_takeover in [false, true] {
        let compression = Some(Compression { context_takeover, ..Compression::default() });
        let host = TestHost::with_options::<Echo>(Options { compression, ..Options::default() });
        let (alice, bob) = (host.request("/").compress().connect(), host.connect("/"));
        assert!(alice.extensions().is_some_and(|agreed| agreed.starts_with("permessage-deflate")));
        assert_eq!(bob.extensions(), None);
        let long: String = (0..10_000).map(|number| format!("{number}, ")).collect();
        for client in [&alice, &bob] {
            for text in [&long, "short", &long] {
                client.text(text);
            }
            client.fragments([&*long, "and the end"]);
        }
        let ended = format!("{long}and the end");
        let expected = [(&*long, true), ("short", false), (&long, true), (&ended, true)];
        for (client, compresses) in [(&alice, true), (&bob, false)] {
            let frames = client.received_frames();
            let expected = expected.map(|(text, long)| Frame {
                content: Message::text(text),
                last: true,
                compressed: compresses && long,
            });
            assert_eq!(frames, expected);
        }
        host.handle().broadcast_text(&long);
        assert_eq!((alice.received(), bob.received()), (vec![(&*long).into()], vec![(&*long).into()]));
    }
}

#[test]
fn nobody_is_offered_compression_that_the_host_has_not() {
    let host = TestHost::new::<Echo>();
    let alice = host.request("/").compress().connect();
    assert_eq!(alice.extensions(), None);
    alice.text("plain");
    assert_eq!(alice.received_frames(), [Frame::whole("plain")]);
}

#[test]
fn what_is_inflated_counts_for_the_limit() {
    let options = Options { compression: Some(Compression::default()), max_message: 1000, ..Options::default() };
    let host = TestHost::with_options::<Echo>(options);
    let mallory = host.request("/").compress().connect();
    mallory.text(&"x".repeat(1001));
    assert_eq!(closed_with(&mallory).0, close_code::TOO_BIG);
}
