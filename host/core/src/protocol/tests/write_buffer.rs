//! The output: whole frames in order, with control frames ahead of data and never inside a frame.

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

use super::*;
use crate::protocol::{WriteBuffer, close};

/// Takes server frames apart with tungstenite's parser: the opcode's bits and the payload of each.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let mut cursor = std::io::Cursor::new(bytes);
        let (header, length) = FrameHeader::parse(&mut cursor).unwrap().expect("a whole header");
        assert_eq!(header.mask, None, "RFC 6455 section 5.1: \"A server MUST NOT mask any frames\"");
        let (start, length) = (cursor.position() as usize, length as usize);
        frames.push((header.opcode.into(), bytes[start..start + length].to_vec()));
        bytes = &bytes[start + length..];
    }
    frames
}

/// The payloads in the order in which they would go out, as text.
fn payloads(bytes: &[u8]) -> Vec<String> {
    frames(bytes).into_iter().map(|(_, payload)| String::from_utf8(payload).unwrap()).collect()
}

/// The waiting bytes, in one piece.
fn unwritten(buffer: &WriteBuffer) -> Vec<u8> {
    buffer.unwritten().concat()
}

fn with_data(payloads: &[&str]) -> WriteBuffer {
    let mut buffer = WriteBuffer::new();
    payloads.iter().for_each(|payload| buffer.push(Opcode::Text, true, payload.as_bytes()));
    buffer
}

#[test]
fn frames_go_out_in_order() {
    let mut buffer = with_data(&["one", "two"]);
    buffer.push_encoded(b"\x81\x05three\x81\x04four");
    assert_eq!(payloads(&unwritten(&buffer)), ["one", "two", "three", "four"]);
    assert_eq!(buffer.len(), 5 + 5 + 7 + 6);
    buffer.advance(3);
    assert_eq!(unwritten(&buffer)[..4], *b"ne\x81\x03");
    buffer.advance(20);
    assert!(buffer.is_empty());
    assert_eq!(unwritten(&buffer), b"");
}

#[test]
fn a_control_frame_goes_ahead_of_all_data() {
    let mut buffer = with_data(&["one", "two"]);
    buffer.push_control_ahead(Opcode::Pong, b"pong");
    assert_eq!(payloads(&unwritten(&buffer)), ["pong", "one", "two"]);
}

#[test]
fn control_frames_keep_their_order() {
    let mut buffer = with_data(&["one"]);
    for payload in ["a", "b", "c"] {
        buffer.push_control_ahead(Opcode::Pong, payload.as_bytes());
    }
    assert_eq!(payloads(&unwritten(&buffer)), ["a", "b", "c", "one"]);
    buffer.advance(4);
    buffer.push_control_ahead(Opcode::Pong, b"d");
    assert_eq!(payloads(&unwritten(&buffer)[2..]), ["c", "d", "one"]);

    let mut buffer = WriteBuffer::new();
    buffer.push(Opcode::Ping, true, b"keepalive");
    buffer.push(Opcode::Text, true, b"one");
    buffer.push_control_ahead(Opcode::Pong, b"pong");
    assert_eq!(payloads(&unwritten(&buffer)), ["keepalive", "pong", "one"]);
}

#[test]
fn a_control_frame_waits_for_the_frame_in_flight() {
    // In flight from its first byte, through every form of length, to its last.
    for size in [0, 3, 125, 126, 70_000] {
        let first = "x".repeat(size);
        let whole = with_data(&[&first]).len();
        for written in [1, 2, 5, whole / 2, whole - 1, whole].into_iter().filter(|written| *written <= whole) {
            let mut buffer = with_data(&[&first, "two", "three"]);
            let mut wire = unwritten(&buffer)[..written].to_vec();
            buffer.advance(written);
            buffer.push_control_ahead(Opcode::Ping, b"ping");
            wire.extend(unwritten(&buffer));
            let expected = [&first[..], "ping", "two", "three"];
            assert_eq!(payloads(&wire), expected, "{written} of {whole}");
        }
    }
}

