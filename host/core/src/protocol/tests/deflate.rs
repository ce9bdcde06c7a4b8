//! The server's compressed messages (RFC 7692 sections 6 and 7.2.1), as a client reads them.

use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;
use std::time::{Duration, Instant};

use crate::protocol::deflate::{Compression, Deflater, encode_alone};
use crate::protocol::{Opcode, WriteBuffer, is_compressed};

const ALL: Compression = Compression { level: 6, threshold: 0, context_takeover: false, window_bits: 15 };
const TAKEOVER: Compression = Compression { context_takeover: true, ..ALL };

/// A client that keeps its context from message to message, as RFC 7692 section 7.2.2 asks.
struct Reader(Decompress);

impl Reader {
    fn new(how: &Compression) -> Reader {
        Reader(Decompress::new_with_window_bits(false, how.window_bits))
    }

    /// The message in one unmasked frame.
    fn read(&mut self, frame: &[u8]) -> Vec<u8> {
        let payload = match frame[1] {
            127 => &frame[10..],
            126 => &frame[4..],
            _ => &frame[2..],
        };
        if !is_compressed(frame) {
            return payload.to_vec();
        }
        let stream = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut message = Vec::with_capacity(1 << 20);
        let before = self.0.total_in();
        self.0.decompress_vec(&stream, &mut message, FlushDecompress::Sync).unwrap();
        assert_eq!(self.0.total_in() - before, stream.len() as u64);
        message
    }
}

fn encoded(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    deflater.encode(&mut out, Opcode::Binary, message);
    out
}

fn prose() -> Vec<u8> {
    (0..3000).map(|n| format!("line {n} of {} ", n * n % 977)).collect::<String>().into_bytes()
}

#[test]
fn every_level_and_window_is_read_by_the_client() {
    let prose = prose();
    for level in 1..=9 {
        for window_bits in 9..=15 {
            for context_takeover in [false, true] {
                let how = Compression { level, window_bits, context_takeover, ..ALL };
                let (mut deflater, mut reader) = (Deflater::new(how), Reader::new(&how));
                for message in [&prose[..], &prose[..500], &prose[100..40_000]] {
                    let frame = encoded(&mut deflater, message);
                    assert_eq!(frame[0], 0xC2);
                    assert!(frame.len() < message.len());
                    assert!(reader.read(&frame) == message, "{how:?}");
                }
            }
        }
    }
}

/// RFC 7692 section 7.1.1.1: without takeover a message refers to nothing before it.
#[test]
fn only_with_takeover_does_a_repetition_get_smaller() {
    let message = &prose()[..1000];
    let lengths = |how| {
        let mut deflater = Deflater::new(how);
        [message; 2].map(|message| encoded(&mut deflater, message).len())
    };
    let [first, second] = lengths(ALL);
    assert_eq!(first, second);
    let [first, second] = lengths(TAKEOVER);
    assert!(second < first / 4, "{first}, {second}");
}

/// An idle connection must not hold a compressor, which would be its largest part by far.
#[test]
fn an_unused_compressor_is_given_back_and_the_client_reads_on() {
    let message = &prose()[..1000];
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    let (mut deflater, mut reader) = (Deflater::new(TAKEOVER), Reader::new(&TAKEOVER));
    assert_eq!(deflater.deadline(start), None, "there is none yet");
    let mut length = |deflater: &mut Deflater| {
        let frame = encoded(deflater, message);
        assert_eq!(reader.read(&frame), message);
        frame.len()
    };
    let first = length(&mut deflater);
    let deadline = deflater.deadline(start).unwrap();
    assert_eq!(deflater.deadline(start + second), Some(deadline), "unused since");
    assert!(!deflater.handle_timeout(deadline - second));
    assert!(length(&mut deflater) < first / 4);
    assert!(!deflater.handle_timeout(deadline), "used since");
    assert!(length(&mut deflater) < first / 4);
    let deadline = deflater.deadline(deadline).unwrap();
    assert!(deflater.handle_timeout(deadline));
    assert_eq!(deflater.deadline(deadline), None);
    assert_eq!(length(&mut deflater), first, "a new one, which knows nothing");

    let mut shared = Deflater::new(ALL);
    assert_eq!(encoded(&mut shared, message)[0], 0xC2);
    assert_eq!(shared.deadline(start), None, "without takeover it has none of its own");
}

#[test]
fn small_messages_are_sent_as_they_are() {
    let mut deflater = Deflater::new(Compression { threshold: 256, ..ALL });
    assert_eq!(encoded(&mut deflater, &[b'x'; 255])[0], 0x82);
    assert_eq!(encoded(&mut deflater, &[b'x'; 256])[0], 0xC2);
}

