//! The client's side of RFC 6455 and RFC 7692, as far as tests need it: frames to bytes, and bytes to frames.

use crate::message::{Frame, Message};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use plugin_api::close_code;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;
/// The message is compressed (RFC 7692 section 6).
const COMPRESSED: u8 = 0x40;
const MASKED: u8 = 0x80;
/// What every message's compressed data ends with, and is not sent (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// A client's frame as bytes: `first` has FIN, the reserved bits and the opcode; length and mask are as they must be.
///
/// For frames that no client should send: see [`TestClient::raw`](crate::TestClient::raw).
///
/// ```
/// // A ping with a reserved bit, of the payload "?".
/// let bytes = plugin_testing::masked(0xC9, b"?");
/// assert_eq!((bytes[0], bytes[1], bytes.len()), (0xC9, 0x81, 7));
/// ```
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    // RFC 6455 section 5.3 wants keys that nobody can foresee, for the sake of proxies; here it is enough that each byte of it
    // changes what it masks.
    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => bytes.push(MASKED | short),
        (_, Ok(medium)) => {
            bytes.push(MASKED | 126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(MASKED | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Makes a client's frames.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// Whether it compresses, as was agreed on.
    compresses: bool,
    /// A message has begun and not ended.
    unfinished: bool,
}

impl Encoder {
    pub(crate) fn new(compresses: bool) -> Encoder {
        Encoder { compresses, unfinished: false }
    }

    pub(crate) fn encode(&mut self, frame: &Frame) -> Vec<u8> {
        let (opcode, payload) = payload_of(&frame.content);
        let fin = if frame.last { FIN } else { 0 };
        if frame.content.is_control() {
            return masked(fin | opcode, &payload);
        }
        let continues = std::mem::replace(&mut self.unfinished, !frame.last);
        if continues {
            return masked(fin | CONTINUATION, &payload);
        }
        // A message in parts goes as it is: the first frame says for all whether it is compressed.
        if self.compresses && frame.last && !payload.is_empty() {
            return masked(FIN | COMPRESSED | opcode, &deflate(&payload));
        }
        masked(fin | opcode, &payload)
    }
}

fn payload_of(content: &Message) -> (u8, Vec<u8>) {
    match content {
        Message::Text(text) => (TEXT, text.clone().into_bytes()),
        Message::Binary(data) => (BINARY, data.clone()),
        Message::Ping(data) => (PING, data.clone()),
        Message::Pong(data) => (PONG, data.clone()),
        Message::Close { code: close_code::NO_STATUS, .. } => (CLOSE, Vec::new()),
        Message::Close { code, reason } => (CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat()),
    }
}

/// One message, which refers to none before it.
fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::fast(), false);
    let mut out = Vec::with_capacity(payload.len() + 64);
    loop {
        let input = &payload[usize::try_from(compress.total_in()).expect("no longer than the payload")..];
        compress.compress_vec(input, &mut out, FlushCompress::Sync).expect("compressing cannot fail");
        // With room left, all has been written.
        if out.len() < out.capacity() {
            break;
        }
        out.reserve(out.capacity());
    }
    out.truncate(out.len() - TAIL.len());
    out
}

/// Understands a server's frames.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// What has come of a frame that is not there yet.
    bytes: Vec<u8>,
    /// The kind of the message that has begun and not ended.
    kind: Option<u8>,
    inflate: Option<Inflate>,
}

#[derive(Debug)]
struct Inflate {
    decompress: Decompress,
    /// Whether messages may refer to those before them.
    context_takeover: bool,
}

impl Decoder {
    /// `compression` is whether messages may be compressed, and then, whether they may refer to those before.
    pub(crate) fn new(compression: Option<bool>) -> Decoder {
        let inflate = |context_takeover| Inflate { decompress: Decompress::new(false), context_takeover };
        Decoder { inflate: compression.map(inflate), ..Decoder::default() }
    }

