//! The way through the queue, for everything that does not come from a callback of the client's own.

use super::Outbox;
use crate::client::closing::Closing;
use crate::client::order::Order;
use crate::lock::Held;
use crate::protocol::{Opcode, encode};
use plugin_api::Sent;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::task::Waker;

/// Orders wait in the queue.
pub(super) const ORDERS: u8 = 1;
/// Notices wait in the queue.
pub(super) const NOTICES: u8 = 2;
/// The connection must stop reading for now. Only the last such word counts, so it takes no place in the queue.
pub(super) const PAUSE: u8 = 4;
/// The connection must read again.
pub(super) const RESUME: u8 = 8;
/// The engine failed outside of its callbacks.
pub(super) const FAILURE: u8 = 16;

/// Everything that waits for the connection.
#[derive(Debug)]
pub(super) struct Queue<N> {
    /// If a pong waits, it is the first order: it goes ahead of data in any case.
    pub(super) orders: VecDeque<Order>,
    // A box in the option is small for the many queues without notices.
    #[allow(clippy::box_collection, reason = "a third of the size if there is none")]
    pub(super) notices: Option<Box<Vec<N>>>,
    pub(super) waker: Option<Waker>,
}

impl<N> Default for Queue<N> {
    fn default() -> Self {
        Queue { orders: VecDeque::new(), notices: None, waker: None }
    }
}

impl<N> Outbox<N> {
    pub(super) fn send_queued(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        let mut queue = self.lock();
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        if !self.has_room(&queue) {
            return self.refuse();
        }
        if self.is_for_the_connection_to_compress(payload) {
            self.push(queue, Order::Message { opcode, payload: payload.to_owned() });
            return Sent::Sent;
        }
        // Adjacent frames share one order.
        if let Some(Order::Frames(frames)) = queue.orders.back_mut() {
            let before = frames.len();
            encode(frames, opcode, true, payload);
            self.queued_bytes.fetch_add(frames.len() - before, Ordering::Relaxed);
            return Sent::Sent;
        }
        let mut frames = Vec::new();
        encode(&mut frames, opcode, true, payload);
        self.push(queue, Order::Frames(frames));
        Sent::Sent
    }

    fn is_for_the_connection_to_compress(&self, payload: &[u8]) -> bool {
        self.compresses && self.audience.compression.is_some_and(|how| payload.len() >= how.threshold)
    }

    /// Queues a message or a part of one. Returns the task to wake.
    pub(super) fn queue_data(&self, order: Order) -> Result<Option<Waker>, Sent> {
        let mut queue = self.lock();
        if self.closing() >= Closing::Sent {
            return Err(Sent::Gone);
        }
        if !self.has_room(&queue) {
            return Err(self.refuse());
        }
        self.queued_bytes.fetch_add(order.size(), Ordering::Relaxed);
        queue.orders.push_back(order);
        Ok(self.to_wake(&queue, ORDERS))
    }

    /// Queues a control frame. A new pong replaces a waiting one.
    pub(super) fn queue_control(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        let mut queue = self.lock();
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        let order = Order::Control { opcode, payload: payload.to_owned() };
        if opcode == Opcode::Ping {
            if !self.has_room(&queue) {
                return self.refuse();
            }
            self.push(queue, order);
            return Sent::Sent;
        }
        if let Some(Order::Control { opcode: Opcode::Pong, .. }) = queue.orders.front()
            && let Some(earlier) = queue.orders.pop_front()
        {
            self.queued_bytes.fetch_sub(earlier.size(), Ordering::Relaxed);
        }
        self.queued_bytes.fetch_add(order.size(), Ordering::Relaxed);
        queue.orders.push_front(order);
        self.wake_for(queue, ORDERS);
        Sent::Sent
    }

    /// Whether a message or a ping may be queued.
    fn has_room(&self, queue: &Queue<N>) -> bool {
        let waits = self.unwritten.load(Ordering::Relaxed) + self.queued_bytes.load(Ordering::Relaxed);
        let overhead = self.overhead.load(Ordering::Relaxed) as usize;
        waits + overhead + queue.orders.len() * Order::ENTRY <= self.limit()
    }

    #[cold]
    pub(super) fn refuse(&self) -> Sent {
        self.refused.store(true, Ordering::Relaxed);
        Sent::Backlogged
    }

    /// Queues an order.
    pub(super) fn push(&self, mut queue: Held<'_, Queue<N>>, order: Order) {
        self.queued_bytes.fetch_add(order.size(), Ordering::Relaxed);
        queue.orders.push_back(order);
        self.wake_for(queue, ORDERS);
    }

    /// Queues a notice.
    pub(super) fn push_notice(&self, mut queue: Held<'_, Queue<N>>, notice: N) {
        queue.notices.get_or_insert_default().push(notice);
        self.wake_for(queue, NOTICES);
    }

    /// Sets a flag of which only the last word counts.
    pub(super) fn tell(&self, what: u8) -> Sent {
        let queue = self.lock();
        if self.closing() == Closing::Gone {
            return Sent::Gone;
        }
        if what & (PAUSE | RESUME) != 0 {
            self.waiting.fetch_and(!(PAUSE | RESUME), Ordering::Relaxed);
        }
        self.wake_for(queue, what);
        Sent::Sent
    }

    fn wake_for(&self, queue: Held<'_, Queue<N>>, what: u8) {
        let waker = self.to_wake(&queue, what);
        drop(queue);
        if let Some(waker) = waker {
            self.audience.wakes.wake(self.event_loop(), waker);
        }
    }

    /// Notes what waits. Returns the task to wake, unless something earlier has woken it.
    fn to_wake(&self, queue: &Queue<N>, what: u8) -> Option<Waker> {
        if self.waiting.fetch_or(what, Ordering::AcqRel) == 0 { queue.waker.clone() } else { None }
    }

    pub(super) fn lock(&self) -> Held<'_, Queue<N>> {
        self.queue.hold()
    }
}
