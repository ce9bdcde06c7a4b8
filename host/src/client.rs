//! One client: the facts about it, and what any thread may ask of it. Engines hold these through their handles.
//!
//! Knows no socket: what is sent goes to the outbox, and the connection takes it from there.

use crate::engine::Event;
use crate::outbox::Outbox;
use crate::protocol::{Opcode, close};
use plugin_api::Sent;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Payload of a control frame at most (RFC 6455 section 5.5).
const MAX_CONTROL: usize = 125;

/// How far a connection's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Closing {
    /// Open.
    No,
    /// The peer has sent a close frame, we have not.
    Begun,
    /// We have queued a close frame; nothing may follow it (RFC 6455 section 5.5.1).
    Sent,
    /// The connection is gone.
    Gone,
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    number: u64,
    peer: Box<str>,
    resource: Box<str>,
    subprotocol: Box<str>,
    /// Milliseconds from the process's epoch to the last byte that came.
    last_active: AtomicU64,
    outbox: Outbox,
}

impl Client {
    /// A client that has just been accepted.
    pub fn new(peer: &str, resource: &str, subprotocol: &str) -> Client {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let client = Client {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            peer: peer.into(),
            resource: resource.into(),
            subprotocol: subprotocol.into(),
            last_active: AtomicU64::new(0),
            outbox: Outbox::default(),
        };
        client.touch(Instant::now());
        client
    }

    /// The two halves of the id: one drawn at random for this run of the host, one that counts.
    pub fn id(&self) -> (u64, u64) {
        static RUN: OnceLock<u64> = OnceLock::new();
        let run = RUN.get_or_init(|| {
            use std::hash::{BuildHasher, RandomState};
            RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()))
        });
        (*run, self.number)
    }

    /// The counting half of the id; never 0, unique within this run of the host.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The peer's address as text.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Path and query of the request.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The subprotocol agreed on, or empty.
    pub fn subprotocol(&self) -> &str {
        &self.subprotocol
    }

    /// How long ago the last byte came.
    pub fn idle(&self) -> Duration {
        let last = Duration::from_millis(self.last_active.load(Ordering::Relaxed));
        epoch().elapsed().saturating_sub(last)
    }

    /// Notes that bytes came.
    pub fn touch(&self, now: Instant) {
        let since = now.saturating_duration_since(epoch());
        self.last_active.store(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How far the connection's end has come.
    pub fn closing(&self) -> Closing {
        self.outbox.closing()
    }

    /// Bytes that wait for the socket.
    pub fn buffered(&self) -> usize {
        self.outbox.buffered(self.number)
    }

    /// Sends one message.
    #[inline]
    pub fn send(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        self.outbox.send(self.number, opcode, payload)
    }

    /// Sends a control frame, ahead of data.
    pub fn send_control(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        if payload.len() > MAX_CONTROL {
            tracing::warn!(peer = self.peer(), "refused: a {opcode:?} of {} bytes; 125 at most", payload.len());
            return Sent::Refused;
        }
        self.outbox.send_control(self.number, opcode, payload)
    }

    /// Closes behind what is queued.
    pub fn close(&self, code: u16, reason: &str) -> Sent {
        self.order_close(code, reason, false)
    }

    /// Drops what is queued, then closes.
    pub fn close_now(&self, code: u16, reason: &str) -> Sent {
        self.order_close(code, reason, true)
    }

    fn order_close(&self, code: u16, reason: &str, now: bool) -> Sent {
        if code != close::NO_STATUS && !close::sendable(code) {
            tracing::warn!(peer = self.peer(), "refused: close code {code} must not be sent (RFC 6455 section 7.4)");
            return Sent::Refused;
        }
        self.outbox.close(self.number, code, close::cut_reason(reason), now)
    }

    /// Drops queued messages of which the socket has taken nothing. Returns the bytes dropped.
    ///
    /// From another thread than the connection's, what lies with the connection is dropped at its next turn and is
    /// not counted.
    pub fn discard_buffered(&self) -> usize {
        self.outbox.discard(self.number)
    }

    /// Stops or resumes reading from the client.
    pub fn pause_reading(&self, paused: bool) -> Sent {
        self.outbox.pause_reading(self.number, paused)
    }

    /// Posts a value to the session.
    pub fn post(&self, event: Event) -> Sent {
        self.outbox.post(event)
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// The moment from which activity is counted.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}
