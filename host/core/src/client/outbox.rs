//! What goes out to one client: the way from any thread to the connection's write buffer.
//!
//! There are two ways in. A callback that sends to its own client writes the frame straight into the connection's
//! [`Batch`], which lies in a thread-local while the callback runs: no lock, no allocation, no wake-up. Everything else
//! goes through a queue under a lock and wakes the connection's task. The batch way looks at the queue first, so that
//! what happened before stays before.
//!
//! Everything that waits has a bound, whatever the engine does. Data and pings count for the backlog's limit with what they
//! put on the wire and what it costs to keep them; of pongs only the newest waits; events have a number of their own; of pauses
//! in reading only the last word is kept. A swap's orders always go through: they are few.

use crate::client::audience::Audience;
use crate::client::batch::Batch;
use crate::client::closing::Closing;
use crate::client::order::Order;
use crate::engine::Event;
use crate::lock::{Held, Lock};
use crate::protocol::{Opcode, encode};
use bytes::Bytes;
use plugin_api::Sent;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::task::Waker;

/// Events that wait for one client at most. What is in them is the engine's memory, which nobody here sees.
const MAX_EVENTS: u32 = 65_536;

/// Shared by the connection and every handle of the client.
#[derive(Debug)]
pub struct Outbox {
    /// The client's number; never 0, unique within this run of the host.
    number: u64,
    event_loop: u32,
    /// Those that the client is one of, who have their settings in common: each client has only what is its own.
    audience: Arc<Audience>,
    /// Whether compression was agreed on: large messages are for the connection to compress then.
    compresses: bool,
    queue: Lock<Queue>,
    /// Whether the queue holds anything. Set under its lock.
    queued: AtomicBool,
    queued_bytes: AtomicUsize,
    /// The batch's backlog when the connection's turn ended.
    unwritten: AtomicUsize,
    /// What it costs to keep that, beside itself.
    overhead: AtomicU32,
    /// Events that the session has not been given.
    events: AtomicU32,
    /// Whether a message was refused since the connection last asked.
    refused: AtomicBool,
    closing: AtomicU8,
}

#[derive(Debug, Default)]
struct Queue {
    /// A pong, if one waits, is the first: it goes ahead of data in any case.
    orders: VecDeque<Order>,
    waker: Option<Waker>,
    /// How many of the orders are events.
    events: u32,
    /// What was last said of reading.
    paused: Option<bool>,
    /// The engine failed outside of its callbacks.
    failed: bool,
}

thread_local! {
    /// The batch of the connection whose callback runs on this thread, and that client's number.
    static CURRENT: RefCell<Option<(u64, Box<Batch>)>> = const { RefCell::new(None) };
}

/// Uses those of the calling thread, see [`crate::touch_thread_locals`].
pub fn touch() {
    CURRENT.with(|_| ());
}

/// Runs callbacks of the client `number` with its batch in reach of its own sends.
pub fn with_batch<R>(number: u64, batch: &mut Option<Box<Batch>>, callbacks: impl FnOnce() -> R) -> R {
    CURRENT.set(batch.take().map(|batch| (number, batch)));
    let result = callbacks();
    *batch = CURRENT.take().map(|(_, batch)| batch);
    result
}

impl Outbox {
    /// The outbox of the client `number`, whose connection lives on `event_loop`.
    pub fn new(number: u64, event_loop: usize, audience: Arc<Audience>, compresses: bool) -> Self {
        Outbox {
            number,
            event_loop: u32::try_from(event_loop).unwrap_or(u32::MAX),
            audience,
            compresses,
            queue: Lock::default(),
            queued: AtomicBool::default(),
            queued_bytes: AtomicUsize::default(),
            unwritten: AtomicUsize::default(),
            overhead: AtomicU32::default(),
            events: AtomicU32::default(),
            refused: AtomicBool::default(),
            closing: AtomicU8::default(),
        }
    }

    /// The client's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Sends one message.
    #[inline]
    pub fn send(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        let in_batch = self.in_batch(|batch| {
            let room = batch.cost() <= self.limit();
            if room {
                batch.message(opcode, payload);
            }
            room
        });
        match in_batch {
            Some(true) => Sent::Sent,
            Some(false) => self.refuse(),
            None => self.send_queued(opcode, payload),
        }
    }

