//! One client, as the engine's handles reach it. Works from any thread.

use super::boundary::Event;
use super::lock;
use super::message::{Frame, Message};
use super::outgoing::{Closing, Outgoing};
use super::services::Services;
use crate::{ClientId, Sent, close_code};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Events that wait for one client at most.
const MAX_EVENTS: usize = 65_536;
/// Payload of a control frame at most (RFC 6455 section 5.5).
pub(super) const MAX_CONTROL: usize = 125;
/// That, less the two bytes of a close code.
pub(super) const MAX_REASON: usize = 123;

#[derive(Debug)]
pub(super) struct Remote {
    number: u64,
    peer: Box<str>,
    resource: Box<str>,
    subprotocol: Box<str>,
    services: Arc<Services>,
    activity: Mutex<Activity>,
    outgoing: Mutex<Outgoing>,
    orders: Mutex<Orders>,
}

/// When the client was last heard of, and when it was last pinged for its silence.
#[derive(Debug)]
struct Activity {
    last: Duration,
    pinged: Option<Duration>,
}

/// What the connection is told to do at its next turn.
#[derive(Debug, Default)]
struct Orders {
    events: VecDeque<Event>,
    paused: bool,
    failed: bool,
    /// The connection is gone: there will be no turn.
    gone: bool,
}

impl Remote {
    pub(super) fn new(number: u64, peer: &str, resource: &str, subprotocol: &str, services: Arc<Services>) -> Self {
        Remote {
            number,
            peer: peer.into(),
            resource: resource.into(),
            subprotocol: subprotocol.into(),
            activity: Mutex::new(Activity { last: services.now(), pinged: None }),
            outgoing: Mutex::new(Outgoing::new(services.max_backlog, services.backlog_policy)),
            orders: Mutex::default(),
            services,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn id(&self) -> ClientId {
        self.services.client_id(self.number)
    }

    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    pub(super) fn resource(&self) -> &str {
        &self.resource
    }

    pub(super) fn subprotocol(&self) -> &str {
        &self.subprotocol
    }

    pub(super) fn services(&self) -> &Arc<Services> {
        &self.services
    }

    pub(super) fn closing(&self) -> Closing {
        self.outgoing().closing
    }

    /// What goes out. Not to be held while the engine is called.
    pub(super) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        lock(&self.outgoing)
    }

    /// When it was last heard of.
    pub(super) fn last_active(&self) -> Duration {
        lock(&self.activity).last
    }

    pub(super) fn idle(&self) -> Duration {
        self.services.now().saturating_sub(self.last_active())
    }

    /// Notes that bytes came.
    pub(super) fn touch(&self) {
        lock(&self.activity).last = self.services.now();
    }

    /// When it was pinged because it was idle, if it has given no sign of life since.
    pub(super) fn pinged(&self) -> Option<Duration> {
        let activity = lock(&self.activity);
        activity.pinged.filter(|pinged| activity.last < *pinged)
    }

    /// Notes that it is pinged because it is idle.
    pub(super) fn note_pinged(&self) {
        lock(&self.activity).pinged = Some(self.services.now());
    }

    pub(super) fn send(&self, message: Message) -> Sent {
        self.outgoing().send(message)
    }

    /// Begins a message in fragments. Returns what its parts are to name.
    pub(super) fn begin_message(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn send_part(&self, message: u64, part: Frame) -> Sent {
        self.outgoing().send_part(message, part)
    }

    /// Gives up a message of which parts were sent.
    pub(super) fn abandon_message(&self) {
        if self.close(close_code::INTERNAL, "a message was not finished", true) == Sent::Sent {
            self.services.warn("closed: the engine dropped a message in fragments before its last");
        }
    }

    /// Sends a ping or a pong.
    pub(super) fn send_control(&self, message: Message) -> Sent {
        if let Message::Ping(data) | Message::Pong(data) = &message
            && data.len() > MAX_CONTROL
        {
            self.services.warn(&format!("refused: a ping or pong of {} bytes; {MAX_CONTROL} at most", data.len()));
            return Sent::Refused;
        }
        self.outgoing().send_control(message)
    }

    /// Closes behind what waits, or (`now`) in place of it.
    pub(super) fn close(&self, code: u16, reason: &str, now: bool) -> Sent {
        if !is_close_code(code) {
            self.services.warn(&format!("refused: close code {code} must not be sent (RFC 6455 section 7.4)"));
            return Sent::Refused;
        }
        self.outgoing().close(code, cut_reason(reason), now)
    }

    pub(super) fn pause_reading(&self, paused: bool) -> Sent {
        if self.closing() == Closing::Gone {
            return Sent::Gone;
        }
        lock(&self.orders).paused = paused;
        Sent::Sent
    }

    pub(super) fn is_paused(&self) -> bool {
        lock(&self.orders).paused
    }

    pub(super) fn join(&self, group: &str) -> Sent {
        self.services.join(self, group)
    }

    pub(super) fn leave(&self, group: &str) -> bool {
        self.services.leave(self, group)
    }

    /// Posts a value to the session.
    pub(super) fn post(&self, event: Event) -> Sent {
        let mut orders = lock(&self.orders);
        if orders.gone {
            // The event is dropped behind the lock: that runs the engine's code.
            return Sent::Gone;
        }
        if orders.events.len() >= MAX_EVENTS {
            return Sent::Backlogged;
        }
        orders.events.push_back(event);
        Sent::Sent
    }

    pub(super) fn take_events(&self) -> VecDeque<Event> {
        std::mem::take(&mut lock(&self.orders).events)
    }

    /// Has the connection end with 1011, because the engine failed outside of a callback.
    pub(super) fn fail(&self) {
        lock(&self.orders).failed = true;
    }

    pub(super) fn take_failed(&self) -> bool {
        std::mem::take(&mut lock(&self.orders).failed)
    }

    /// The connection is gone: drops what waits, and everything from now on.
    pub(super) fn end(&self) {
        self.outgoing().end();
        self.services.exit(self.number);
        lock(&self.orders).gone = true;
        drop(self.take_events());
    }
}

/// Whether a close frame may hold this code, in either direction (RFC 6455 section 7.4); 1005 stands for none.
pub(super) fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | close_code::NO_STATUS | 1007..=1014 | 3000..=4999)
}

/// The longest start of `reason` that fits a close frame, cut between two characters.
fn cut_reason(reason: &str) -> &str {
    let end = (0..=reason.len().min(MAX_REASON)).rev().find(|end| reason.is_char_boundary(*end));
    &reason[..end.unwrap_or_default()]
}
