//! Messages in both directions, their order and their fragments.

use crate::probe::{Probe, calls, in_callback};
use plugin_testing::{Frame, Message, NOTHING, TestHost};

#[test]
fn callbacks_come_in_order_and_behind_each_read_its_end() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    assert_eq!(calls(&host), ["open alice"]);
    alice.text("one");
    alice.pong(b"two");
    assert_eq!(calls(&host), ["text one", "read complete", "pong two", "read complete"]);
    alice.in_one_read(|| {
        alice.text("three");
        alice.text("four");
        assert_eq!((calls(&host), alice.unread()), (vec![], 2));
    });
    assert_eq!(calls(&host), ["text three", "text four", "read complete"]);
}

#[test]
fn what_is_sent_comes_in_order_and_pings_and_pongs_ahead() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    in_callback(&alice, |client, _| {
        client.send_text("one");
        client.ping(b"first");
        client.send_binary(b"two");
        client.pong(b"second");
    });
    let expected = [Message::ping("first"), Message::pong("second"), "one".into(), Message::binary("two")];
    assert_eq!(alice.received(), expected);
    assert_eq!(alice.received(), NOTHING, "what was read is gone");
}

#[test]
fn fragments_keep_a_message_together() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    let script = |client: &plugin_api::Client, _: &_| {
        let mut first = client.text_fragments();
        let mut second = client.binary_fragments();
        first.send("a");
        client.send_text("waits");
        second.send(b"1");
        first.send("b");
        second.finish(b"2");
        first.finish("c");
    };
    in_callback(&alice, script);
    assert_eq!(alice.received(), ["abc".into(), "waits".into(), Message::binary("12")]);

    in_callback(&alice, script);
    let expected = [
        Frame::part("a"),
        Frame::part("b"),
        Frame::whole("c"),
        Frame::whole("waits"),
        Frame::part(Message::binary("1")),
        Frame::whole(Message::binary("2")),
    ];
    assert_eq!(alice.received_frames(), expected);
}

#[test]
fn a_message_without_its_last_part_is_none_yet() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    let mut report = alice.handle().text_fragments();
    report.send("to be ");
    alice.handle().ping(b"");
    assert_eq!(alice.received(), [Message::ping("")]);
    report.finish("continued");
    assert_eq!(alice.received(), ["to be continued"]);
}

#[test]
fn a_message_that_is_never_finished_closes_the_client() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    in_callback(&alice, |client, _| {
        client.text_fragments().send("torso");
    });
    assert_eq!(alice.received(), [Message::close(1011, "a message was not finished")]);
    assert!(
        host.logs().iter().any(|line| line.to_string().contains("WARN wshost: closed: the engine dropped a message"))
    );
}

#[test]
fn groups_and_broadcasts_reach_whom_they_are_for() {
    let host = TestHost::new::<Probe>();
    let [alice, bob, carol] = ["/alice", "/bob", "/carol"].map(|name| host.connect(name));
    alice.handle().join("lobby");
    bob.handle().join("lobby");
    in_callback(&alice, |client, host| {
        assert_eq!(host.broadcast_text("to all"), 3);
        assert_eq!(host.everyone().except(client).send_binary(b"to others"), 2);
        assert_eq!(host.group("lobby").send_text("to members"), 2);
        assert_eq!(host.group("lobby").except(client).send_text("to other members"), 1);
        assert_eq!(host.group("cellar").send_text("to nobody"), 0);
        let names: Vec<_> = host.clients().iter().map(|client| client.resource().to_owned()).collect();
        assert_eq!(names, ["/alice", "/bob", "/carol"]);
    });
    assert_eq!(alice.received(), ["to all", "to members"]);
    let others = Message::binary("to others");
    assert_eq!(bob.received(), ["to all".into(), others.clone(), "to members".into(), "to other members".into()]);
    assert_eq!(carol.received(), ["to all".into(), others]);

    bob.disconnect();
    assert_eq!(host.handle().group("lobby").len(), 1);
    assert!(alice.handle().leave("lobby") && !alice.handle().leave("lobby"));
    assert_eq!(host.handle().client_count(), 2);
}