    /// Sends a message that is encoded, or a part of one.
    pub fn send_order(&self, order: Order) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        let mut order = Some(order);
        let in_batch = self.in_batch(|batch| {
            let room = batch.cost() <= self.limit();
            if room && let Some(order) = order.take() {
                batch.data(order);
            }
            room
        });
        match (in_batch, order) {
            (Some(false), _) => self.refuse(),
            (None, Some(order)) => match self.queue_data(order) {
                Ok(waker) => {
                    waker.into_iter().for_each(|waker| self.audience.wakes.wake(self.event_loop(), waker));
                    Sent::Sent
                }
                Err(refused) => refused,
            },
            (_, _) => Sent::Sent,
        }
    }

    /// Sends one encoded message that many clients get. The task that is to be woken for it, if any, goes to `wake`.
    ///
    /// # Errors
    ///
    /// Why it was not queued.
    pub fn send_shared(&self, frames: &Bytes, wake: &mut Vec<Waker>) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        match self.queue_data(Order::Shared(frames.clone())) {
            Ok(waker) => {
                wake.extend(waker);
                Sent::Sent
            }
            Err(refused) => refused,
        }
    }

    /// Sends a control frame ahead of data.
    pub fn send_control(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        let in_batch = self.in_batch(|batch| {
            let room = opcode == Opcode::Pong || batch.cost() <= self.limit();
            if room {
                batch.control(opcode, payload, self.limit());
            }
            room
        });
        match in_batch {
            Some(true) => Sent::Sent,
            Some(false) => self.refuse(),
            None => self.queue_control(opcode, payload),
        }
    }

    /// Sends a close frame: the last frame, also for other threads (RFC 6455 section 5.5.1).
    pub fn close(&self, code: u16, reason: &str, now: bool) -> Sent {
        if self.closing.fetch_max(Closing::Sent as u8, Ordering::AcqRel) >= Closing::Sent as u8 {
            return Sent::Gone;
        }
        match self.in_batch(|batch| batch.close(code, reason, now)) {
            Some(()) => Sent::Sent,
            None => {
                self.push(self.lock(), Order::Close { code, reason: reason.to_owned(), now });
                Sent::Sent
            }
        }
    }

    /// Drops what waits. Returns the bytes dropped at once.
    pub fn discard(&self) -> usize {
        self.in_batch(Batch::discard).unwrap_or_else(|| {
            let mut queue = self.lock();
            if self.closing() >= Closing::Sent {
                return 0; // the close frame is among what waits
            }
            let dropped = queue.orders.iter().filter(|order| order.is_whole_message()).map(Order::size).sum();
            // With an earlier order of this kind, which this one does the work of.
            queue.orders.retain(|order| !order.is_whole_message() && !matches!(order, Order::Discard));
            self.queued_bytes.fetch_sub(dropped, Ordering::Relaxed);
            self.push(queue, Order::Discard);
            dropped
        })
    }

    /// Stops or resumes reading.
    pub fn pause_reading(&self, paused: bool) -> Sent {
        match self.in_batch(|batch| batch.paused = paused) {
            Some(()) => Sent::Sent,
            None => self.tell(|queue| queue.paused = Some(paused)),
        }
    }

    /// Has the connection end, because the engine failed outside of its callbacks.
    pub fn fail(&self) {
        self.tell(|queue| queue.failed = true);
    }

    /// Has the session get an event. One that finds no room, or no session, is dropped.
    pub fn post(&self, event: Event) -> Sent {
        let queue = self.lock();
        let refused = match self.closing() {
            Closing::Gone => Sent::Gone,
            _ if self.events.load(Ordering::Relaxed) >= MAX_EVENTS => Sent::Backlogged,
            _ => Sent::Sent,
        };
        if refused == Sent::Sent {
            self.events.fetch_add(1, Ordering::Relaxed);
            self.push(queue, Order::Event(event));
        } else {
            drop(queue);
            // That runs the engine's code: not under the lock.
            event.discard_here();
        }
        refused
    }

    /// Notes that the session was given so many events.
    pub fn note_delivered(&self, events: usize) {
        self.events.fetch_sub(u32::try_from(events).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Has the connection execute an order that must go through, whatever waits.
    pub fn enqueue(&self, order: Order) -> Sent {
        let queue = self.lock();
        if self.closing() == Closing::Gone {
            drop(queue);
            // That may run the engine's code: not under the lock.
            drop(order);
            return Sent::Gone;
        }
        self.push(queue, order);
        Sent::Sent
    }

    /// Bytes that wait for the socket.
    pub fn buffered(&self) -> usize {
        let in_batch = self.in_batch(|batch| batch.backlog());
        in_batch.unwrap_or_else(|| self.unwritten.load(Ordering::Relaxed)) + self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that its callbacks have put into the batch of the client whose callback runs.
    #[inline]
    pub fn batched(&self) -> usize {
        self.in_batch(|batch| batch.write.len()).unwrap_or(0)
    }

    /// Where the connection lives.
    pub fn event_loop(&self) -> usize {
        self.event_loop as usize
    }

    /// The clients that it is one of.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// A message is refused while more bytes than this wait, or are needed to keep what waits.
    #[inline]
    pub fn limit(&self) -> usize {
        self.audience.backlog.limit
    }

    /// Whether a message was refused since this was last asked.
    pub fn take_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed) && self.refused.swap(false, Ordering::Relaxed)
    }

    /// How far the connection's end has come.
    pub fn closing(&self) -> Closing {
        match self.closing.load(Ordering::Acquire) {
            0 => Closing::No,
            1 => Closing::Begun,
            2 => Closing::Sent,
            _ => Closing::Gone,
        }
    }

    /// The peer has sent its close frame.
    pub fn note_close_received(&self) {
        self.closing.fetch_max(Closing::Begun as u8, Ordering::AcqRel);
    }

    /// The connection is gone: drops what is queued, and everything from now on.
    pub fn end(&self) {
        let mut queue = self.lock();
        self.closing.store(Closing::Gone as u8, Ordering::Release);
        let orders = std::mem::take(&mut *queue);
        drop(queue);
        drop(orders);
        self.queued.store(false, Ordering::Release);
        self.queued_bytes.store(0, Ordering::Relaxed);
        self.publish_unwritten(0, 0);
    }

    /// Names the task to wake for orders.
    pub fn set_waker(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Notes the batch's backlog at the end of a turn, and what it costs to keep it. Returns whether a message was refused
    /// since that was last asked, though less than half the limit waits: another thread has seen what waited before.
    pub fn publish_unwritten(&self, bytes: usize, overhead: usize) -> bool {
        let before = self.unwritten.load(Ordering::Relaxed) + self.overhead.load(Ordering::Relaxed) as usize;
        // Who is refused holds the lock: nobody is, from here on, for what waited before.
        let queue = (bytes + overhead < before).then(|| self.lock());
        self.unwritten.store(bytes, Ordering::Relaxed);
        self.overhead.store(u32::try_from(overhead).unwrap_or(u32::MAX), Ordering::Relaxed);
        drop(queue);
        bytes + overhead <= self.limit() / 2 && self.refused.load(Ordering::Relaxed)
    }

    /// Executes the orders that other threads have queued.
    #[inline]
    pub fn execute_queued(&self, batch: &mut Batch) {
        if self.queued.load(Ordering::Acquire) {
            self.execute_all(batch);
        }
    }

    fn execute_all(&self, batch: &mut Batch) {
        let mut queue = self.lock();
        let mut orders = std::mem::take(&mut queue.orders);
        queue.events = 0;
        batch.paused = queue.paused.take().unwrap_or(batch.paused);
        batch.failed |= std::mem::take(&mut queue.failed);
        self.queued.store(false, Ordering::Release);
        self.queued_bytes.store(0, Ordering::Relaxed);
        drop(queue);
        orders.drain(..).for_each(|order| batch.execute(order, self.limit()));
        // A client that is sent to in this way will be so again: the next orders find the memory there.
        if orders.capacity() <= 32 {
            let mut queue = self.lock();
            if queue.orders.capacity() == 0 {
                queue.orders = orders;
            }
        }
    }

    /// Works on the client's batch, if one of its callbacks runs on this thread.
    #[inline]
    fn in_batch<R>(&self, work: impl FnOnce(&mut Batch) -> R) -> Option<R> {
        let in_reach = CURRENT.try_with(|current| match &mut *current.borrow_mut() {
            Some((owner, batch)) if *owner == self.number => {
                self.execute_queued(batch);
                Some(work(batch))
            }
            _ => None,
        });
        // Not in reach while the thread ends.
        in_reach.unwrap_or_default()
    }

    fn send_queued(&self, opcode: Opcode, payload: &[u8]) -> Sent {
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
        // Frames that wait together lie together.
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
    fn queue_data(&self, order: Order) -> Result<Option<Waker>, Sent> {
        let mut queue = self.lock();
        if self.closing() >= Closing::Sent {
            return Err(Sent::Gone);
        }
        if !self.has_room(&queue) {
            return Err(self.refuse());
        }
        self.queued_bytes.fetch_add(order.size(), Ordering::Relaxed);
        queue.orders.push_back(order);
        Ok(self.to_wake(&queue))
    }

    /// Queues a control frame. Of pongs, the newest takes the place of another that waits.
    fn queue_control(&self, opcode: Opcode, payload: &[u8]) -> Sent {
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
        self.wake_for(queue);
        Sent::Sent
    }

    /// Whether a message or a ping may be queued.
    fn has_room(&self, queue: &Queue) -> bool {
        let waits = self.unwritten.load(Ordering::Relaxed) + self.queued_bytes.load(Ordering::Relaxed);
        let entries = queue.orders.len() - queue.events as usize;
        waits + self.overhead.load(Ordering::Relaxed) as usize + entries * Order::ENTRY <= self.limit()
    }

    #[cold]
    fn refuse(&self) -> Sent {
        self.refused.store(true, Ordering::Relaxed);
        Sent::Backlogged
    }

    /// Queues an order, and wakes the task unless it has been woken for an earlier one.
    fn push(&self, mut queue: Held<'_, Queue>, order: Order) {
        self.queued_bytes.fetch_add(order.size(), Ordering::Relaxed);
        queue.events += u32::from(matches!(order, Order::Event(_)));
        queue.orders.push_back(order);
        self.wake_for(queue);
    }

    /// Tells the connection something of which only the last word counts.
    fn tell(&self, say: impl FnOnce(&mut Queue)) -> Sent {
        let mut queue = self.lock();
        if self.closing() == Closing::Gone {
            return Sent::Gone;
        }
        say(&mut queue);
        self.wake_for(queue);
        Sent::Sent
    }

    fn wake_for(&self, queue: Held<'_, Queue>) {
        let waker = self.to_wake(&queue);
        drop(queue);
        if let Some(waker) = waker {
            self.audience.wakes.wake(self.event_loop(), waker);
        }
    }

    fn to_wake(&self, queue: &Queue) -> Option<Waker> {
        if self.queued.swap(true, Ordering::AcqRel) { None } else { queue.waker.clone() }
    }

    fn lock(&self) -> Held<'_, Queue> {
        self.queue.hold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::audience::{Backlog, BacklogPolicy};
    use crate::loops::wakes::Wakes;

    /// Another thread sends while the connection writes what waits, and has not said so yet.
    #[test]
    fn a_message_that_was_refused_for_what_waited_before_is_not_forgotten() {
        let backlog = Backlog { limit: 100, policy: BacklogPolicy::Drop };
        let audience = Arc::new(Audience::new(Arc::new(Wakes::new(1)), backlog, None));
        let outbox = Outbox::new(1, 0, audience, false);
        assert!(!outbox.publish_unwritten(200, 0));
        assert_eq!(outbox.send(Opcode::Text, b"text"), Sent::Backlogged);
        assert!(!outbox.publish_unwritten(60, 0), "more than half waits");
        assert!(outbox.publish_unwritten(0, 0));
        assert!(outbox.take_refused());
        assert!(!outbox.publish_unwritten(0, 0));
    }
}
