//! The connection's end: it takes queued orders and notices, and tells senders how much still waits.

use super::Outbox;
use super::queue::{FAILURE, NOTICES, PAUSE, RESUME};
use crate::client::batch::Batch;
use crate::client::closing::Closing;
use std::sync::atomic::Ordering;
use std::task::Waker;

impl<N> Outbox<N> {
    /// Sets the task to wake when something is queued.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Executes the orders that are queued. Returns the notices.
    #[inline]
    pub(crate) fn take(&self, batch: &mut Batch) -> Vec<N> {
        if self.waiting.load(Ordering::Acquire) == 0 { Vec::new() } else { self.take_queued(batch, true) }
    }

    /// Executes the queued orders, since a callback's own sends must come after them. Notices wait for the connection,
    /// which has been woken for them and is in its own turn now.
    #[inline]
    pub(super) fn execute_queued(&self, batch: &mut Batch) {
        if self.waiting.load(Ordering::Acquire) & !NOTICES != 0 {
            self.take_queued(batch, false);
        }
    }

    fn take_queued(&self, batch: &mut Batch, with_notices: bool) -> Vec<N> {
        let mut queue = self.lock();
        let mut orders = std::mem::take(&mut queue.orders);
        let notices = if with_notices { queue.notices.take() } else { None };
        let left = if with_notices { 0 } else { NOTICES };
        let told = self.waiting.fetch_and(left, Ordering::AcqRel);
        self.queued_bytes.store(0, Ordering::Relaxed);
        drop(queue);
        if told & (PAUSE | RESUME) != 0 {
            batch.paused = told & PAUSE != 0;
        }
        batch.failed |= told & FAILURE != 0;
        orders.drain(..).for_each(|order| batch.execute(order, self.limit()));
        // A client that gets orders in this way will get more: leave the memory for them.
        if orders.capacity() <= 32 {
            let mut queue = self.lock();
            if queue.orders.capacity() == 0 {
                queue.orders = orders;
            }
        }
        notices.map_or_else(Vec::new, |notices| *notices)
    }

    /// Notes that this many posted notices were delivered.
    pub(crate) fn note_delivered(&self, posted: usize) {
        self.posted.fetch_sub(u32::try_from(posted).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Whether a message was refused since the last call.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed) && self.refused.swap(false, Ordering::Relaxed)
    }

    /// Notes that the peer has sent its close frame.
    pub(crate) fn note_close_received(&self) {
        self.closing.fetch_max(Closing::Begun as u8, Ordering::AcqRel);
    }

    /// Notes that the connection is gone. Drops everything that is queued, now and later.
    pub(crate) fn end(&self) {
        let mut queue = self.lock();
        self.closing.store(Closing::Gone as u8, Ordering::Release);
        self.waiting.store(0, Ordering::Release);
        let dropped = std::mem::take(&mut *queue);
        drop(queue);
        // Dropping may run anything, so the lock must not be held.
        drop(dropped);
        self.queued_bytes.store(0, Ordering::Relaxed);
        self.publish_unwritten(0, 0);
    }

    /// Stores the batch's backlog at the end of a turn, and the cost of keeping it. Returns whether a message was
    /// refused although less than half the limit waits now: the sender saw the earlier backlog.
    pub(crate) fn publish_unwritten(&self, bytes: usize, overhead: usize) -> bool {
        let before = self.unwritten.load(Ordering::Relaxed) + self.overhead.load(Ordering::Relaxed) as usize;
        // A sender that refuses holds the lock. So from here on, no message is refused because of the earlier backlog.
        let queue = (bytes + overhead < before).then(|| self.lock());
        self.unwritten.store(bytes, Ordering::Relaxed);
        self.overhead.store(u32::try_from(overhead).unwrap_or(u32::MAX), Ordering::Relaxed);
        drop(queue);
        bytes + overhead <= self.limit() / 2 && self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_POSTED, NotPosted};
    use super::*;
    use crate::client::at_hand::with_batch;
    use crate::client::audience::{Audience, Backlog, BacklogPolicy};
    use crate::client::order::Order;
    use crate::loops::wakes::Wakes;
    use crate::protocol::Opcode;
    use bytes::Bytes;
    use plugin_api::Sent;
    use std::sync::Arc;

    fn outbox<N>(limit: usize) -> Outbox<N> {
        let backlog = Backlog { limit, policy: BacklogPolicy::Drop };
        let audience = Arc::new(Audience::new(Arc::new(Wakes::new(1)), backlog, None));
        let outbox = Outbox::new(1, 0, audience, false);
        outbox.set_waker(Waker::noop());
        outbox
    }

