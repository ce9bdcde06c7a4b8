//! Compressed messages from the client (RFC 7692 sections 6 and 7.2.2).

use flate2::{Compress, FlushCompress};
use proptest::prelude::*;

use super::memory::costs_nothing_and_ends_at_the_deadline;
use super::splitting::{cut, lengths};
use super::*;
use crate::protocol::close;
use crate::protocol::deflate::{Agreed, Reach};

/// "Hello" in RFC 7692 section 7.2.3.1.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const FAULT: [Event; 1] = [Event::Fault(Fault::NotDeflate)];

fn agreed(context_takeover: bool, window_bits: u8) -> Agreed {
    let client = Reach { context_takeover, window_bits };
    Agreed { server: client, client }
}

const fn small(max_message: usize) -> Limits {
    Limits { max_message, ..LIMITS }
}

/// A frame with RSV1 set.
fn compressed(opcode: Opcode, fin: bool, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = frame(opcode, fin, payload);
    bytes[0] |= 0x40;
    bytes
}

/// A client's compressor.
struct Deflater(Compress);

impl Deflater {
    fn new(window_bits: u8) -> Deflater {
        Deflater(Compress::new_with_window_bits(flate2::Compression::default(), false, window_bits))
    }

    /// Compresses as in RFC 7692 section 7.2.1, with memory of earlier messages.
    fn deflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * payload.len() + 100);
        self.0.compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.len() < out.capacity(), "all is written");
        // zlib does not flush twice in a row; RFC 7692 section 7.2.3.6 gives the empty message.
        if out.is_empty() {
            return vec![0x00];
        }
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }
}

/// Compressed by itself.
fn deflated(payload: impl AsRef<[u8]>) -> Vec<u8> {
    Deflater::new(15).deflate(payload.as_ref())
}

fn converse_with<'a>(agreed: Agreed, limits: Limits, reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut receiver = Receiver::with_deflate(limits, agreed);
    let now = Instant::now();
    reads.into_iter().flat_map(|read| pass(&mut receiver, now, read)).collect()
}

/// All events of a conversation with context takeover, checked to be the same in one read and byte by byte.
#[track_caller]
fn inflated(bytes: &[u8]) -> Vec<Event> {
    let whole = converse_with(agreed(true, 15), LIMITS, [bytes]);
    assert_eq!(converse_with(agreed(true, 15), LIMITS, bytes.chunks(1)), whole, "byte by byte");
    whole
}

/// Bytes that do not get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn the_examples_of_the_rfc_are_inflated() {
    // Section 7.2.3.1: one frame, and fragments.
    assert_eq!(inflated(&compressed(Opcode::Text, true, HELLO)), [text("Hello")]);
    let fragments =
        [compressed(Opcode::Text, false, &HELLO[..3]), frame(Opcode::Continuation, true, &HELLO[3..])].concat();
    assert_eq!(inflated(&fragments), [text("Hello")]);
    // Section 7.2.3.2: the second message refers to the first.
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let both = [compressed(Opcode::Text, true, HELLO), compressed(Opcode::Text, true, second)].concat();
    assert_eq!(inflated(&both), [text("Hello"), text("Hello")]);
    // Section 7.2.3.3: a block without compression.
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(inflated(&compressed(Opcode::Text, true, stored)), [text("Hello")]);
    // Section 7.2.3.4: a last block, and an empty one behind it.
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(inflated(&compressed(Opcode::Text, true, last)), [text("Hello")]);
    // Section 7.2.3.5: two blocks.
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflated(&compressed(Opcode::Text, true, two)), [text("Hello")]);
    // Section 7.2.3.6: nothing.
    assert_eq!(inflated(&compressed(Opcode::Binary, true, [0x00])), [Event::Binary(vec![])]);
}

#[test]
fn a_message_behind_a_last_block_may_refer_to_what_was_before() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let both = [compressed(Opcode::Text, true, last), compressed(Opcode::Text, true, second)].concat();
    assert_eq!(inflated(&both), [text("Hello"), text("Hello")]);
}