/// RFC 6455 section 5.5.1: an endpoint sends nothing behind a close frame that it means to be received.
#[test]
fn a_control_frame_goes_ahead_of_a_close_frame() {
    let mut buffer = WriteBuffer::new();
    buffer.push_close(close::GOING_AWAY, "bye");
    buffer.push_control_ahead(Opcode::Pong, b"");
    assert_eq!(frames(&unwritten(&buffer)), [(0xA, vec![]), (0x8, b"\x03\xe9bye".to_vec())]);
}

#[test]
fn what_has_not_begun_can_be_dropped() {
    let mut buffer = with_data(&["one", "two", "three"]);
    buffer.advance(6);
    assert_eq!(buffer.discard_unstarted(), 7);
    assert_eq!(unwritten(&buffer), b"\x03two");
    assert_eq!(buffer.discard_unstarted(), 0);
    buffer.push_close(close::POLICY, "");
    assert_eq!(unwritten(&buffer), b"\x03two\x88\x02\x03\xf0");
}

/// RFC 6455 section 5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".
/// Found by the simulation.
#[test]
fn a_message_in_fragments_is_dropped_as_a_whole_or_not_at_all() {
    for written in [0, 1, 3, 7, 10, 12, 13] {
        let mut buffer = WriteBuffer::new();
        buffer.push(Opcode::Text, false, b"a");
        buffer.push(Opcode::Continuation, false, b"b");
        buffer.push(Opcode::Continuation, true, b"cde");
        buffer.push(Opcode::Text, true, b"X");
        let mut wire = unwritten(&buffer)[..written].to_vec();
        buffer.advance(written);
        buffer.push_control_ahead(Opcode::Ping, b"p");
        buffer.discard_unstarted();
        wire.extend_from_slice(&unwritten(&buffer));
        let mut kept = payloads(&wire);
        kept.retain(|payload| payload != "p");
        let expected: &[&str] = match written {
            0 => &[],
            1..=11 => &["a", "b", "cde"],
            _ => &["a", "b", "cde", "X"],
        };
        assert_eq!(kept, expected, "{written}");
    }
}

#[test]
fn everything_can_be_dropped_between_frames() {
    let mut buffer = with_data(&["one", "two"]);
    buffer.push_control_ahead(Opcode::Pong, b"p");
    buffer.advance(3);
    assert_eq!(buffer.discard_unstarted(), 10);
    assert!(buffer.is_empty());
    buffer.push(Opcode::Text, true, b"new");
    buffer.push_control_ahead(Opcode::Pong, b"p");
    assert_eq!(payloads(&unwritten(&buffer)), ["p", "new"]);
}

/// A client that does not get a ping cannot answer it.
#[test]
fn pings_and_pongs_are_not_dropped_with_the_data_behind_them() {
    for written in [0, 1] {
        let mut buffer = WriteBuffer::new();
        buffer.push_control_ahead(Opcode::Ping, b"a");
        buffer.push(Opcode::Text, true, b"one");
        let mut wire = unwritten(&buffer)[..written].to_vec();
        buffer.advance(written);
        buffer.push_control_ahead(Opcode::Pong, b"b");
        assert_eq!(buffer.discard_unstarted(), 5);
        buffer.push(Opcode::Text, true, b"two");
        wire.extend_from_slice(&unwritten(&buffer));
        assert_eq!(payloads(&wire), ["a", "b", "two"]);
    }
}

#[test]
fn a_small_buffer_is_kept_and_a_large_one_given_back() {
    assert_eq!(WriteBuffer::new().held(), 0);
    let mut buffer = with_data(&["hello"]);
    buffer.advance(buffer.len());
    assert!(buffer.held() > 0);
    buffer.push(Opcode::Binary, true, &vec![0; 4097 * 1024]);
    buffer.advance(buffer.len());
    assert_eq!(buffer.held(), 0);
}

#[test]
fn memory_passes_from_one_buffer_to_the_next() {
    let mut buffer = WriteBuffer::new();
    buffer.lend(Vec::with_capacity(100_000));
    buffer.push(Opcode::Text, true, b"hello");
    buffer.advance(7);
    assert_eq!(buffer.take_memory().map(|memory| memory.capacity()), Some(100_000));
    assert_eq!(buffer.held(), 0);
}

