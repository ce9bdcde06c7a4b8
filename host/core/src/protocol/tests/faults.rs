//! Everything that RFC 6455 forbids a client, row by row of the list of faults.

use super::*;
use crate::protocol::close;

/// Asserts that the conversation ends in this fault and code, and not before its last byte.
#[track_caller]
fn assert_fault_at_the_last_byte(bytes: &[u8], fault: Fault, code: u16) {
    let (_, before) = bytes.split_last().unwrap();
    assert!(!events(before).iter().any(|event| matches!(event, Event::Fault(_))), "too early");
    assert_eq!(events(bytes).last(), Some(&Event::Fault(fault)));
    assert_eq!(fault.close_code(), code);
}

/// F1. RFC 6455 section 5.1: "The server MUST close the connection upon receiving a frame that is not masked."
#[test]
fn an_unmasked_frame_is_refused_at_its_header() {
    assert_fault_at_the_last_byte(b"\x81\x05", Fault::Unmasked, close::PROTOCOL);
    assert_fault_at_the_last_byte(b"\x89\x00", Fault::Unmasked, close::PROTOCOL);
}

/// F1, D3. RFC 6455 section 5.2: RSV1 to RSV3 "MUST be 0 unless an extension is negotiated".
#[test]
fn a_reserved_bit_is_refused_at_its_header() {
    for bit in [0x40, 0x20, 0x10] {
        for opcode in [0x1, 0x2, 0x8, 0x9, 0xA] {
            assert_fault_at_the_last_byte(&[0x80 | bit | opcode], Fault::ReservedBit, close::PROTOCOL);
        }
    }
}

/// F1. RFC 6455 section 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
/// Connection_."
#[test]
fn a_reserved_opcode_is_refused_at_its_header() {
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        assert_fault_at_the_last_byte(&[0x80 | opcode], Fault::ReservedOpcode(opcode), close::PROTOCOL);
    }
}

/// F1. RFC 6455 section 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
/// fragmented."
#[test]
fn a_control_frame_fragmented_or_long_is_refused_at_its_header() {
    for opcode in [0x8, 0x9, 0xA] {
        assert_fault_at_the_last_byte(&[opcode], Fault::FragmentedControl, close::PROTOCOL);
        assert_fault_at_the_last_byte(&[0x80 | opcode, 0x80 | 126], Fault::LongControl, close::PROTOCOL);
        assert_fault_at_the_last_byte(&[0x80 | opcode, 0x80 | 127], Fault::LongControl, close::PROTOCOL);
    }
}

/// F2. RFC 6455 section 5.2: of a 64-bit length "the most significant bit MUST be 0".
#[test]
fn a_length_with_the_top_bit_is_refused_at_its_header() {
    let bytes = b"\x82\xff\x80\0\0\0\0\0\0\x01";
    assert_fault_at_the_last_byte(bytes, Fault::LengthTopBit, close::PROTOCOL);
}

/// RFC 6455 section 5.2: "the minimal number of bytes MUST be used to encode the length".
#[test]
fn a_length_in_too_many_bytes_is_refused_at_its_header() {
    assert_fault_at_the_last_byte(b"\x82\xfe\0\x7d", Fault::LengthNotMinimal, close::PROTOCOL);
    assert_fault_at_the_last_byte(b"\x82\xff\0\0\0\0\0\0\xff\xff", Fault::LengthNotMinimal, close::PROTOCOL);
}

/// F4. RFC 6455 section 5.4: a message is one frame with an opcode, then continuations.
#[test]
fn a_continuation_of_nothing_is_refused_at_its_header() {
    assert_fault_at_the_last_byte(&[0x80], Fault::NothingToContinue, close::PROTOCOL);
    assert_fault_at_the_last_byte(&[0x00], Fault::NothingToContinue, close::PROTOCOL);
    let behind_a_message = [frame(Opcode::Text, false, "a"), frame(Opcode::Continuation, true, "b"), vec![0x80]];
    assert_fault_at_the_last_byte(&behind_a_message.concat(), Fault::NothingToContinue, close::PROTOCOL);
}

/// F4. RFC 6455 section 5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another
/// message".
#[test]
fn a_message_inside_a_message_is_refused_at_its_header() {
    for first in [0x81, 0x82, 0x01, 0x02] {
        let bytes = [frame(Opcode::Text, false, "a"), vec![first]].concat();
        assert_fault_at_the_last_byte(&bytes, Fault::MessageUnfinished, close::PROTOCOL);
    }
}