/// RFC 7692 section 7.1.1.2: a client that agreed not to must not refer to earlier messages.
#[test]
fn without_takeover_nothing_can_be_referred_to() {
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let both = [compressed(Opcode::Text, true, HELLO), compressed(Opcode::Text, true, second)].concat();
    let events = converse_with(agreed(false, 15), LIMITS, [&both[..]]);
    assert_eq!(events, [text("Hello"), Event::Fault(Fault::NotDeflate)]);
}

#[test]
fn messages_that_are_not_compressed_do_not_disturb_those_that_are() {
    let mut client = Deflater::new(15);
    let first = client.deflate("three two one €".as_bytes());
    let second = client.deflate("€ three two one €".as_bytes());
    let bytes = [
        compressed(Opcode::Text, false, &first[..4]),
        frame(Opcode::Ping, true, "ping"),
        frame(Opcode::Continuation, false, ""),
        frame(Opcode::Continuation, true, &first[4..]),
        frame(Opcode::Text, false, "pla"),
        frame(Opcode::Continuation, true, "in"),
        frame(Opcode::Binary, true, [1, 2]),
        compressed(Opcode::Binary, true, second),
    ];
    assert_eq!(
        inflated(&bytes.concat()),
        [
            Event::Ping(b"ping".to_vec()),
            text("three two one €"),
            text("plain"),
            Event::Binary(vec![1, 2]),
            Event::Binary("€ three two one €".into()),
        ]
    );
}

/// D3. RFC 7692 section 6.1: an endpoint MUST NOT set RSV1 of control frames and of fragments other than the first.
#[test]
fn rsv1_elsewhere_is_refused_at_the_first_byte() {
    let fault = [Event::Fault(Fault::ReservedBit)];
    for opcode in [0x8, 0x9, 0xA] {
        assert_eq!(inflated(&[0xC0 | opcode]), fault);
    }
    for begun in [frame(Opcode::Text, false, "a"), compressed(Opcode::Text, false, &HELLO[..3])] {
        for first in [0x40, 0xC0, 0xC9] {
            assert_eq!(inflated(&[&begun[..], &[first]].concat()), fault);
        }
    }
    assert_eq!(Fault::ReservedBit.close_code(), close::PROTOCOL);
}

/// D1.
#[test]
fn a_bomb_at_the_limit_is_delivered_and_one_byte_more_is_not() {
    const LIMIT: usize = 1 << 20;
    for opcode in [Opcode::Text, Opcode::Binary] {
        let at = compressed(opcode, true, deflated(vec![b'x'; LIMIT]));
        assert!(at.len() < 2048, "a thousandfold: {}", at.len());
        let over = compressed(opcode, true, deflated(vec![b'x'; LIMIT + 1]));
        let fault = [Event::Fault(Fault::MessageTooBig(LIMIT))];
        for piece in [1, 100, at.len() + 1] {
            let events = converse_with(agreed(false, 15), small(LIMIT), at.chunks(piece));
            let expected = match opcode {
                Opcode::Text => text(&"x".repeat(LIMIT)),
                _ => Event::Binary(vec![b'x'; LIMIT]),
            };
            assert!(events == [expected], "in pieces of {piece}");
            assert_eq!(converse_with(agreed(false, 15), small(LIMIT), over.chunks(piece)), fault);
        }
    }
    assert_eq!(Fault::MessageTooBig(LIMIT).close_code(), close::TOO_BIG);
}

/// D1: the output is capped while inflating.
#[test]
fn a_bomb_costs_the_limit_and_not_what_it_would_become() {
    let bomb = compressed(Opcode::Binary, false, deflated(vec![0; 64 << 20]));
    let mut receiver = Receiver::with_deflate(small(1 << 20), agreed(true, 15));
    let mut most = 0;
    let events: Vec<_> = bomb
        .chunks(100)
        .flat_map(|read| {
            let events = pass(&mut receiver, Instant::now(), read);
            most = most.max(receiver.held());
            events
        })
        .collect();
    assert_eq!(events, [Event::Fault(Fault::MessageTooBig(1 << 20))]);
    assert!(most <= (1 << 20) + 64 * 1024, "{most}");
    assert!(receiver.held() < 100, "{}", receiver.held());
}

