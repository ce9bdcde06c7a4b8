//! permessage-deflate (RFC 7692): messages compressed one by one, if client and server agree on it.
//!
//! It owns the negotiation and both directions. zlib-rs implements the deflate format itself, through flate2. The frame
//! layer decides which frames carry compressed data, and the message's limit bounds the inflated size. None of it
//! belongs to an engine, so a swap does not touch it. A connection without compression holds nothing for it.
//!
//! - **In** (`inflate`): `Progress` lets `Inflating` inflate a message piece by piece into the assembly, which checks
//!   the limit and UTF-8. A connection keeps the bytes that later messages may refer to: up to 32 KiB with context
//!   takeover, nothing without.
//! - **Out, without takeover** (`deflater`, [`encode_alone`]): one compressor per thread and window, whose frames suit
//!   any client.
//! - **Out, with takeover** ([`Deflater`]): in the order of the wire. A message from elsewhere is compressed when its
//!   order is executed. After a message that was dropped on its way, or compressed for many, the compressor begins
//!   anew. It is given back after 10 s without use: a compressor may forget, an inflater may not.
//! - **A broadcast** is compressed in the calling thread, once for each window that its clients agreed on, and shared.

mod deflater;
mod inflate;
mod negotiation;

pub use deflater::{Deflater, encode_alone};
pub(super) use inflate::{Incoming, Inflating};
pub use negotiation::{Accepted, negotiate};

/// How the server compresses, as far as clients agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// 1 (fast) to 9 (small). Levels above 6 cost much time for little.
    pub level: u8,
    /// Messages of fewer bytes are sent as they are. Small ones cost more time than they save on the wire.
    pub threshold: usize,
    /// Whether messages may refer back to earlier ones of their connection, in both directions, unless the client
    /// objects. They get smaller, but each connection keeps its own compressor while it uses it (375 KiB with 15 window
    /// bits, 250 KiB with 9), and up to 32 KiB of the messages that it received.
    pub context_takeover: bool,
    /// How far back the server's references may reach, as a power of two: 9 (512 bytes) to 15 (32 KiB). Without
    /// takeover, it only determines the memory of the one compressor of each thread.
    pub window_bits: u8,
}

impl Default for Compression {
    fn default() -> Self {
        Compression { level: 3, threshold: 256, context_takeover: false, window_bits: 15 }
    }
}

impl Compression {
    /// These settings, limited to the agreement on the server's messages.
    pub fn within(self, agreed: Reach) -> Compression {
        Compression { context_takeover: agreed.context_takeover, window_bits: agreed.window_bits, ..self }
    }
}

/// The agreement between a client and the server for one connection. It is small, since every connection stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// For messages of the server.
    pub server: Reach,
    /// For messages of the client.
    pub client: Reach,
}

/// How far back a message may refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Whether it may refer to earlier messages.
    pub context_takeover: bool,
    /// The most bytes that it may refer back, as a power of two: 9 to 15 for the server, 8 to 15 for a client.
    pub window_bits: u8,
}

/// Uses the calling thread's thread-locals, see [`crate::touch_thread_locals`].
pub(super) fn touch() {
    deflater::touch();
    inflate::touch();
}
