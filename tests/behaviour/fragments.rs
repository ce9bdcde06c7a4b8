//! Messages in fragments (RFC 6455 section 5.4): their parts stay together, and control frames overtake.

use crate::common::{Client, Host, Raw, ask, connect, frame};

/// A raw client that is called ann, and one that tells the engine what to do with her.
async fn ann_and_bob(host: &Host) -> (Raw, Client) {
    let mut ann = Raw::open(host, "/ann");
    ann.send(&frame(0x81, b"name ann"));
    assert_eq!(ann.read_frame(), (0x81, b"named ann".to_vec()));
    (ann, connect(host, "/bob").await)
}

async fn told(bob: &mut Client, command: &str, outcome: &str) {
    assert_eq!(ask(bob, command).await, outcome, "{command}");
}

// RFC 6455 section 5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message"
#[tokio::test(flavor = "multi_thread")]
async fn other_messages_wait_and_pings_overtake() {
    let host = Host::with("probe", &["--loops", "2"]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    told(&mut bob, "on ann begin w", "begun w").await;
    told(&mut bob, "on ann send at once", "Sent").await;
    assert_eq!(ann.read_frame(), (0x81, b"at once".to_vec()), "before its first part, a message holds nothing up");
    told(&mut bob, "part w one", "Sent").await;
    assert_eq!(ann.read_frame(), (0x01, b"one".to_vec()));
    for number in 0..100 {
        told(&mut bob, &format!("on ann send {number}"), "Sent").await;
    }
    told(&mut bob, "on ann ping overtakes", "Sent").await;
    assert_eq!(ann.read_frame(), (0x89, b"overtakes".to_vec()));
    ann.send(&frame(0x89, b"answered"));
    assert_eq!(ann.read_frame(), (0x8a, b"answered".to_vec()));
    told(&mut bob, "part w two", "Sent").await;
    assert_eq!(ann.read_frame(), (0x00, b"two".to_vec()));
    told(&mut bob, "finish w three", "Sent").await;
    assert_eq!(ann.read_frame(), (0x80, b"three".to_vec()));
    for number in 0..100 {
        assert_eq!(ann.read_frame(), (0x81, number.to_string().into_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_where_a_message_is_unfinished_and_only_there() {
    let host = Host::with("probe", &[]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    told(&mut bob, "on ann begin w", "begun w").await;
    told(&mut bob, "part w one", "Sent").await;
    told(&mut bob, "all to everyone", "to everyone").await;
    assert_eq!(crate::common::hear(&mut bob).await, "2");
    told(&mut bob, "finish w two", "Sent").await;
    assert_eq!(ann.read_frame(), (0x01, b"one".to_vec()));
    assert_eq!(ann.read_frame(), (0x80, b"two".to_vec()));
    assert_eq!(ann.read_frame(), (0x81, b"to everyone".to_vec()));
}

#[test]
fn a_callback_s_own_answers_wait_as_well() {
    let host = Host::with("probe", &[]);
    let mut ann = Raw::open(&host, "/ann");
    ann.send(&frame(0x81, b"begin w"));
    assert_eq!(ann.read_frame(), (0x81, b"begun w".to_vec()));
    // The answers to these two, `Sent`, are messages of their own.
    ann.send(&frame(0x81, b"part w one"));
    assert_eq!(ann.read_frame(), (0x01, b"one".to_vec()));
    ann.send(&frame(0x81, b"finish w two"));
    assert_eq!(ann.read_frame(), (0x80, b"two".to_vec()));
    assert_eq!(ann.read_frame(), (0x81, b"Sent".to_vec()));
    assert_eq!(ann.read_frame(), (0x81, b"Sent".to_vec()));
    ann.send(&frame(0x81, b"binary-parts a b c"));
    for (first, part) in [(0x02, "a"), (0x00, "b"), (0x00, "c"), (0x80, ""), (0x81, "Some(Sent)")] {
        assert_eq!(ann.read_frame(), (first, part.as_bytes().to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_at_once_send_one_message_after_the_other() {
    let host = Host::with("probe", &[]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    told(&mut bob, "on ann begin a", "begun a").await;
    told(&mut bob, "on ann begin b", "begun b").await;
    told(&mut bob, "part b b1", "Sent").await;
    told(&mut bob, "part a a1", "Sent").await;
    told(&mut bob, "on ann send in the queue", "Sent").await;
    told(&mut bob, "part b b2", "Sent").await;
    told(&mut bob, "finish a a2", "Sent").await;
    told(&mut bob, "finish b b3", "Sent").await;
    let frames = [(0x01, "b1"), (0x00, "b2"), (0x80, "b3"), (0x01, "a1"), (0x80, "a2"), (0x81, "in the queue")];
    for (first, part) in frames {
        assert_eq!(ann.read_frame(), (first, part.as_bytes().to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_dropped_unfinished_closes_its_client_with_1011() {
    let host = Host::with("probe", &[]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    told(&mut bob, "on ann begin unused", "begun unused").await;
    told(&mut bob, "abandon unused", "abandoned unused").await;
    told(&mut bob, "on ann begin w", "begun w").await;
    told(&mut bob, "part w one", "Sent").await;
    told(&mut bob, "on ann send waits in vain", "Sent").await;
    told(&mut bob, "abandon w", "abandoned w").await;
    assert_eq!(ann.read_frame(), (0x01, b"one".to_vec()), "dropping one without parts does nothing");
    let (first, payload) = ann.read_frame();
    assert_eq!((first, &payload[..2]), (0x88, &1011_u16.to_be_bytes()[..]));
    ann.send(&frame(0x88, &1011_u16.to_be_bytes()));
    assert!(ann.read_rest().is_empty());
    host.wait_for_log(1, &["closed /ann with 1011"]);
    told(&mut bob, "echo still here", "still here").await;
}

// RFC 6455 section 5.4: "Control frames [...] MAY be injected in the middle of a fragmented message."
#[tokio::test(flavor = "multi_thread")]
async fn closing_does_not_wait_for_an_unfinished_message() {
    let host = Host::with("probe", &[]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    told(&mut bob, "on ann begin w", "begun w").await;
    told(&mut bob, "part w one", "Sent").await;
    assert_eq!(ann.read_frame(), (0x01, b"one".to_vec()));
    told(&mut bob, "on ann close 1000", "Sent").await;
    told(&mut bob, "part w two", "Gone").await;
    let (first, payload) = ann.read_frame();
    assert_eq!((first, &payload[..2]), (0x88, &1000_u16.to_be_bytes()[..]));
    ann.send(&frame(0x88, &1000_u16.to_be_bytes()));
    assert!(ann.read_rest().is_empty());
    host.wait_for_log(1, &["closed /ann with 1000"]);
    told(&mut bob, "finish w three", "Gone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_outlives_its_client_harmlessly() {
    let host = Host::with("probe", &[]);
    let (ann, mut bob) = ann_and_bob(&host).await;
    for writer in ["a", "b"] {
        told(&mut bob, &format!("on ann begin {writer}"), &format!("begun {writer}")).await;
        told(&mut bob, &format!("part {writer} one"), "Sent").await;
    }
    drop(ann);
    host.wait_for_log(1, &["closed /ann with"]);
    told(&mut bob, "part a two", "Gone").await;
    told(&mut bob, "finish a three", "Gone").await;
    told(&mut bob, "abandon b", "abandoned b").await;
    told(&mut bob, "on ann begin c", "begun c").await;
    told(&mut bob, "finish c one", "Gone").await;
}
