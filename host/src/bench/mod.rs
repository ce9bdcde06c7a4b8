//! A load generator for WebSocket servers, lean enough not to be what is measured.
//!
//! A server must answer with exactly the payloads it was sent, in order, one unfragmented frame each: to the client that
//! sent them (echo) or to every client (fan-out). So the byte stream that a connection has to receive is known
//! beforehand, and checking it costs one comparison of memory per read: opcode, length, payload and order at once. What
//! that leaves to do per message is a sequence number written in two places.
//!
//! - [`ring`]: the frames to send and the replies they must cause; no sockets, no clock.
//! - [`replies`]: the comparison of those replies with what was received.
//! - [`connection`]: a ring, its socket and the times of sending.
//! - [`opening`]: the handshake before and the closing after, both blocking.
//! - [`run`]: the phases of a run: warm up, measure, let the last replies come in.
//! - [`echo`], [`fanout`]: the event loop over all connections.
//! - [`cpu`]: who used how much processor time and memory.
//! - [`report`]: what was found, for people and for machines.

pub mod connection;
pub mod cpu;
pub mod echo;
pub mod fanout;
pub mod opening;
pub mod replies;
pub mod report;
pub mod ring;
pub mod run;

/// How a server is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Who gets the messages back.
    pub mode: Mode,
    /// Where the server listens, as `ws://host:port/path`.
    pub url: String,
    /// How many connections are open at the same time; at least 1.
    pub connections: usize,
    /// Bytes of payload in each message.
    pub size: usize,
    /// Messages that each sender has sent and whose replies have not all come; at least 1.
    pub in_flight: usize,
    /// What the messages are on the wire.
    pub wire: Wire,
}

/// Who gets the messages back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every connection sends, and gets its own messages.
    Echo,
    /// The first connection sends, and every connection gets the message, the sender included.
    Fanout {
        /// Further connections that never read what they get.
        stalled: usize,
    },
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
