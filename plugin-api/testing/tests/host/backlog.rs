//! Clients that do not keep up.

use crate::probe::{Probe, calls, in_callback};
use plugin_api::prelude::*;
use plugin_testing::{BacklogPolicy, Message, NOTHING, Options, TestHost};

fn host(backlog_policy: BacklogPolicy) -> TestHost {
    TestHost::with_options::<Probe>(Options { max_backlog: 300, backlog_policy, ..Options::default() })
}

/// A hundred bytes on the wire.
fn send_hundred(client: &Client) -> Sent {
    client.send_binary(&[0; 98])
}

#[test]
fn a_full_backlog_closes_the_client() {
    let host = host(BacklogPolicy::Close);
    let alice = host.connect("/?name=alice");
    let handle = alice.handle();
    alice.stop_reading();
    // What waits from outside of callbacks counts with what it costs to keep it.
    let sent: Vec<_> = (0..3).map(|_| send_hundred(&handle)).collect();
    assert_eq!((sent, handle.buffered()), (vec![Sent::Sent; 3], 300));
    assert_eq!((send_hundred(&handle), send_hundred(&handle)), (Sent::Backlogged, Sent::Gone));
    assert_eq!((alice.received(), alice.state()), (NOTHING.into(), State::Closing));
    alice.start_reading();
    assert_eq!(alice.received(), [Message::close(1008, "too slow: the backlog is full")]);
    assert_eq!(calls(&host), ["open alice", "drain at 33", "closed alice 1008 after 0 texts"]);
}

#[test]
fn with_the_other_policy_messages_are_dropped_until_there_is_room() {
    let host = host(BacklogPolicy::Drop);
    let alice = host.connect("/");
    let handle = alice.handle();
    alice.stop_reading();
    let sent: Vec<_> = (0..6).map(|_| send_hundred(&handle)).collect();
    assert_eq!(sent[2..], [Sent::Sent, Sent::Backlogged, Sent::Backlogged, Sent::Backlogged]);
    assert_eq!(handle.ping(b""), Sent::Backlogged);
    calls(&host);
    alice.start_reading();
    assert_eq!(calls(&host), ["drain at 0"]);
    assert_eq!((alice.received().len(), send_hundred(&handle)), (3, Sent::Sent));
}

#[test]
fn one_callback_can_fill_the_backlog_of_a_client_that_reads() {
    let host = host(BacklogPolicy::Drop);
    let alice = host.connect("/");
    in_callback(&alice, |client, _| {
        let sent: Vec<_> = (0..5).map(|_| send_hundred(client)).collect();
        assert_eq!((sent[3], sent[4], client.buffered()), (Sent::Sent, Sent::Backlogged, 400));
    });
    assert_eq!((alice.received().len(), calls(&host)), (4, vec!["open ".to_owned(), "drain at 0".to_owned()]));
}

/// Found by the simulation: what a callback looked at or sent between two broadcasts did not count for the second.
#[test]
fn broadcasts_in_a_callback_count_with_what_else_it_sends() {
    let host = host(BacklogPolicy::Drop);
    let alice = host.connect("/");
    let everyone = host.handle();
    in_callback(&alice, move |client, _| {
        let reached: Vec<_> = (0..5).map(|_| (everyone.broadcast_binary(&[0; 98]), client.buffered())).collect();
        assert_eq!(reached, [(1, 100), (1, 200), (1, 300), (1, 400), (0, 400)]);
    });
    assert_eq!((alice.received().len(), calls(&host)), (4, vec!["open ".to_owned(), "drain at 0".to_owned()]));
}

#[test]
fn what_waits_can_be_dropped_but_no_part_of_a_message() {
    let host = host(BacklogPolicy::Close);
    let alice = host.connect("/");
    let handle = alice.handle();
    alice.stop_reading();
    send_hundred(&handle);
    assert_eq!((handle.discard_buffered(), handle.buffered()), (100, 0));
    let (mut report, mut other) = (handle.text_fragments(), handle.text_fragments());
    report.send("a");
    other.send("c");
    send_hundred(&handle);
    assert_eq!(handle.discard_buffered(), 100);
    report.finish("b");
    other.finish("d");
    handle.close(1000, "done");
    assert_eq!(handle.discard_buffered(), 0, "the close frame stays");
    alice.start_reading();
    assert_eq!(alice.received(), ["ab".into(), "cd".into(), Message::close(1000, "done")]);
}

#[test]
fn a_part_that_finds_the_backlog_full_closes_whatever_the_policy() {
    let host = host(BacklogPolicy::Drop);
    let alice = host.connect("/");
    alice.stop_reading();
    let mut report = alice.handle().binary_fragments();
    assert_eq!((report.send(&[0; 400]), report.send(&[0])), (Sent::Sent, Sent::Backlogged));
    drop(report);
    alice.start_reading();
    assert_eq!(alice.received(), [Message::close(1008, "too slow: the backlog is full")]);
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_gets_the_newest_pong() {
    let host = host(BacklogPolicy::Close);
    let alice = host.connect("/");
    alice.stop_reading();
    for data in [b"1", b"2", b"3"] {
        alice.ping(data);
    }
    for _ in 0..2 {
        send_hundred(&alice.handle());
    }
    alice.text("waits");
    assert_eq!(alice.unread(), 1);
    alice.start_reading();
    assert_eq!(alice.unread(), 0);
    // The first waited for the socket already.
    let data = Message::binary([0; 98]);
    assert_eq!(alice.received(), [Message::pong("1"), data.clone(), data, Message::pong("3")]);
}

#[test]
fn an_engine_can_pause_reading() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    alice.handle().pause_reading();
    alice.text("one");
    alice.text("two");
    assert_eq!((alice.unread(), calls(&host)), (2, vec!["open ".to_owned()]));
    alice.handle().resume_reading();
    assert_eq!(calls(&host), ["text one", "text two", "read complete"]);
}
