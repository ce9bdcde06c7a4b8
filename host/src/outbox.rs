//! What goes out to one client: the way from any thread to the connection's write buffer.
//!
//! There are two ways in. A callback that sends to its own client writes the frame straight into the connection's
//! [`Batch`], which lies in a thread-local while the callback runs: no lock, no allocation, no wake-up. Everything else
//! goes through a queue under a lock and wakes the connection's task. The batch way looks at the queue first, so that
//! what happened before stays before.

use crate::client::Closing;
use crate::engine::Event;
use crate::protocol::{Opcode, WriteBuffer, encode};
use plugin_api::Sent;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Something that a connection is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send these whole, encoded frames.
    Frames(Vec<u8>),
    /// Send a control frame ahead of data.
    Control { opcode: Opcode, payload: Vec<u8> },
    /// Send a close frame, behind what is queued or (`now`) in place of it.
    Close { code: u16, reason: String, now: bool },
    /// Drop what is queued.
    Discard,
    /// Stop or resume reading.
    PauseReading(bool),
    /// Deliver a value to the session.
    Event(Event),
}

/// The connection's end of its outbox: owned by the connection's task, lent to its callbacks.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Frames on their way to the socket.
    pub write: WriteBuffer,
    /// Values to deliver to the session.
    pub events: VecDeque<Event>,
    /// Whether the engine has asked not to read from this client.
    pub paused: bool,
    /// Whether our close frame is in the write buffer, or was.
    pub close_written: bool,
}

/// The other end: shared with every handle of the client.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Whether the queue holds anything. Set under its lock.
    queued: AtomicBool,
    queued_bytes: AtomicUsize,
    /// What the write buffer held when the connection's turn ended.
    unwritten: AtomicUsize,
    closing: AtomicU8,
}

#[derive(Debug, Default)]
struct Queue {
    orders: VecDeque<Order>,
    waker: Option<Waker>,
}

thread_local! {
    /// The batch of the connection whose callback runs on this thread, and that client's number.
    static CURRENT: RefCell<Option<(u64, Box<Batch>)>> = const { RefCell::new(None) };
}

/// Runs callbacks of the client `number` with its batch in reach of its own sends.
pub(crate) fn with_batch<R>(number: u64, batch: &mut Option<Box<Batch>>, callbacks: impl FnOnce() -> R) -> R {
    CURRENT.set(batch.take().map(|batch| (number, batch)));
    let result = callbacks();
    *batch = CURRENT.take().map(|(_, batch)| batch);
    result
}

