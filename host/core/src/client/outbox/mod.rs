//! The outbox of one client: the way from any thread to the connection's write buffer.
//!
//! There are two ways in. A callback that sends to its own client writes the frame straight into the connection's
//! [`Batch`], which is [at hand](at_hand) while the callback runs: no lock, no allocation, no wake-up. Everything else
//! goes through a queue under a lock and wakes the connection's task. The first way executes the queue first, so that
//! the order stays.
//!
//! Everything that waits is limited, whatever the engine does. Data and pings count towards the backlog's limit with
//! their bytes on the wire and the cost of keeping them; only the newest pong waits; only the last pause or resume of
//! reading is kept. Besides orders, the queue carries notices, which it cannot read: posted notices have a limit of
//! their own, and others always go through.
//!
//! Here is what senders do. `queue` is the way through the queue, and `taking` the connection's end of it.

mod queue;
mod taking;

use crate::client::at_hand;
use crate::client::audience::Audience;
use crate::client::batch::Batch;
use crate::client::closing::Closing;
use crate::client::order::Order;
use crate::lock::Lock;
use crate::protocol::Opcode;
use bytes::Bytes;
use plugin_api::Sent;
use queue::{FAILURE, PAUSE, Queue, RESUME};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::task::Waker;

/// The most posted notices that may wait for one client. Their content is memory that is not counted here.
const MAX_POSTED: u32 = 65_536;

/// The connection and every handle of the client share it.
#[derive(Debug)]
pub(crate) struct Outbox<N> {
    /// The client's number; never 0, unique within this run of the host.
    number: u64,
    event_loop: u32,
    /// The audience that the client belongs to. It has the settings that all its clients share.
    audience: Arc<Audience<N>>,
    /// Whether compression was agreed on. If so, large messages are left for the connection to compress.
    compresses: bool,
    queue: Lock<Queue<N>>,
    /// The kinds of things that wait, as bits that `queue` names. It only changes under the queue's lock.
    waiting: AtomicU8,
    queued_bytes: AtomicUsize,
    /// The batch's backlog when the connection's turn ended.
    unwritten: AtomicUsize,
    /// The cost of keeping that backlog, besides its bytes.
    overhead: AtomicU32,
    /// Posted notices that have not been delivered.
    posted: AtomicU32,
    /// Whether a message was refused since the connection last asked.
    refused: AtomicBool,
    closing: AtomicU8,
}

/// A notice that was refused.
#[derive(Debug)]
pub(crate) struct NotPosted<N> {
    pub why: Sent,
    pub notice: N,
}

impl<N> Outbox<N> {
    /// The outbox of the client `number`, whose connection lives on `event_loop`.
    pub(crate) fn new(number: u64, event_loop: usize, audience: Arc<Audience<N>>, compresses: bool) -> Self {
        Outbox {
            number,
            event_loop: u32::try_from(event_loop).unwrap_or(u32::MAX),
            audience,
            compresses,
            queue: Lock::default(),
            waiting: AtomicU8::default(),
            queued_bytes: AtomicUsize::default(),
            unwritten: AtomicUsize::default(),
            overhead: AtomicU32::default(),
            posted: AtomicU32::default(),
            refused: AtomicBool::default(),
            closing: AtomicU8::default(),
        }
    }

    /// The client's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Sends one message.
    #[inline]
    pub(crate) fn send(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        let in_batch = self.in_batch(|batch| {
            let sent = self.room_in(batch);
            if sent == Sent::Sent {
                batch.message(opcode, payload);
            }
            sent
        });
        in_batch.unwrap_or_else(|| self.send_queued(opcode, payload))
    }

    /// Sends an encoded message, or a part of one.
    pub(crate) fn send_order(&self, order: Order) -> Sent {
        match self.send_data(order) {
            Ok(waker) => {
                waker.into_iter().for_each(|waker| self.audience.wakes.wake(self.event_loop(), waker));
                Sent::Sent
            }
            Err(refused) => refused,
        }
    }

    /// Sends one encoded message that many clients get. If the connection's task must be woken for it, its waker is
    /// added to `wake`.
    pub(crate) fn send_shared(&self, frames: &Bytes, wake: &mut Vec<Waker>) -> Sent {
        match self.send_data(Order::Shared(frames.clone())) {
            Ok(waker) => {
                wake.extend(waker);
                Sent::Sent
            }
            Err(refused) => refused,
        }
    }

    /// Sends a message or a part of one, through the batch if that is at hand, since its content counts towards the
    /// limit. Returns the task to wake.
    fn send_data(&self, order: Order) -> Result<Option<Waker>, Sent> {
        if self.closing() >= Closing::Sent {
            return Err(Sent::Gone);
        }
        let mut order = Some(order);
        let in_batch = self.in_batch(|batch| {
            let sent = self.room_in(batch);
            if sent == Sent::Sent
                && let Some(order) = order.take()
            {
                batch.data(order);
            }
            sent
        });
        match (in_batch, order) {
            (None, Some(order)) => self.queue_data(order),
            (None | Some(Sent::Sent), _) => Ok(None),
            (Some(refused), _) => Err(refused),
        }
    }