/// If compression makes a message longer, that does not take it over the limit.
#[test]
fn what_counts_is_the_length_after_inflating() {
    let payload = noise(100_000);
    let bytes = deflated(&payload);
    assert!(bytes.len() > payload.len());
    let whole = compressed(Opcode::Binary, true, &bytes);
    let cut =
        [compressed(Opcode::Binary, false, &bytes[..99_999]), frame(Opcode::Continuation, true, &bytes[99_999..])]
            .concat();
    for message in [whole, cut] {
        let events = converse_with(agreed(false, 15), small(100_000), [&message[..]]);
        assert!(events == [Event::Binary(payload.clone())]);
        let events = converse_with(agreed(false, 15), small(99_999), [&message[..]]);
        assert_eq!(events, [Event::Fault(Fault::MessageTooBig(99_999))]);
    }
}

/// D3. A stream may be cut anywhere: in blocks with a code of their own, with the fixed one, and without.
#[test]
fn a_truncated_stream_is_no_message() {
    let prose =
        "The quick brown fox jumps over the lazy dog; then it went home. ".repeat(3) + "Pack my box! 0123456789";
    let stored = [&[0x00, 0x05, 0x00, 0xfa, 0xff][..], &[0x00, 0x00, 0xff, 0xff, 0x03], &[0x00]].concat();
    let letters: Vec<_> = noise(2000).iter().map(|byte| b'a' + byte.leading_zeros() as u8).collect();
    let dynamic = deflated(letters);
    assert_eq!(dynamic[0] & 0x06, 0x04, "a block with a code of its own");
    for stream in [HELLO.to_vec(), deflated(prose), stored, dynamic, deflated(noise(300))] {
        for takeover in [true, false] {
            let whole = compressed(Opcode::Binary, true, &stream);
            let events = converse_with(agreed(takeover, 15), LIMITS, [&whole[..]]);
            assert!(matches!(events[..], [Event::Binary(_)]), "{events:?}");
            // One 0 is the whole of an empty message.
            for end in (0..stream.len()).filter(|end| stream[..*end] != [0]) {
                let cut = compressed(Opcode::Binary, true, &stream[..end]);
                assert_eq!(converse_with(agreed(takeover, 15), LIMITS, [&cut[..]]), FAULT, "cut at {end}");
            }
        }
    }
    assert_eq!(Fault::NotDeflate.close_code(), close::INVALID_DATA);
}

#[test]
fn a_corrupt_stream_is_refused_where_it_shows() {
    // A reserved kind of block (RFC 1951 section 3.2.3) is refused without waiting for the rest.
    let bytes = compressed(Opcode::Text, false, [0x07]);
    assert_eq!(inflated(&bytes), FAULT);
    // A length and its complement that do not fit.
    assert_eq!(inflated(&compressed(Opcode::Text, false, [0x00, 0x05, 0x00, 0xfa, 0xfe])), FAULT);
    // Bytes behind the last block that are no block.
    assert_eq!(inflated(&compressed(Opcode::Text, false, [0x03, 0x00, 0x07])), FAULT);
    // RFC 7692 section 7.2.3.6: even an empty message has an octet.
    assert_eq!(inflated(&compressed(Opcode::Text, true, [])), FAULT);
}