impl Outbox {
    /// Sends one message.
    #[inline]
    pub fn send(&self, number: u64, opcode: Opcode, payload: &[u8]) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        match self.in_batch(number, |batch| batch.write.push(opcode, true, payload)) {
            Some(()) => Sent::Sent,
            None => self.send_queued(opcode, payload),
        }
    }

    /// Sends a control frame ahead of data.
    pub fn send_control(&self, number: u64, opcode: Opcode, payload: &[u8]) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        match self.in_batch(number, |batch| batch.write.push_control_ahead(opcode, payload)) {
            Some(()) => Sent::Sent,
            None => self.enqueue(Order::Control { opcode, payload: payload.to_owned() }),
        }
    }

    /// Sends a close frame: the last frame, also for other threads (RFC 6455 section 5.5.1).
    pub fn close(&self, number: u64, code: u16, reason: &str, now: bool) -> Sent {
        if self.closing.fetch_max(Closing::Sent as u8, Ordering::AcqRel) >= Closing::Sent as u8 {
            return Sent::Gone;
        }
        match self.in_batch(number, |batch| batch.close(code, reason, now)) {
            Some(()) => Sent::Sent,
            None => self.enqueue(Order::Close { code, reason: reason.to_owned(), now }),
        }
    }

    /// Drops what waits. Returns the bytes dropped at once.
    pub fn discard(&self, number: u64) -> usize {
        self.in_batch(number, Batch::discard).unwrap_or_else(|| {
            let mut queue = self.lock();
            if self.closing() >= Closing::Sent {
                return 0; // the close frame is among what waits
            }
            queue.orders.retain(|order| !matches!(order, Order::Frames(_)));
            let dropped = self.queued_bytes.swap(0, Ordering::Relaxed);
            self.push(queue, Order::Discard);
            dropped
        })
    }

    /// Stops or resumes reading.
    pub fn pause_reading(&self, number: u64, paused: bool) -> Sent {
        match self.in_batch(number, |batch| batch.paused = paused) {
            Some(()) => Sent::Sent,
            None => self.enqueue(Order::PauseReading(paused)),
        }
    }

    /// Posts a value to the session; it is dropped where the connection is gone.
    pub fn post(&self, event: Event) -> Sent {
        self.enqueue(Order::Event(event))
    }

    /// Bytes that wait for the socket.
    pub fn buffered(&self, number: u64) -> usize {
        let in_batch = self.in_batch(number, |batch| batch.write.len());
        in_batch.unwrap_or_else(|| self.unwritten.load(Ordering::Relaxed)) + self.queued_bytes.load(Ordering::Relaxed)
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
        // Dropping an event runs the engine's code: not under the lock.
        drop(orders);
        self.queued.store(false, Ordering::Release);
        self.queued_bytes.store(0, Ordering::Relaxed);
        self.unwritten.store(0, Ordering::Relaxed);
    }

    /// Names the task to wake for orders.
    pub fn set_waker(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Notes what the write buffer holds at the end of a turn.
    pub fn publish_unwritten(&self, bytes: usize) {
        self.unwritten.store(bytes, Ordering::Relaxed);
    }

    /// Executes the orders that other threads have queued.
    #[inline]
    pub fn execute_queued(&self, batch: &mut Batch) {
        if self.queued.load(Ordering::Acquire) {
            let mut queue = self.lock();
            let orders = std::mem::take(&mut queue.orders);
            self.queued.store(false, Ordering::Release);
            self.queued_bytes.store(0, Ordering::Relaxed);
            drop(queue);
            orders.into_iter().for_each(|order| batch.execute(order));
        }
    }

    /// Works on the batch of the client `number`, if one of its callbacks runs on this thread.
    #[inline]
    fn in_batch<R>(&self, number: u64, work: impl FnOnce(&mut Batch) -> R) -> Option<R> {
        let in_reach = CURRENT.try_with(|current| match &mut *current.borrow_mut() {
            Some((owner, batch)) if *owner == number => {
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
        // Frames that wait together lie together.
        if let Some(Order::Frames(frames)) = queue.orders.back_mut() {
            let before = frames.len();
            encode(frames, opcode, true, payload);
            self.queued_bytes.fetch_add(frames.len() - before, Ordering::Relaxed);
            return Sent::Sent;
        }
        let mut frames = Vec::new();
        encode(&mut frames, opcode, true, payload);
        self.queued_bytes.fetch_add(frames.len(), Ordering::Relaxed);
        self.push(queue, Order::Frames(frames));
        Sent::Sent
    }

    fn enqueue(&self, order: Order) -> Sent {
        let queue = self.lock();
        if self.closing() == Closing::Gone {
            drop(queue);
            // Dropping an event runs the engine's code: not under the lock.
            drop(order);
            return Sent::Gone;
        }
        self.push(queue, order);
        Sent::Sent
    }

    /// Queues an order, and wakes the task unless it has been woken for an earlier one.
    fn push(&self, mut queue: MutexGuard<'_, Queue>, order: Order) {
        queue.orders.push_back(order);
        let waker = if self.queued.swap(true, Ordering::AcqRel) { None } else { queue.waker.clone() };
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn execute(&mut self, order: Order) {
        match order {
            // Another thread's send can fall behind a close frame that it did not see: nothing follows that frame.
            Order::Frames(_) | Order::Control { .. } | Order::Close { .. } if self.close_written => {}
            Order::Frames(frames) => self.write.push_encoded(&frames),
            Order::Control { opcode, payload } => self.write.push_control_ahead(opcode, &payload),
            Order::Close { code, reason, now } => self.close(code, &reason, now),
            Order::Discard => {
                self.discard();
            }
            Order::PauseReading(paused) => self.paused = paused,
            Order::Event(event) => self.events.push_back(event),
        }
    }

    /// Drops what waits, but never our close frame.
    fn discard(&mut self) -> usize {
        if self.close_written { 0 } else { self.write.discard_unstarted() }
    }

    fn close(&mut self, code: u16, reason: &str, now: bool) {
        if now {
            self.write.discard_unstarted();
        }
        self.write.push_close(code, reason);
        self.close_written = true;
    }
}
