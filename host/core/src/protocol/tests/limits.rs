//! The limits on a message: its size, and the time that it may take.

use super::*;
use crate::protocol::close;

const SMALL: Limits = Limits { max_message: 1000, assembly_timeout: Duration::from_secs(10) };

#[test]
fn a_message_at_the_limit_is_delivered() {
    let whole = frame(Opcode::Binary, true, [1; 1000]);
    assert_eq!(converse(SMALL, [&whole[..]]), [Event::Binary(vec![1; 1000])]);
    let fragments = [frame(Opcode::Binary, false, [1; 999]), frame(Opcode::Continuation, true, [1])].concat();
    assert_eq!(converse(SMALL, fragments.chunks(1)), [Event::Binary(vec![1; 1000])]);
}

/// F2.
#[test]
fn a_message_over_the_limit_is_refused_at_its_header_and_nothing_is_allocated() {
    let header = &frame(Opcode::Binary, true, [1; 1001])[..4];
    let mut receiver = Receiver::new(SMALL);
    assert_eq!(pass(&mut receiver, Instant::now(), header), [Event::Fault(Fault::MessageTooBig(1000))]);
    assert_eq!(receiver.held(), 0);
    assert_eq!(Fault::MessageTooBig(1000).close_code(), close::TOO_BIG);

    let largest = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff";
    let mut receiver = Receiver::new(SMALL);
    assert_eq!(pass(&mut receiver, Instant::now(), largest), [Event::Fault(Fault::MessageTooBig(1000))]);
    assert_eq!(receiver.held(), 0);
}

/// F2.
#[test]
fn fragments_that_add_up_to_more_than_the_limit_are_refused_at_the_header() {
    for opcode in [Opcode::Text, Opcode::Binary] {
        let fits = [frame(opcode, false, [b'x'; 600]), frame(Opcode::Continuation, false, [b'x'; 400])].concat();
        let mut receiver = Receiver::new(SMALL);
        assert_eq!(pass(&mut receiver, Instant::now(), &fits), []);
        // Empty fragments still fit.
        assert_eq!(pass(&mut receiver, Instant::now(), &frame(Opcode::Continuation, false, "")), []);
        let fault = [Event::Fault(Fault::MessageTooBig(1000))];
        assert_eq!(pass(&mut receiver, Instant::now(), &[0x80, 0x81]), fault);
    }
}

/// A character that is split between fragments counts too.
#[test]
fn the_bytes_of_a_split_character_count() {
    let first = frame(Opcode::Text, false, [&[b'x'; 998][..], b"\xE2\x82"].concat());
    let bytes = [&first[..], &[0x80, 0x81]].concat();
    assert_eq!(converse(SMALL, [&bytes[..]]), [Event::Fault(Fault::MessageTooBig(1000))]);
}

#[test]
fn the_deadline_counts_from_the_first_byte_of_a_message() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let mut receiver = Receiver::new(LIMITS);
    let bytes = [frame(Opcode::Text, false, "a"), frame(Opcode::Continuation, true, "b")].concat();

    assert_eq!(receiver.deadline(), None);
    for (n, byte) in bytes.iter().enumerate() {
        let now = start + second / 4 * n as u32;
        let events = pass(&mut receiver, now, &[*byte]);
        if n + 1 < bytes.len() {
            assert_eq!(receiver.deadline(), Some(start + 10 * second));
            assert_eq!(receiver.handle_timeout(now), Ok(()));
        } else {
            assert_eq!(events, [text("ab")]);
        }
    }
    assert_eq!(receiver.deadline(), None);
}

#[test]
fn the_next_message_has_a_deadline_of_its_own() {
    let start = Instant::now();
    let mut receiver = Receiver::new(LIMITS);
    let message = frame(Opcode::Text, true, "hello");
    pass(&mut receiver, start, &message[..3]);
    let later = start + Duration::from_secs(9);
    assert_eq!(pass(&mut receiver, later, &[&message[3..], &message[..1]].concat()), [text("hello")]);
    assert_eq!(receiver.deadline(), Some(later + LIMITS.assembly_timeout));
}