    /// Another thread sends while the connection writes the backlog, and has not yet stored that.
    #[test]
    fn a_message_that_was_refused_for_what_waited_before_is_not_forgotten() {
        let outbox = outbox::<()>(100);
        assert!(!outbox.publish_unwritten(200, 0));
        assert_eq!(outbox.send(Opcode::Text, b"text"), Sent::Backlogged);
        assert!(!outbox.publish_unwritten(60, 0), "more than half waits");
        assert!(outbox.publish_unwritten(0, 0));
        assert!(outbox.take_refused());
        assert!(!outbox.publish_unwritten(0, 0));
    }

    #[test]
    fn a_callback_that_sends_leaves_notices_to_the_connection() {
        let outbox = outbox(1000);
        let mut batch = Some(Box::new(Batch::default()));
        let is_woken_for_an_order = || {
            let mut wake = Vec::new();
            assert_eq!(outbox.send_shared(&Bytes::from_static(b"\x81\x01a"), &mut wake), Sent::Sent);
            !wake.is_empty()
        };
        outbox.post("notice").unwrap();
        assert!(!is_woken_for_an_order(), "the connection was woken for the notice");
        with_batch(1, &mut batch, || assert_eq!(outbox.send(Opcode::Text, b"b"), Sent::Sent));
        let mut batch = batch.unwrap();
        assert_eq!(batch.write.unwritten().concat(), b"\x81\x01a\x81\x01b");
        assert!(!is_woken_for_an_order(), "the notice waits still");
        assert_eq!(outbox.take(&mut batch), ["notice"]);
        assert_eq!(batch.write.len(), 9);
        assert!(outbox.take(&mut batch).is_empty());
        assert!(is_woken_for_an_order());
    }

    /// Another thread closes when a callback has just looked whether it still may send.
    #[test]
    fn nothing_follows_a_close_frame_that_a_sender_has_not_seen() {
        let outbox = outbox::<()>(1000);
        outbox.push(outbox.lock(), Order::Close { code: 1000, reason: String::new(), now: false });
        assert_eq!(outbox.closing(), Closing::No, "so far as the callback has seen");
        let mut batch = Some(Box::new(Batch::default()));
        with_batch(1, &mut batch, || {
            assert_eq!(outbox.send(Opcode::Text, b"text"), Sent::Gone);
            assert_eq!(outbox.send_shared(&Bytes::from_static(b"\x81\x01a"), &mut Vec::new()), Sent::Gone);
            assert_eq!(outbox.send_control(Opcode::Ping, b""), Sent::Gone);
            assert_eq!(outbox.send_control(Opcode::Pong, b""), Sent::Gone);
        });
        assert_eq!(batch.unwrap().write.unwritten().concat(), b"\x88\x02\x03\xe8");
    }

    #[test]
    fn posted_notices_have_a_bound_until_they_are_delivered_and_others_have_none() {
        let outbox = outbox(0);
        (0..MAX_POSTED).for_each(|number| outbox.post(number).unwrap());
        let refused = |posted: Result<(), NotPosted<u32>>| posted.map_err(|refused| (refused.why, refused.notice));
        assert_eq!(refused(outbox.post(7)), Err((Sent::Backlogged, 7)));
        assert_eq!(outbox.notify(8), Sent::Sent);
        let taken = outbox.take(&mut Batch::default());
        assert!(taken.iter().copied().eq((0..MAX_POSTED).chain([8])));
        assert_eq!(refused(outbox.post(7)), Err((Sent::Backlogged, 7)), "they may wait for their session");
        outbox.note_delivered(1);
        outbox.post(7).unwrap();
        outbox.end();
        assert!(outbox.take(&mut Batch::default()).is_empty());
        assert_eq!(refused(outbox.post(7)), Err((Sent::Gone, 7)));
        assert_eq!(outbox.notify(8), Sent::Gone);
    }

    #[test]
    fn of_pauses_only_the_last_word_counts() {
        let outbox = outbox::<()>(0);
        let mut batch = Batch::default();
        for (words, paused) in [(&[true, false, true][..], true), (&[], true), (&[true, false], false), (&[], false)] {
            words.iter().for_each(|paused| assert_eq!(outbox.pause_reading(*paused), Sent::Sent));
            outbox.take(&mut batch);
            assert_eq!(batch.paused, paused, "{words:?}");
        }
        outbox.fail();
        outbox.take(&mut batch);
        assert!(batch.failed);
    }
}
