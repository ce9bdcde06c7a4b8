//! One client: the facts about it, and everything that any thread may ask of it. Engines hold clients through handles.
//!
//! It knows no socket: sends go to the outbox, and the connection takes them from there. It knows no engine either:
//! everything else that reaches a connection is a notice, whose type its user chooses, and which nothing here can read.
//!
//! | file | subject |
//! |---|---|
//! | `order`, `outbox/` | orders to a connection; their way from any thread |
//! | `batch`, `at_hand` | bytes on their way to the socket; the batch of the client whose callback the thread runs |
//! | `short_way` | the way to a socket for messages that are too large to be copied |
//! | `audience`, `broadcast` | all clients of an engine, and their groups; one message for many of them |
//! | `closing` | how far the end of a connection has come, as any thread may ask |
//! | `activity` | an engine's work under way: a swap waits for it |

pub(crate) mod activity;
pub(crate) mod at_hand;
pub mod audience;
pub(crate) mod batch;
pub(crate) mod broadcast;
mod closing;
pub(crate) mod order;
pub(crate) mod outbox;
pub mod short_way;

pub use closing::Closing;

use crate::client::audience::{Audience, BacklogPolicy};
use crate::client::broadcast::Broadcast;
use crate::client::order::{Order, Part};
use crate::client::outbox::Outbox;
use crate::clock;
use crate::protocol::deflate::{Agreed, Compression};
use crate::protocol::{MAX_CONTROL, Opcode, close};
use plugin_api::Sent;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

/// A connected client. It carries notices of the type `N` to its connection, and cannot read them.
#[derive(Debug)]
pub struct Client<N> {
    peer: Box<str>,
    resource: Box<str>,
    // A box in the option is small for the many clients without a subprotocol.
    #[allow(clippy::box_collection, reason = "half the size if there is none")]
    subprotocol: Option<Box<String>>,
    deflate: Option<Agreed>,
    /// Milliseconds from the process's epoch to the last byte that came.
    last_active: AtomicU64,
    /// Milliseconds from the epoch to the last ping for keepalive, plus 1; 0 if there was none.
    pinged: AtomicU64,
    /// The generation of the engine that serves it.
    generation: AtomicU32,
    outbox: Outbox<N>,
}