#[test]
fn a_control_frame_does_not_put_the_deadline_off() {
    let start = Instant::now();
    let mut receiver = Receiver::new(LIMITS);
    pass(&mut receiver, start, &frame(Opcode::Text, false, "a"));
    pass(&mut receiver, start + Duration::from_secs(5), &frame(Opcode::Ping, true, "p"));
    assert_eq!(receiver.deadline(), Some(start + LIMITS.assembly_timeout));
}

/// FAULTS K3.
#[test]
fn time_in_which_nothing_was_read_does_not_count() {
    let start = Instant::now();
    let mut receiver = Receiver::new(LIMITS);
    receiver.put_off(Duration::from_secs(5));
    pass(&mut receiver, start, &frame(Opcode::Text, false, "a"));
    receiver.put_off(Duration::from_secs(5));
    let end = start + LIMITS.assembly_timeout + Duration::from_secs(5);
    assert_eq!(receiver.deadline(), Some(end));
    assert_eq!(receiver.handle_timeout(end - Duration::from_millis(1)), Ok(()));
    assert_eq!(receiver.handle_timeout(end), Err(Fault::AssemblyTimeout));
}

#[test]
fn an_unfinished_header_or_control_frame_has_a_deadline() {
    let start = Instant::now();
    for bytes in [&[0x81][..], &frame(Opcode::Ping, true, "ping")[..8]] {
        let mut receiver = Receiver::new(LIMITS);
        pass(&mut receiver, start, bytes);
        assert_eq!(receiver.handle_timeout(start + Duration::from_millis(9_999)), Ok(()));
        assert_eq!(receiver.handle_timeout(start + LIMITS.assembly_timeout), Err(Fault::AssemblyTimeout));
        assert_eq!((receiver.deadline(), receiver.held()), (None, 0));
    }
    assert_eq!(Fault::AssemblyTimeout.close_code(), close::POLICY);
}

#[test]
fn a_message_whose_end_has_come_is_delivered_even_late() {
    let start = Instant::now();
    let mut receiver = Receiver::new(LIMITS);
    pass(&mut receiver, start, &frame(Opcode::Text, false, "a"));
    let late = start + LIMITS.assembly_timeout * 2;
    assert_eq!(pass(&mut receiver, late, &frame(Opcode::Continuation, true, "b")), [text("ab")]);
}

#[test]
fn a_timeout_beyond_the_end_of_time_is_none() {
    let mut receiver = Receiver::new(Limits { assembly_timeout: Duration::MAX, ..LIMITS });
    pass(&mut receiver, Instant::now(), &[0x81]);
    assert_eq!(receiver.deadline(), None);
}

/// A caller asks this before it stores input elsewhere, which would only copy the bytes twice.
#[test]
fn input_that_ends_within_its_first_frame_is_only_copied() {
    let mut receiver = Receiver::new(LIMITS);
    let mut long = frame(Opcode::Binary, true, [7; 1000]);
    assert!(receiver.only_copies(&long[..1]) && receiver.only_copies(&long[..500]) && receiver.only_copies(&[]));
    assert!(!receiver.only_copies(&long));
    assert_eq!(receiver.receive(Instant::now(), &mut long[..500]), Ok((500, None)));
    assert!(receiver.only_copies(&long[500..600]) && !receiver.only_copies(&long[500..]));
}

/// A caller gets to do something else, however many fragments came.
#[test]
fn the_receiver_returns_before_it_has_joined_many_fragments() {
    let mut receiver = Receiver::new(LIMITS);
    let mut input =
        [frame(Opcode::Binary, false, b""), frame(Opcode::Continuation, false, b"x").repeat(10_000)].concat();
    let (mut at, mut calls) = (0, 0);
    while at < input.len() {
        let (used, event) = receiver.receive(Instant::now(), &mut input[at..]).unwrap();
        assert!(event.is_none() && used <= 7 * 256, "{used} bytes at once");
        at += used;
        calls += 1;
    }
    assert!(calls > 10);
}