#[test]
fn what_does_not_get_smaller_is_sent_as_it_is_and_forgotten() {
    let noise: Vec<u8> = (0..=255).collect();
    let message = &prose()[..1000];
    for how in [ALL, TAKEOVER] {
        let (mut deflater, mut reader) = (Deflater::new(how), Reader::new(&how));
        for message in [message, &noise, &noise, message, b"", b"!", message] {
            let frame = encoded(&mut deflater, message);
            assert_eq!(is_compressed(&frame), message.len() == 1000);
            assert_eq!(reader.read(&frame), message);
        }
    }
}

/// At level 1, zlib-rs 0.6.8 begins within the block in which it was cut off before a reset. Found by the simulation.
#[test]
fn nothing_is_left_of_a_message_that_did_not_get_smaller() {
    // It repeats itself beyond the reach of the window.
    let noise: Vec<u8> = (0..200_000_u32).map(|at| (3 * at) as u8).collect();
    let prose = &prose()[..1000];
    for how in [ALL, TAKEOVER].map(|how| Compression { level: 1, window_bits: 9, ..how }) {
        let (mut deflater, mut reader) = (Deflater::new(how), Reader::new(&how));
        for length in (70_000..200_000).step_by(15_555) {
            for (message, gets_smaller) in [(&noise[..length], false), (prose, true)] {
                let frame = encoded(&mut deflater, message);
                assert_eq!(is_compressed(&frame), gets_smaller);
                assert!(reader.read(&frame) == message, "{how:?}, behind {length} bytes");
            }
        }
    }
}

/// Noise costs the most time and saves nothing.
#[test]
fn a_large_message_that_begins_with_noise_is_sent_as_it_is() {
    let mut state = 1_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    };
    let text = vec![b'x'; 300_000];
    let [before, behind] = [[noise(300_000), text.clone()].concat(), [text.clone(), noise(300_000)].concat()];
    for how in [ALL, TAKEOVER] {
        let (mut deflater, mut reader) = (Deflater::new(how), Reader::new(&how));
        for (message, is_worth_it) in [(&text, true), (&before, false), (&behind, true), (&text, true)] {
            let frame = encoded(&mut deflater, message);
            assert_eq!(is_compressed(&frame), is_worth_it);
            assert!(reader.read(&frame) == *message);
        }
    }
}

#[test]
fn a_compressed_message_is_one_frame_among_others() {
    let mut deflater = Deflater::new(ALL);
    let mut buffer = WriteBuffer::new();
    buffer.push_deflated(&mut deflater, Opcode::Text, &[b'x'; 100_000]);
    buffer.push(Opcode::Text, true, b"plain");
    let length = buffer.len() - 7;
    buffer.advance(1);
    buffer.push_control_ahead(Opcode::Ping, b"p");
    assert_eq!(buffer.unwritten().concat()[length - 1..][..3], *b"\x89\x01p", "behind the frame in flight");
    assert_eq!(buffer.discard_unstarted(), 7);
    assert_eq!(buffer.len(), length - 1 + 3);
}

/// The fate of a message.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It goes to this client alone.
    Own,
    /// It goes to many.
    Shared,
    /// It is compressed, and dropped on its way.
    Dropped,
}

fn messages() -> impl Strategy<Value = Vec<(Vec<u8>, Fate)>> {
    let payload = prop_oneof![
        3 => prop::collection::vec(0..4_u8, 0..3000),
        1 => prop::collection::vec(any::<u8>(), 0..3000),
        1 => (prop::collection::vec(any::<u8>(), 1..50), 1..1000_usize).prop_map(|(bytes, times)| bytes.repeat(times)),
    ];
    let fate = prop_oneof![3 => Just(Fate::Own), 1 => Just(Fate::Shared), 1 => Just(Fate::Dropped)];
    prop::collection::vec((payload, fate), 1..12)
}

proptest! {
    #[test]
    fn whatever_is_sent_or_dropped_the_client_reads_what_comes(
        messages in messages(),
        context_takeover: bool,
        level in 1..=9_u8,
        window_bits in 9..=15_u8,
        threshold in 0..500_usize,
    ) {
        let how = Compression { level, threshold, context_takeover, window_bits };
        let (mut deflater, mut reader) = (Deflater::new(how), Reader::new(&how));
        for (message, fate) in messages {
            let mut frame = Vec::new();
            match fate {
                Fate::Shared if encode_alone(&mut frame, &how, Opcode::Binary, &message) => deflater.forget(),
                Fate::Own | Fate::Shared => deflater.encode(&mut frame, Opcode::Binary, &message),
                Fate::Dropped => {
                    deflater.encode(&mut frame, Opcode::Binary, &message);
                    deflater.forget();
                    continue;
                }
            }
            prop_assert!(frame.len() <= crate::protocol::encoded_length(message.len()));
            prop_assert!(reader.read(&frame) == message);
        }
    }
}
