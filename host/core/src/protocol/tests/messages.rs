//! Messages whole, fragmented, and in every length form (RFC 6455 sections 5.4 and 5.6).

use super::*;

#[test]
fn a_message_in_one_frame_is_delivered() {
    assert_eq!(events(&frame(Opcode::Text, true, "héllo")), [text("héllo")]);
    assert_eq!(events(&frame(Opcode::Binary, true, [0, 255, 3])), [Event::Binary(vec![0, 255, 3])]);
}

#[test]
fn empty_messages_are_delivered() {
    assert_eq!(events(&frame(Opcode::Text, true, "")), [text("")]);
    assert_eq!(events(&frame(Opcode::Binary, true, "")), [Event::Binary(vec![])]);
    let fragments = [frame(Opcode::Text, false, ""), frame(Opcode::Continuation, true, "")].concat();
    assert_eq!(events(&fragments), [text("")]);
}

#[test]
fn every_length_form_is_read_in_place_and_split() {
    for length in [0, 1, 125, 126, 127, 65535, 65536, 70000] {
        let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let bytes = frame(Opcode::Binary, true, &payload);
        assert_eq!(events(&bytes), [Event::Binary(payload)]);
    }
}

#[test]
fn many_messages_in_one_read_are_all_delivered() {
    let bytes = frame(Opcode::Text, true, "twenty bytes of text").repeat(1000);
    assert_eq!(events(&bytes), vec![text("twenty bytes of text"); 1000]);
}

#[test]
fn fragments_are_joined() {
    let bytes = [
        frame(Opcode::Text, false, "one "),
        frame(Opcode::Continuation, false, ""),
        frame(Opcode::Continuation, false, "two "),
        frame(Opcode::Continuation, true, "three"),
        frame(Opcode::Binary, false, [1]),
        frame(Opcode::Continuation, true, [2]),
        frame(Opcode::Text, true, "after"),
    ];
    assert_eq!(events(&bytes.concat()), [text("one two three"), Event::Binary(vec![1, 2]), text("after")]);
}

#[test]
fn a_character_may_span_fragments() {
    let bytes = [
        frame(Opcode::Text, false, b"\xF0\x9F"),
        frame(Opcode::Continuation, false, b"\x98"),
        frame(Opcode::Continuation, true, b"\x80!"),
    ];
    assert_eq!(events(&bytes.concat()), [text("😀!")]);
}

#[test]
fn a_whole_message_costs_no_memory() {
    let mut receiver = Receiver::new(LIMITS);
    let mut bytes = frame(Opcode::Text, true, "hello");
    let at = bytes.as_ptr_range();
    match receiver.receive(Instant::now(), &mut bytes).unwrap() {
        (11, Some(Received::Text(text))) => assert!(at.contains(&text.as_ptr()), "in place"),
        other => panic!("{other:?}"),
    }
    assert_eq!(receiver.held(), 0);
    assert_eq!(receiver.deadline(), None);
}