impl<N> Client<N> {
    /// A newly accepted client, whose connection will live on `event_loop`. `deflate` is the agreement on compression.
    pub fn new(
        peer: &str,
        resource: &str,
        subprotocol: &str,
        deflate: Option<Agreed>,
        audience: Arc<Audience<N>>,
        event_loop: usize,
    ) -> Client<N> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let client = Client {
            peer: peer.into(),
            resource: resource.into(),
            subprotocol: Some(subprotocol).filter(|name| !name.is_empty()).map(|name| Box::new(name.to_owned())),
            deflate,
            last_active: AtomicU64::new(0),
            pinged: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            outbox: Outbox::new(number, event_loop, audience, deflate.is_some()),
        };
        client.touch(clock::now());
        client
    }

    /// The two halves of the id: a random number for this run of the host, and a counter.
    pub fn id(&self) -> (u64, u64) {
        (run(), self.number())
    }

    /// The counter's half of the id. It is never 0, and unique within this run of the host.
    pub fn number(&self) -> u64 {
        self.outbox.number()
    }

    /// The peer's address as text.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Path and query of the request.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The agreed subprotocol, or empty.
    pub fn subprotocol(&self) -> &str {
        self.subprotocol.as_ref().map_or("", |name| name.as_str())
    }

    /// The agreement on compression.
    pub fn deflate(&self) -> Option<Agreed> {
        self.deflate
    }

    /// How messages to it are compressed.
    pub fn compression(&self) -> Option<Compression> {
        Some(self.audience().compression?.within(self.deflate?.server))
    }

    /// The event loop on which the connection lives.
    pub fn event_loop(&self) -> usize {
        self.outbox.event_loop()
    }

    /// The generation of the engine that serves it, or is about to.
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(crate) fn set_generation(&self, generation: u32) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// The audience that it belongs to.
    pub fn audience(&self) -> &Audience<N> {
        self.outbox.audience()
    }

    /// How long ago the last byte arrived.
    pub fn idle(&self) -> Duration {
        clock::since(epoch()).saturating_sub(self.last_active())
    }

    /// When the last byte arrived, as milliseconds since the process's epoch.
    pub(crate) fn last_active(&self) -> Duration {
        Duration::from_millis(self.last_active.load(Ordering::Relaxed))
    }

    /// Notes that bytes have arrived.
    pub fn touch(&self, now: Instant) {
        self.last_active.store(millis(now), Ordering::Relaxed);
    }

    /// When the client was pinged because it was idle, if it has been silent since.
    pub fn pinged(&self) -> Option<Duration> {
        let pinged = Duration::from_millis(self.pinged.load(Ordering::Relaxed).checked_sub(1)?);
        // At this resolution, a quick pong can be as old as its ping; the bytes before the ping are older.
        (self.last_active() < pinged).then_some(pinged)
    }

    /// Whether the client was pinged because it was idle, and has been silent since.
    pub fn is_pinged(&self) -> bool {
        self.pinged().is_some()
    }

    /// Notes that the client is pinged because it is idle.
    pub(crate) fn note_pinged(&self, now: Instant) {
        self.pinged.store(millis(now) + 1, Ordering::Relaxed);
    }

    /// How far the connection's end has come.
    pub fn closing(&self) -> Closing {
        self.outbox.closing()
    }

    /// Bytes that wait for the socket.
    pub fn buffered(&self) -> usize {
        self.outbox.buffered()
    }

    /// Sends one message.
    #[inline]
    pub fn send(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        match self.outbox.send(opcode, payload) {
            Sent::Backlogged => self.backlogged(),
            sent => sent,
        }
    }

    /// Sends one encoded message that many clients get; see [`Outbox::send_shared`].
    pub(crate) fn send_shared(&self, broadcast: &Broadcast, wake: &mut Vec<Waker>) -> Sent {
        let frame = broadcast.frame_for(self.deflate.map(|agreed| agreed.server));
        match self.outbox.send_shared(frame, wake) {
            Sent::Backlogged => self.backlogged(),
            sent => sent,
        }
    }

    /// Begins a message in fragments. Returns the number that its parts must name.
    pub fn begin_message(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a part of a message. If it is refused for its backlog, the message is torn, so the client is closed
    /// whatever the policy.
    pub fn send_part(&self, part: Part) -> Sent {
        match self.outbox.send_order(Order::Part(part)) {
            Sent::Backlogged => self.close_backlogged(),
            sent => sent,
        }
    }

    /// Gives up a message that was sent in part.
    pub fn abandon_message(&self) {
        if self.close(close::INTERNAL, "a message was not finished") == Sent::Sent {
            tracing::warn!(peer = self.peer(), "closed: the engine dropped a message in fragments before its last");
        }
    }

    /// Applies the policy to a client that does not keep up.
    #[cold]
    fn backlogged(&self) -> Sent {
        match self.audience().backlog.policy {
            BacklogPolicy::Close => self.close_backlogged(),
            BacklogPolicy::Drop => Sent::Backlogged,
        }
    }

    fn close_backlogged(&self) -> Sent {
        if self.outbox.close(close::POLICY, "too slow: the backlog is full", true) == Sent::Sent {
            tracing::info!(peer = self.peer(), limit = self.outbox.limit(), "closed: its backlog is full");
        }
        Sent::Backlogged
    }

    /// Sends a control frame, ahead of data.
    pub(crate) fn send_control(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        if payload.len() > MAX_CONTROL {
            tracing::warn!(
                peer = self.peer(),
                "refused: a {opcode:?} of {} bytes; {MAX_CONTROL} at most",
                payload.len()
            );
            return Sent::Refused;
        }
        self.outbox.send_control(opcode, payload)
    }

    /// Closes after the queued data.
    pub fn close(&self, code: u16, reason: &str) -> Sent {
        self.order_close(code, reason, false)
    }

    /// Drops the queued data, then closes.
    pub fn close_now(&self, code: u16, reason: &str) -> Sent {
        self.order_close(code, reason, true)
    }

    fn order_close(&self, code: u16, reason: &str, now: bool) -> Sent {
        if code != close::NO_STATUS && !close::sendable(code) {
            tracing::warn!(peer = self.peer(), "refused: close code {code} must not be sent (RFC 6455 section 7.4)");
            return Sent::Refused;
        }
        self.outbox.close(code, close::cut_reason(reason), now)
    }

    /// Drops queued messages that the socket has not begun to take. Returns the bytes dropped.
    ///
    /// If another thread than the connection's calls it, messages that the connection already has are dropped at its
    /// next turn and are not counted.
    pub fn discard_buffered(&self) -> usize {
        self.outbox.discard()
    }

    /// Stops or resumes reading from the client.
    pub fn pause_reading(&self, paused: bool) -> Sent {
        self.outbox.pause_reading(paused)
    }

    /// Makes the client a member of a group.
    pub fn join(&self, group: &str) -> Sent {
        self.audience().join(self, group)
    }

    /// Ends a membership. Returns whether there was one.
    pub fn leave(&self, group: &str) -> bool {
        self.audience().leave(self, group)
    }

    /// Ends the connection with 1011, because the engine failed outside of a callback.
    pub fn fail(&self) {
        self.outbox.fail();
    }

    pub(crate) fn outbox(&self) -> &Outbox<N> {
        &self.outbox
    }
}

/// The moment from which activity is counted. It lies long before anything happens, even by a clock that was stopped.
pub(crate) fn epoch() -> Instant {
    const BEFORE: Duration = Duration::from_secs(24 * 3600);
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(|| clock::now().checked_sub(BEFORE).unwrap_or_else(clock::now))
}

fn millis(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(epoch()).as_millis()).unwrap_or(u64::MAX)
}

/// The half of an id that all clients of this run of the host share.
pub fn run() -> u64 {
    static RUN: OnceLock<u64> = OnceLock::new();
    *RUN.get_or_init(|| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()))
    })
}