#[test]
fn what_waits_keeps_no_more_memory_than_it_needs() {
    let mut buffer = WriteBuffer::new();
    buffer.lend(Vec::with_capacity(100_000));
    for text in ["one", "two", "three"] {
        buffer.push(Opcode::Text, true, text.as_bytes());
    }
    buffer.push_control_ahead(Opcode::Pong, b"p");
    buffer.advance(4);
    assert_eq!(buffer.take_memory().map(|memory| memory.capacity()), Some(100_000));
    assert!(buffer.held() < 100, "{}", buffer.held());
    // The frame in flight is still known.
    buffer.push_control_ahead(Opcode::Ping, b"q");
    assert_eq!(unwritten(&buffer)[..4], *b"\x03one");
    buffer.advance(4);
    assert_eq!(payloads(&unwritten(&buffer)), ["q", "two", "three"]);
    assert!(buffer.take_memory().is_none());
}

#[test]
fn a_buffer_that_is_never_empty_does_not_grow_without_end() {
    let mut buffer = with_data(&["hello"; 100]);
    for _ in 0..100_000 {
        buffer.push(Opcode::Text, true, b"hello");
        buffer.advance(7);
    }
    assert_eq!(buffer.len(), 700);
    assert!(buffer.held() <= 4096, "{}", buffer.held());
}

/// A client that pings behind a large reply must not cost more than its pings.
#[test]
fn a_control_frame_moves_nothing_of_what_waits() {
    for waits in [0, 1, 4 * 1024 * 1024] {
        let mut buffer = with_data(&[&"x".repeat(waits), "last"]);
        buffer.advance(1);
        for _ in 0..100_000 {
            buffer.push_control_ahead(Opcode::Pong, b"pong");
        }
        assert_eq!(buffer.moved, 0, "{waits} bytes wait");
        let pongs = payloads(&unwritten(&buffer)[with_data(&[&"x".repeat(waits)]).len() - 1..]);
        assert_eq!((pongs.len(), &pongs[100_000][..]), (100_001, "last"));
    }
}

#[test]
fn control_frames_that_are_written_slowly_are_moved_and_kept_a_few_times_at_most() {
    let mut buffer = with_data(&["one", "two"]);
    buffer.advance(1);
    for _ in 0..10 {
        buffer.push_control_ahead(Opcode::Pong, b"pong");
    }
    for _ in 0..100_000 {
        buffer.push_control_ahead(Opcode::Pong, b"pong");
        buffer.advance(6);
    }
    assert!(buffer.moved < 4 * 600_000, "{} bytes were moved", buffer.moved);
    assert!(buffer.held() < 4096, "{} bytes are held", buffer.held());
}

#[test]
fn a_control_frame_in_flight_is_not_torn() {
    let mut buffer = with_data(&["one", "two"]);
    let mut wire = unwritten(&buffer)[..1].to_vec();
    buffer.advance(1);
    for payload in ["a", "b", "c"] {
        buffer.push_control_ahead(Opcode::Pong, payload.as_bytes());
    }
    // The rest of the first, and of the pongs one and a part of another.
    wire.extend_from_slice(&unwritten(&buffer)[..4 + 3 + 2]);
    buffer.advance(4 + 3 + 2);
    assert_eq!(buffer.discard_unstarted(), 5);
    buffer.push(Opcode::Text, true, b"new");
    buffer.push_control_ahead(Opcode::Ping, b"p");
    wire.extend_from_slice(&unwritten(&buffer));
    assert_eq!(payloads(&wire), ["one", "a", "b", "c", "p", "new"]);
}

