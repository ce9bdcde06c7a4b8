//! A load generator for WebSocket echo servers, lean enough not to be what is measured.
//!
//! An echo server must answer with exactly the payloads it was sent, in order, one unfragmented frame each. So the
//! byte stream that a connection has to receive is known beforehand, and checking it costs one comparison of memory
//! per read: opcode, length, payload and order at once. What that leaves to do per message is a sequence number written
//! in two places.
//!
//! - [`ring`]: the frames of one connection and the replies they must cause; no sockets, no clock.
//! - [`connection`]: a ring, its socket and the times of sending.
//! - [`opening`]: the handshake before and the closing after, both blocking.
//! - [`run`]: the event loop over all connections: warm up, measure, let the last replies come in.
//! - [`cpu`]: who used how much processor time.
//! - [`report`]: what was found, for people and for machines.

pub mod connection;
pub mod cpu;
pub mod opening;
pub mod report;
pub mod ring;
pub mod run;

/// How a server is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Where the server listens, as `ws://host:port/path`.
    pub url: String,
    /// How many connections are open at the same time; at least 1.
    pub connections: usize,
    /// Bytes of payload in each message.
    pub size: usize,
    /// Messages that each connection has sent and not yet got back; at least 1.
    pub in_flight: usize,
    /// What the messages are on the wire.
    pub wire: Wire,
}

/// What the messages are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Text messages of random printable ASCII.
    Text,
    /// Binary messages of random bytes.
    Binary,
    /// No handshake, and every byte sent is expected back as it was sent: for a server that echoes a bare TCP stream.
    Raw,
}
