//! Echo, on the core in memory.

use super::Echo;
use plugin_api::prelude::*;
use plugin_testing::{Message, NOTHING, TestHost};

#[test]
fn every_message_comes_back_as_it_is_and_in_order() {
    let host = TestHost::new::<Echo>();
    let alice = host.connect("/");
    alice.text("schöne Grüße \u{1f600}");
    alice.binary(&[0, 255, 128]);
    alice.text("");
    alice.binary(&[]);
    let expected = ["schöne Grüße \u{1f600}".into(), Message::binary([0, 255, 128]), "".into(), Message::binary([])];
    assert_eq!(alice.received(), expected);
    assert_eq!(host.waiting_jobs(), 0, "nothing waits for a worker");
}

#[test]
fn messages_come_back_to_their_sender_alone() {
    let host = TestHost::new::<Echo>();
    let (alice, bob) = (host.connect("/chat?name=alice"), host.connect("/"));
    alice.text("from alice");
    bob.text("from bob");
    assert_eq!(alice.received(), ["from alice"]);
    assert_eq!(bob.received(), ["from bob"]);
}

#[test]
fn pings_and_closing_are_left_to_the_defaults() {
    let host = TestHost::new::<Echo>();
    let alice = host.connect("/");
    alice.ping(b"there?");
    alice.pong(b"unasked");
    assert_eq!(alice.received(), [Message::pong("there?")]);
    alice.close(close_code::GOING_AWAY, "bye");
    assert_eq!(alice.received(), [Message::close(close_code::GOING_AWAY, "")]);
    assert_eq!(alice.state(), State::Closed);
}

#[test]
fn nothing_is_said_unasked() {
    let host = TestHost::new::<Echo>();
    let alice = host.connect("/");
    alice.in_one_read(|| {
        alice.text("one");
        alice.text("two");
        assert_eq!(alice.received(), NOTHING, "the host has not read yet");
    });
    assert_eq!(alice.received(), ["one", "two"]);
    alice.disconnect();
    assert_eq!(alice.received(), NOTHING);
}