/// RFC 6455 section 8.1, for what is inflated.
#[test]
fn text_is_checked_while_it_is_inflated() {
    // Without compression a byte of the stream is a byte of the text.
    let stream = b"\x00\x06\x00\xf9\xffab\xc3\xa9\xff!\x00";
    let bytes = compressed(Opcode::Text, true, stream);
    let bad = bytes.len() - 3;
    let mut receiver = Receiver::with_deflate(LIMITS, agreed(false, 15));
    assert_eq!(pass(&mut receiver, Instant::now(), &bytes[..bad]), []);
    assert_eq!(pass(&mut receiver, Instant::now(), &bytes[bad..=bad]), [Event::Fault(Fault::TextNotUtf8)]);

    let fault = [Event::Fault(Fault::TextNotUtf8)];
    assert_eq!(inflated(&compressed(Opcode::Text, true, deflated(b"\xC3"))), fault, "ends inside a character");
    let valid = "κόσμε".repeat(10_000);
    assert!(inflated(&compressed(Opcode::Text, true, deflated(&valid))) == [text(&valid)]);
    // The first of two faults counts, wherever reads end.
    let both = [b"x".repeat(50).as_slice(), b"\xff", &b"x".repeat(1000)].concat();
    let bytes = compressed(Opcode::Text, true, deflated(both));
    assert_eq!(converse_with(agreed(false, 15), small(51), [&bytes[..]]), fault);
    let too_big = [Event::Fault(Fault::MessageTooBig(50))];
    assert_eq!(converse_with(agreed(false, 15), small(50), [&bytes[..]]), too_big);
    assert_eq!(converse_with(agreed(false, 15), small(50), bytes.chunks(1)), too_big);
}

#[test]
fn a_conversation_split_at_every_two_offsets_gives_the_same_events() {
    let mut client = Deflater::new(15);
    let [first, second] = ["f€ f€ f€", "😀 f€ 😀 f€"].map(|text| client.deflate(text.as_bytes()));
    let bytes = [
        compressed(Opcode::Text, false, &first[..3]),
        frame(Opcode::Ping, true, "ping"),
        frame(Opcode::Continuation, true, &first[3..]),
        frame(Opcode::Text, true, "plain"),
        compressed(Opcode::Text, true, second),
        compressed(Opcode::Binary, true, client.deflate(&[0x5A; 300])),
        frame(Opcode::Close, true, b"\x03\xe8bye"),
    ]
    .concat();
    let expected = [
        Event::Ping(b"ping".to_vec()),
        text("f€ f€ f€"),
        text("plain"),
        text("😀 f€ 😀 f€"),
        Event::Binary(vec![0x5A; 300]),
        Event::Close(1000, "bye".to_owned()),
    ];
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let reads = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(converse_with(agreed(true, 15), LIMITS, reads), expected, "split at {first} and {second}");
        }
    }
}

/// RFC 7692 section 7.1.2.2: a client may announce a limit to how far back it refers.
#[test]
fn a_client_is_held_to_its_window() {
    let once = noise(500);
    let filler = vec![0; 600];
    for bits in 8..=15 {
        let mut client = Deflater::new(bits.max(9));
        let messages = [&once[..], &filler, &once, &once];
        let bytes: Vec<_> = messages.iter().flat_map(|m| compressed(Opcode::Binary, true, client.deflate(m))).collect();
        let expected = messages.map(|message| Event::Binary(message.to_vec()));
        assert!(converse_with(agreed(true, bits), LIMITS, [&bytes[..]]) == expected, "{bits}");
    }
    let mut client = Deflater::new(15);
    let bytes: Vec<_> =
        [&once, &filler, &once].into_iter().flat_map(|m| compressed(Opcode::Binary, true, client.deflate(m))).collect();
    let events = converse_with(agreed(true, 9), LIMITS, [&bytes[..]]);
    assert_eq!(events.last(), Some(&Event::Fault(Fault::NotDeflate)), "it referred back by over 1,000 bytes");
}

#[test]
fn nothing_is_held_before_a_compressed_message_nor_without_takeover_after_it() {
    let idle = |takeover, message: &[u8]| {
        let mut receiver = Receiver::with_deflate(LIMITS, agreed(takeover, 15));
        let before = receiver.held();
        assert!(before < 100, "{before}");
        assert_eq!(pass(&mut receiver, Instant::now(), message).len(), 1);
        receiver.held() - before
    };
    let large = compressed(Opcode::Binary, true, deflated(noise(100_000)));
    for message in [compressed(Opcode::Text, true, HELLO), large.clone(), frame(Opcode::Text, true, "plain")] {
        assert_eq!(idle(false, &message), 0);
    }
    assert_eq!(idle(true, &compressed(Opcode::Text, true, HELLO)), 64);
    assert_eq!(idle(true, &large), 32 * 1024);
    assert_eq!(idle(true, &frame(Opcode::Text, true, "plain")), 0);
}

