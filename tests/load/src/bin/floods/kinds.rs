//! What a client can flood with: bytes that are sent again and again, as fast as the socket takes them.

use clap::ValueEnum;
use flate2::{Compress, Compression, FlushCompress};

/// One kind of flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Empty pings.
    Pings,
    /// Empty pongs.
    Pongs,
    /// Empty texts.
    Empty,
    /// Texts of 100 bytes.
    Small,
    /// Messages of 1,000 fragments of a byte each.
    Fragments,
    /// A message of empty fragments without end.
    Endless,
    /// Messages of 1 MiB.
    Large,
    /// A message of 100 KiB, and thousands of pings behind it, again and again.
    Behind,
    /// Texts of 1 KiB from a client that reads a little now and then.
    Slow,
    /// Compressed texts of 20 bytes.
    Deflated,
    /// 1 MiB of zeros, compressed to a thousandth.
    Bombs,
    /// Texts of 1 KiB that are answered by a job each.
    Jobs,
    /// Connections that send rubbish and go.
    Garbage,
    /// Connections that send half a request and stay.
    HalfOpen,
    /// Connections that open, and go without a word.
    Vanish,
}

/// How a flood comes in.
#[derive(Clone, Debug)]
pub(crate) enum Bytes {
    /// On one connection: once, then again and again.
    Stream { once: Vec<u8>, again: Vec<u8>, reads_slowly: bool },
    /// On a connection for each time, of which so many stay open.
    Connections { each: Vec<u8>, keep: usize },
}

/// What is written at a time, about.
const CHUNK: usize = 256 * 1024;
const MASK_BIT: u8 = 0x80;

impl Kind {
    /// Whether the flooding client agrees on compression.
    pub(crate) fn is_compressed(self) -> bool {
        matches!(self, Kind::Deflated | Kind::Bombs)
    }

    /// The path of the engine that it goes to.
    pub(crate) fn path(self) -> &'static str {
        if self == Kind::Jobs { "/jobs" } else { "/" }
    }

    /// What is sent.
    pub(crate) fn bytes(self) -> Bytes {
        let again = match self {
            Kind::Pings => frame(0x89, b"").repeat(CHUNK / 6),
            Kind::Pongs => frame(0x8a, b"").repeat(CHUNK / 6),
            Kind::Empty => frame(0x81, b"").repeat(CHUNK / 6),
            Kind::Small => frame(0x81, &[b'x'; 100]).repeat(CHUNK / 106),
            Kind::Fragments => {
                let mut message = frame(0x01, b"x");
                message.extend(frame(0x00, b"x").repeat(998));
                message.extend(frame(0x80, b"x"));
                message.repeat(CHUNK / message.len())
            }
            Kind::Endless => frame(0x00, b"").repeat(CHUNK / 6),
            Kind::Large => frame(0x82, &noise(1024 * 1024)),
            Kind::Behind => [frame(0x82, &noise(100 * 1024)), frame(0x89, b"").repeat(25_000)].concat(),
            Kind::Slow | Kind::Jobs => frame(0x81, &[b'x'; 1024]).repeat(CHUNK / 1032),
            Kind::Deflated => frame(0xc1, &deflated(b"all work and no play")).repeat(CHUNK / 30),
            Kind::Bombs => frame(0xc2, &deflated(&[0; 1024 * 1024])).repeat(16),
            Kind::Garbage => return Bytes::Connections { each: noise(64), keep: 0 },
            Kind::HalfOpen => {
                let each = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso".to_vec();
                return Bytes::Connections { each, keep: 1000 };
            }
            Kind::Vanish => return Bytes::Connections { each: request("/", false), keep: 0 },
        };
        let once = if self == Kind::Endless { frame(0x01, b"x") } else { Vec::new() };
        Bytes::Stream { once, again, reads_slowly: self == Kind::Slow }
    }
}

/// A valid request.
pub(crate) fn request(path: &str, compress: bool) -> Vec<u8> {
    let offer = if compress { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{offer}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A frame of a client, with a masking key of zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    if let Ok(length @ 0..=125) = u8::try_from(payload.len()) {
        frame.push(MASK_BIT | length);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        frame.push(MASK_BIT | 126);
        frame.extend(length.to_be_bytes());
    } else {
        frame.push(MASK_BIT | 127);
        frame.extend((payload.len() as u64).to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A message as RFC 7692 section 7.2.1 has it, which refers to nothing before it.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    let done = Compress::new(Compression::fast(), false).compress_vec(message, &mut out, FlushCompress::Sync);
    assert!(done.is_ok() && out.ends_with(&[0, 0, 0xff, 0xff]), "a sync flush ends with an empty block");
    out.truncate(out.len() - 4);
    out
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(length)
    .collect()
}
