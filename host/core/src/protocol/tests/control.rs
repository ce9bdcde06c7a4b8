//! Control frames between and inside messages, and the end of a conversation (RFC 6455 section 5.5).

use super::*;
use crate::protocol::close;

/// RFC 6455 section 5.4: "Control frames MAY be injected in the middle of a fragmented message."
#[test]
fn control_frames_come_through_inside_a_message() {
    let bytes = [
        frame(Opcode::Text, false, "on"),
        frame(Opcode::Ping, true, "are you there"),
        frame(Opcode::Continuation, false, "e"),
        frame(Opcode::Pong, true, ""),
        frame(Opcode::Continuation, true, "!"),
    ];
    let expected = [Event::Ping(b"are you there".to_vec()), Event::Pong(vec![]), text("one!")];
    assert_eq!(events(&bytes.concat()), expected);
}

#[test]
fn the_longest_control_frame_is_delivered() {
    let payload = [b'p'; 125];
    let alone = frame(Opcode::Ping, true, payload);
    assert_eq!(events(&alone), [Event::Ping(payload.to_vec())]);
    assert_eq!(events(&alone.repeat(3)).len(), 3);
}

#[test]
fn a_close_frame_gives_code_and_reason() {
    assert_eq!(events(&frame(Opcode::Close, true, "")), [Event::Close(close::NO_STATUS, String::new())]);
    assert_eq!(events(&frame(Opcode::Close, true, b"\x0f\xa0")), [Event::Close(4000, String::new())]);
    let reason = "é".repeat(61);
    let payload = [&[0x03, 0xE8], reason.as_bytes()].concat();
    assert_eq!(events(&frame(Opcode::Close, true, payload)), [Event::Close(close::NORMAL, reason)]);
}

#[test]
fn a_close_frame_inside_a_message_is_the_end() {
    let bytes = [frame(Opcode::Text, false, "unfini"), frame(Opcode::Close, true, b"\x03\xe9")];
    assert_eq!(events(&bytes.concat()), [Event::Close(close::GOING_AWAY, String::new())]);
}

/// F10. RFC 6455 section 1.4: behind a close frame "a peer discards any further data received".
#[test]
fn data_behind_a_close_frame_is_ignored() {
    let close = frame(Opcode::Close, true, b"\x03\xe8");
    let bytes = [close.clone(), frame(Opcode::Text, true, "late"), close, b"\xFF\xFF rubbish".to_vec()];
    assert_eq!(events(&bytes.concat()), [Event::Close(close::NORMAL, String::new())]);
}

/// F10. RFC 6455 section 7.1.7: an endpoint "MUST NOT continue to attempt to process data" once it has failed the
/// connection.
#[test]
fn data_behind_a_fault_is_ignored() {
    let mut receiver = Receiver::new(LIMITS);
    let now = Instant::now();
    assert_eq!(pass(&mut receiver, now, &[0xC1]), [Event::Fault(Fault::ReservedBit)]);
    assert_eq!(pass(&mut receiver, now, &frame(Opcode::Text, true, "late")), []);
    assert_eq!(pass(&mut receiver, now, &frame(Opcode::Close, true, "")), []);
    assert_eq!((receiver.held(), receiver.deadline()), (0, None));
}