    /// Sends a control frame ahead of data.
    pub(crate) fn send_control(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        if self.closing() >= Closing::Sent {
            return Sent::Gone;
        }
        let in_batch = self.in_batch(|batch| {
            let needs_room = opcode != Opcode::Pong || batch.close_written;
            let sent = if needs_room { self.room_in(batch) } else { Sent::Sent };
            if sent == Sent::Sent {
                batch.control(opcode, payload, self.limit());
            }
            sent
        });
        in_batch.unwrap_or_else(|| self.queue_control(opcode, payload))
    }

    /// Sends a close frame, which is the last frame of all threads (RFC 6455 section 5.5.1).
    pub(crate) fn close(&self, code: u16, reason: &str, now: bool) -> Sent {
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

    /// Drops the waiting messages. Returns the bytes dropped at once.
    pub(crate) fn discard(&self) -> usize {
        self.in_batch(Batch::discard).unwrap_or_else(|| {
            let mut queue = self.lock();
            if self.closing() >= Closing::Sent {
                return 0; // the close frame is among what waits
            }
            let dropped = queue.orders.iter().filter(|order| order.is_whole_message()).map(Order::size).sum();
            // This also drops an earlier discard, since the new one does its work.
            queue.orders.retain(|order| !order.is_whole_message() && !matches!(order, Order::Discard));
            self.queued_bytes.fetch_sub(dropped, Ordering::Relaxed);
            self.push(queue, Order::Discard);
            dropped
        })
    }

    /// Stops or resumes reading.
    pub(crate) fn pause_reading(&self, paused: bool) -> Sent {
        match self.in_batch(|batch| batch.paused = paused) {
            Some(()) => Sent::Sent,
            None => self.tell(if paused { PAUSE } else { RESUME }),
        }
    }

    /// Makes the connection end, because the engine failed outside of its callbacks.
    pub(crate) fn fail(&self) {
        self.tell(FAILURE);
    }

    /// Gives the connection a notice, unless too many wait.
    ///
    /// # Errors
    ///
    /// The notice, if there is no room or no connection. Dropping it may run anything, so no lock is held by then.
    pub(crate) fn post(&self, notice: N) -> Result<(), NotPosted<N>> {
        let queue = self.lock();
        let why = match self.closing() {
            Closing::Gone => Sent::Gone,
            _ if self.posted.load(Ordering::Relaxed) >= MAX_POSTED => Sent::Backlogged,
            _ => {
                self.posted.fetch_add(1, Ordering::Relaxed);
                self.push_notice(queue, notice);
                return Ok(());
            }
        };
        Err(NotPosted { why, notice })
    }

    /// Gives the connection a notice that must go through, whatever waits. If the connection is gone, the notice is
    /// dropped.
    pub(crate) fn notify(&self, notice: N) -> Sent {
        let queue = self.lock();
        if self.closing() == Closing::Gone {
            drop(queue);
            // Dropping the notice may run anything, so the lock must not be held.
            drop(notice);
            return Sent::Gone;
        }
        self.push_notice(queue, notice);
        Sent::Sent
    }

    /// Bytes that wait for the socket.
    pub(crate) fn buffered(&self) -> usize {
        let in_batch = self.in_batch(|batch| batch.backlog());
        in_batch.unwrap_or_else(|| self.unwritten.load(Ordering::Relaxed)) + self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Bytes in the batch of the client whose callback runs on this thread.
    #[inline]
    pub(crate) fn batched(&self) -> usize {
        self.in_batch(|batch| batch.write.len()).unwrap_or(0)
    }

    /// The event loop on which the connection lives.
    pub(crate) fn event_loop(&self) -> usize {
        self.event_loop as usize
    }

    /// The audience that the client belongs to.
    pub(crate) fn audience(&self) -> &Audience<N> {
        &self.audience
    }

    /// A message is refused while more bytes than this wait, or are needed to keep the waiting ones.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.audience.backlog.limit
    }

    /// How far the connection's end has come.
    pub(crate) fn closing(&self) -> Closing {
        match self.closing.load(Ordering::Acquire) {
            0 => Closing::No,
            1 => Closing::Begun,
            2 => Closing::Sent,
            _ => Closing::Gone,
        }
    }

    /// Whether a message or a ping may go into the batch. Another thread's close frame may have come there since the sender
    /// looked: nothing follows that.
    #[inline]
    fn room_in(&self, batch: &Batch) -> Sent {
        if batch.close_written {
            Sent::Gone
        } else if batch.cost() > self.limit() {
            self.refuse()
        } else {
            Sent::Sent
        }
    }

    /// Works on the client's batch, if this thread runs one of its callbacks.
    #[inline]
    fn in_batch<R>(&self, work: impl FnOnce(&mut Batch) -> R) -> Option<R> {
        at_hand::with(self.number, |batch| {
            self.execute_queued(batch);
            work(batch)
        })
    }
}