#[test]
fn blocks_without_content_cost_nothing_and_end_at_the_deadline() {
    let start = Instant::now();
    let mut receiver = Receiver::with_deflate(LIMITS, agreed(true, 15));
    let empty = compressed(Opcode::Text, false, [0, 0, 0, 0xff, 0xff].repeat(100));
    assert_eq!(pass(&mut receiver, start, &empty), []);
    costs_nothing_and_ends_at_the_deadline(receiver, start, &frame(Opcode::Continuation, false, [3, 0].repeat(1000)));
}

/// Messages that are alike in part, so that there is something to refer to; and whether each is compressed.
fn messages() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let payload = prop_oneof![
        3 => prop::collection::vec(0..4_u8, 0..3000),
        1 => prop::collection::vec(any::<u8>(), 0..3000),
        1 => (prop::collection::vec(any::<u8>(), 1..50), 1..1000_usize).prop_map(|(bytes, times)| bytes.repeat(times)),
    ];
    prop::collection::vec((payload, prop::bool::weighted(0.8)), 1..8)
}

/// The bytes of a client with this agreement.
fn said(messages: &[(Vec<u8>, bool)], agreed: Agreed) -> Vec<u8> {
    let mut client = Deflater::new(agreed.client.window_bits.max(9));
    let say = |(payload, compress): &(Vec<u8>, bool)| {
        if !compress {
            return frame(Opcode::Binary, true, payload);
        }
        if !agreed.client.context_takeover {
            client.0.reset();
        }
        let stream = client.deflate(payload);
        let (start, end) = stream.split_at(stream.len() / 3);
        [compressed(Opcode::Binary, false, start), frame(Opcode::Continuation, true, end)].concat()
    };
    messages.iter().flat_map(say).collect()
}

proptest! {
    #[test]
    fn what_was_deflated_is_inflated(
        messages in messages(),
        takeover: bool,
        window_bits in 8..=15_u8,
        lengths in lengths(),
    ) {
        let agreed = agreed(takeover, window_bits);
        let bytes = said(&messages, agreed);
        let expected: Vec<_> = messages.into_iter().map(|(payload, _)| Event::Binary(payload)).collect();
        prop_assert!(converse_with(agreed, LIMITS, cut(&bytes, &lengths)) == expected);
    }

    /// With a byte changed it is another conversation, or a fault: the same one, wherever the reads end.
    #[test]
    fn a_damaged_conversation_in_any_reads_gives_the_same_events(
        messages in messages(),
        takeover: bool,
        place in any::<prop::sample::Index>(),
        damage in 1..=255_u8,
        max_message in prop_oneof![Just(1 << 20), 1..5000_usize],
        lengths in lengths(),
    ) {
        let mut bytes = said(&messages, agreed(takeover, 15));
        *place.get_mut(&mut bytes) ^= damage;
        let in_one = converse_with(agreed(takeover, 15), small(max_message), [&bytes[..]]);
        let in_reads = converse_with(agreed(takeover, 15), small(max_message), cut(&bytes, &lengths));
        prop_assert!(in_reads == in_one, "{:?} and {:?}", in_reads.last(), in_one.last());
    }

    #[test]
    fn rubbish_for_a_stream_in_any_reads_gives_the_same_events(
        stream in prop::collection::vec(any::<u8>(), 0..300),
        is_text: bool,
        lengths in lengths(),
    ) {
        let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
        let bytes = compressed(opcode, true, stream);
        let in_one = converse_with(agreed(true, 15), LIMITS, [&bytes[..]]);
        prop_assert_eq!(converse_with(agreed(true, 15), LIMITS, cut(&bytes, &lengths)), in_one);
    }
}
