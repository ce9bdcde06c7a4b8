//! The memory of a connection: nothing when idle, and never much more than the bytes it was sent.

use super::*;
use crate::protocol::progress::Progress;

/// The cost of any unfinished frame or message, however little of it has arrived.
const PROGRESS: usize = size_of::<Progress>();

#[test]
fn an_idle_receiver_is_small() {
    const { assert!(size_of::<Receiver>() <= 48) };
    const { assert!(PROGRESS <= 320) };
    assert_eq!(Receiver::new(LIMITS).held(), 0);
}

/// F3.
#[test]
fn a_thousand_claims_of_the_largest_frame_cost_what_they_sent() {
    let start = Instant::now();
    let limits = Limits { max_message: 1 << 40, ..LIMITS };
    let header = b"\x82\xff\0\0\x01\0\0\0\0\0\0\0\0\0";
    let mut receivers: Vec<Receiver> = (0..1000).map(|_| Receiver::new(limits)).collect();
    for receiver in &mut receivers {
        assert_eq!(pass(receiver, start, header), []);
        assert_eq!(receiver.held(), PROGRESS);
        assert_eq!(pass(receiver, start, &[7; 100]), []);
        assert!(receiver.held() <= PROGRESS + 200);
    }
    let end = start + limits.assembly_timeout;
    assert!(receivers.iter_mut().all(|receiver| receiver.handle_timeout(end) == Err(Fault::AssemblyTimeout)));
    assert!(receivers.iter().all(|receiver| receiver.held() == 0));
}

#[test]
fn memory_follows_what_was_received() {
    let payload = vec![b'x'; 1 << 20];
    for opcode in [Opcode::Text, Opcode::Binary] {
        let bytes = frame(opcode, true, &payload);
        let mut receiver = Receiver::new(LIMITS);
        let mut received = 0;
        for read in bytes.chunks(10_000) {
            let mut read = read.to_vec();
            received += read.len();
            receiver.receive(Instant::now(), &mut read).unwrap();
            assert!(receiver.held() <= PROGRESS + 2 * received.min(payload.len() / 2));
        }
    }
}

/// F5.
#[test]
fn empty_continuations_without_end_cost_nothing_and_end_at_the_deadline() {
    let start = Instant::now();
    let mut receiver = Receiver::new(LIMITS);
    pass(&mut receiver, start, &frame(Opcode::Text, false, "a"));
    costs_nothing_and_ends_at_the_deadline(receiver, start, &frame(Opcode::Continuation, false, "").repeat(1000));
}

/// Floods the message that began at `start`.
pub(super) fn costs_nothing_and_ends_at_the_deadline(mut receiver: Receiver, start: Instant, flood: &[u8]) {
    let held = receiver.held();
    for tenth in 0..100 {
        assert_eq!(pass(&mut receiver, start + Duration::from_millis(tenth * 100), flood), []);
        assert_eq!(receiver.held(), held);
    }
    // This holds even if the caller never reads everything.
    let fault = [Event::Fault(Fault::AssemblyTimeout)];
    assert_eq!(pass(&mut receiver, start + LIMITS.assembly_timeout, flood), []);
    assert_eq!(pass(&mut receiver, start + LIMITS.assembly_timeout * 2, flood), fault);
}

/// F6.
#[test]
fn very_many_small_fragments_cost_about_their_bytes() {
    const FRAGMENTS: usize = 131_072;
    let mut bytes = frame(Opcode::Text, false, "x");
    bytes.extend(frame(Opcode::Continuation, false, "x").repeat(FRAGMENTS - 2));
    let mut receiver = Receiver::new(LIMITS);
    let mut grown = 0;
    let mut before = 0;
    for read in bytes.chunks(16 * 1024) {
        assert_eq!(pass(&mut receiver, Instant::now(), read), []);
        grown += usize::from(receiver.held() > before);
        before = receiver.held();
    }
    assert!(receiver.held() <= PROGRESS + 2 * FRAGMENTS);
    assert!(grown <= 18, "grows by doubling: {grown}");
    let last = frame(Opcode::Continuation, true, "x");
    assert_eq!(pass(&mut receiver, Instant::now(), &last), [text(&"x".repeat(FRAGMENTS))]);
}

#[test]
fn an_assembled_message_is_let_go_by_the_next_call() {
    let mut receiver = Receiver::new(LIMITS);
    let now = Instant::now();
    let mut bytes = [frame(Opcode::Text, false, [b'x'; 5000]), frame(Opcode::Continuation, true, "")].concat();
    let length = bytes.len();
    match receiver.receive(now, &mut bytes) {
        Ok((consumed, Some(Received::Text(_)))) => assert_eq!(consumed, length),
        other => panic!("{other:?}"),
    }
    assert!(receiver.held() >= 5000);
    assert_eq!(receiver.deadline(), None);
    assert_eq!(receiver.handle_timeout(now + LIMITS.assembly_timeout), Ok(()));
    assert_eq!(receiver.receive(now, &mut []), Ok((0, None)));
    assert_eq!(receiver.held(), 0);
}

#[test]
fn a_split_close_frame_is_let_go_by_the_next_call() {
    let mut receiver = Receiver::new(LIMITS);
    let now = Instant::now();
    let bytes = frame(Opcode::Close, true, b"\x03\xe8bye");
    pass(&mut receiver, now, &bytes[..9]);
    assert_eq!(pass(&mut receiver, now, &bytes[9..]), [Event::Close(1000, "bye".to_owned())]);
    assert_eq!((receiver.held(), receiver.deadline()), (0, None));
}