#[test]
fn what_the_socket_does_not_take_of_a_large_message_waits() {
    let message = "x".repeat(70_000);
    let whole = with_data(&[&message]).len();
    for taken in [0, 1, 9, 10, 11, 40_000, whole - 1, whole] {
        let mut wire = Vec::new();
        let mut buffer = WriteBuffer::new();
        buffer.write_through(Opcode::Text, message.as_bytes(), |header, payload| {
            wire.extend_from_slice(&[header, payload].concat()[..taken]);
            taken
        });
        assert_eq!(buffer.len(), whole - taken);
        buffer.push(Opcode::Text, true, b"behind");
        buffer.push_control_ahead(Opcode::Ping, b"ping");
        wire.extend_from_slice(&unwritten(&buffer));
        let expected = if taken == 0 { ["ping", &message, "behind"] } else { [&message, "ping", "behind"] };
        assert_eq!(payloads(&wire), expected, "{taken} of {whole}");
        // All of it or none can be dropped, and the ping stays.
        let begun = if taken == 0 { 0 } else { whole - taken };
        assert_eq!(buffer.len() - buffer.discard_unstarted(), begun + 6);
    }
}

#[derive(Clone, Debug)]
enum Action {
    Data(usize),
    /// A large message, of which the socket takes so many bytes if it is offered to it.
    Through(usize),
    Control(usize),
    Write(usize),
    Discard,
}

fn action() -> impl Strategy<Value = Action> {
    let size = prop_oneof![0..130_usize, 65_530..65_540_usize];
    prop_oneof![
        4 => size.prop_map(Action::Data),
        1 => (0..70_100_usize).prop_map(Action::Through),
        3 => (4..125_usize).prop_map(Action::Control),
        4 => (1..300_usize).prop_map(Action::Write),
        1 => (1..200_000_usize).prop_map(Action::Write),
        1 => Just(Action::Discard),
    ]
}

proptest! {
    /// Whatever is pushed, written in part and dropped: the wire carries whole frames, data and control frames each
    /// in their order, and never a frame that was dropped or one twice.
    #[test]
    fn the_wire_carries_whole_frames_in_order(actions in prop::collection::vec(action(), 1..60)) {
        let mut buffer = WriteBuffer::new();
        let mut wire = Vec::new();
        let mut number = 0_u32;
        let mut pushed = 0;
        let mut dropped = 0;
        for action in actions {
            let before = buffer.len();
            match action {
                Action::Data(size) => {
                    let mut payload = number.to_be_bytes().to_vec();
                    payload.resize(4 + size, b'x');
                    buffer.push(Opcode::Binary, true, &payload);
                    number += 1;
                    pushed += buffer.len() - before;
                }
                Action::Through(most) if buffer.is_empty() => {
                    let mut payload = number.to_be_bytes().to_vec();
                    payload.resize(70_000, b'x');
                    buffer.write_through(Opcode::Binary, &payload, |header, payload| {
                        let frame = [header, payload].concat();
                        let taken = most.min(frame.len());
                        wire.extend_from_slice(&frame[..taken]);
                        pushed += frame.len();
                        taken
                    });
                    number += 1;
                }
                Action::Through(_) => {}
                Action::Control(size) => {
                    let mut payload = number.to_be_bytes().to_vec();
                    payload.resize(size, b'x');
                    buffer.push_control_ahead(Opcode::Ping, &payload);
                    number += 1;
                    pushed += buffer.len() - before;
                }
                Action::Write(most) => {
                    let written = most.min(buffer.len());
                    wire.extend_from_slice(&unwritten(&buffer)[..written]);
                    buffer.advance(written);
                    prop_assert_eq!(buffer.len(), before - written);
                }
                Action::Discard => {
                    dropped += buffer.discard_unstarted();
                    let mut started = wire.clone();
                    started.extend_from_slice(&unwritten(&buffer));
                    frames(&started);
                }
            }
        }
        wire.extend_from_slice(&unwritten(&buffer));
        prop_assert_eq!(wire.len() + dropped, pushed);
        let frames = frames(&wire);
        for kind in [Opcode::Binary, Opcode::Ping] {
            let numbers: Vec<&[u8]> = frames.iter().filter(|frame| frame.0 == kind.bits()).map(|f| &f.1[..4]).collect();
            prop_assert!(numbers.is_sorted_by(|a, b| a < b));
        }
    }
}