/// Text that is UTF-8 except for its last byte, which no further bytes could mend.
const BAD_AT_THE_END: [&[u8]; 9] = [
    b"\xFF",
    b"abc\x80",
    b"abc\xC0",
    b"\xC3a",
    b"\xE0\x9F",         // a longer form than needed
    b"\xED\xA0",         // a surrogate
    b"\xF4\x90",         // beyond U+10FFFF
    b"\xF0\x9F\x98\x20", // a character broken off
    b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90",
];

/// F7. RFC 6455 section 8.1: an endpoint that finds that a byte stream is not UTF-8 "MUST _Fail the WebSocket
/// Connection_."
#[test]
fn bad_text_in_an_unfinished_frame_is_refused_at_once() {
    for bad in BAD_AT_THE_END {
        let mut bytes = frame(Opcode::Text, true, [bad, b" and much more text"].concat());
        bytes.truncate(6 + bad.len());
        assert_fault_at_the_last_byte(&bytes, Fault::TextNotUtf8, close::INVALID_DATA);
    }
}

/// F7, and the same split between fragments.
#[test]
fn bad_text_across_fragments_is_refused_at_once() {
    for bad in BAD_AT_THE_END {
        for split in 0..bad.len() {
            let first = frame(Opcode::Text, false, &bad[..split]);
            let mut second = frame(Opcode::Continuation, true, [&bad[split..], b" and more"].concat());
            second.truncate(6 + bad.len() - split);
            assert_fault_at_the_last_byte(&[first, second].concat(), Fault::TextNotUtf8, close::INVALID_DATA);
        }
    }
}

/// F7. Long text takes another path through the checker than short text.
#[test]
fn bad_text_behind_much_good_text_is_refused_at_once() {
    let good = "κόσμε ".repeat(10_000);
    let payload = [good.as_bytes(), b"\xF4\x90\x80\x80", good.as_bytes()].concat();
    let mut bytes = frame(Opcode::Text, true, payload);
    let bad = bytes.len() - good.len() - 2;
    bytes.truncate(bad);
    let now = Instant::now();
    for read in [1, 7, 1000, 1 << 20] {
        let mut receiver = Receiver::new(LIMITS);
        let mut before = bytes[..bad - 1].chunks(read).flat_map(|read| pass(&mut receiver, now, read));
        assert_eq!(before.next(), None);
        drop(before);
        assert_eq!(pass(&mut receiver, now, &bytes[bad - 1..]), [Event::Fault(Fault::TextNotUtf8)]);
    }
}

/// F7.
#[test]
fn text_that_ends_inside_a_character_is_refused() {
    let whole = frame(Opcode::Text, true, b"abc\xE2\x82");
    assert_fault_at_the_last_byte(&whole, Fault::TextNotUtf8, close::INVALID_DATA);
    let split = [frame(Opcode::Text, false, b"abc\xE2"), frame(Opcode::Continuation, true, b"\x82")];
    assert_fault_at_the_last_byte(&split.concat(), Fault::TextNotUtf8, close::INVALID_DATA);
}

/// F7. RFC 6455 section 5.5.1: the body of a close frame may contain "UTF-8-encoded data".
#[test]
fn a_bad_close_reason_is_refused_at_once() {
    let mut bytes = frame(Opcode::Close, true, b"\x03\xe8because\xFFof more");
    bytes.truncate(6 + 10);
    assert_fault_at_the_last_byte(&bytes, Fault::ReasonNotUtf8, close::INVALID_DATA);
    let unfinished = frame(Opcode::Close, true, b"\x03\xe8abc\xE2\x82");
    assert_fault_at_the_last_byte(&unfinished, Fault::ReasonNotUtf8, close::INVALID_DATA);
}

/// F8. RFC 6455 section 5.5.1: "the first two bytes of the body MUST be a 2-byte unsigned integer".
#[test]
fn half_a_close_code_is_refused_at_its_header() {
    assert_fault_at_the_last_byte(b"\x88\x81", Fault::HalfCloseCode, close::PROTOCOL);
}

/// F8. RFC 6455 section 7.4.1: 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame".
#[test]
fn a_close_code_that_is_not_for_the_wire_is_refused() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let bytes = frame(Opcode::Close, true, code_bytes(code));
        assert_fault_at_the_last_byte(&bytes, Fault::CloseCode(code), close::PROTOCOL);
        let mut with_reason = frame(Opcode::Close, true, [&code_bytes(code)[..], b"reason"].concat());
        with_reason.truncate(6 + 2);
        assert_fault_at_the_last_byte(&with_reason, Fault::CloseCode(code), close::PROTOCOL);
    }
}

fn code_bytes(code: u16) -> [u8; 2] {
    code.to_be_bytes()
}