    /// The frames that are complete with these bytes.
    ///
    /// # Panics
    ///
    /// If the server breaks the protocol, which is a fault of wshost's.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.bytes.extend_from_slice(bytes);
        let (mut frames, mut at) = (Vec::new(), 0);
        while let Some((frame, length)) = self.frame_at(at) {
            frames.push(frame);
            at += length;
        }
        self.bytes.drain(..at);
        frames
    }

    fn frame_at(&mut self, at: usize) -> Option<(Frame, usize)> {
        let [first, second, rest @ ..] = &self.bytes[at..] else { return None };
        let (length, rest) = match second {
            0..126 => (usize::from(*second), rest),
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*length)).expect("it fits into memory"), rest)
            }
            _ => panic!("wshost masks its frames, please report it"),
        };
        let payload = rest.get(..length)?.to_owned();
        let size = self.bytes.len() - at - rest.len() + length;
        let (fin, compressed, opcode) = (first & FIN != 0, first & COMPRESSED != 0, first & 0x0F);
        let payload = if compressed { self.inflate(payload) } else { payload };
        let kind = match opcode {
            CONTINUATION => self.kind.expect("wshost continues no message, please report it"),
            kind => kind,
        };
        if matches!(kind, TEXT | BINARY) {
            self.kind = (!fin).then_some(kind);
        }
        Some((Frame { content: content(kind, payload), last: fin, compressed }, size))
    }

    fn inflate(&mut self, mut payload: Vec<u8>) -> Vec<u8> {
        let inflate = self.inflate.as_mut().expect("wshost compresses without an agreement, please report it");
        payload.extend(TAIL);
        if !inflate.context_takeover {
            inflate.decompress.reset(false);
        }
        let before = inflate.decompress.total_in();
        let mut out = Vec::with_capacity(4 * payload.len());
        loop {
            let done = usize::try_from(inflate.decompress.total_in() - before).expect("it fits into memory");
            let inflated = inflate.decompress.decompress_vec(&payload[done..], &mut out, FlushDecompress::Sync);
            inflated.expect("what wshost compresses can be inflated; please report it");
            if out.len() < out.capacity() {
                return out;
            }
            out.reserve(out.capacity());
        }
    }
}

fn content(kind: u8, payload: Vec<u8>) -> Message {
    match kind {
        TEXT => Message::Text(String::from_utf8(payload).expect("wshost sends valid UTF-8")),
        BINARY => Message::Binary(payload),
        PING => Message::Ping(payload),
        PONG => Message::Pong(payload),
        CLOSE => match &payload[..] {
            [] => Message::close(close_code::NO_STATUS, ""),
            [high, low, reason @ ..] => {
                let reason = std::str::from_utf8(reason).expect("wshost sends valid UTF-8");
                Message::close(u16::from_be_bytes([*high, *low]), reason)
            }
            [_] => panic!("wshost sends half a close code, please report it"),
        },
        other => panic!("wshost sends a frame of opcode {other}, please report it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server would send.
    fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = masked(first, payload);
        let mask_at = bytes.len() - payload.len() - 4;
        bytes.truncate(mask_at);
        bytes[1] &= !MASKED;
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn each_length_has_its_form() {
        for (length, header) in [(0, 6), (125, 6), (126, 8), (0xFFFF, 8), (0x1_0000, 14)] {
            assert_eq!(masked(0x82, &vec![0; length]).len(), header + length);
            let mut decoder = Decoder::default();
            let frames = decoder.decode(&unmasked(0x82, &vec![7; length]));
            assert_eq!(frames, [Frame::whole(Message::binary(vec![7; length]))]);
        }
    }

    #[test]
    fn frames_may_come_in_any_pieces() {
        let bytes = [unmasked(0x01, b"a"), unmasked(0x89, b"p"), unmasked(0x80, b"b"), unmasked(0x88, b"\x03\xE8bye")];
        let mut decoder = Decoder::default();
        let frames: Vec<_> = bytes.concat().chunks(1).flat_map(|byte| decoder.decode(byte)).collect();
        let [ping, close] = [Message::ping("p"), Message::close(1000, "bye")].map(Frame::whole);
        assert_eq!(frames, [Frame::part("a"), ping, Frame::whole("b"), close]);
    }

    #[test]
    fn what_is_compressed_is_inflated_in_either_way() {
        for payload in [vec![b'x'; 100_000], (0..=255).collect(), vec![1]] {
            let mut decoder = Decoder::new(Some(false));
            for _ in 0..2 {
                let frames = decoder.decode(&unmasked(0xC2, &deflate(&payload)));
                assert_eq!(frames[0].content, Message::binary(payload.clone()));
                assert!(frames[0].compressed);
            }
        }
    }
}
