//! The connection's end of an outbox: bytes on their way to the socket, and other orders to the connection.

use crate::client::order::{Order, Part};
use crate::client::short_way::ShortWay;
use crate::protocol::deflate::{Compression, Deflater};
use crate::protocol::{Opcode, WriteBuffer, is_compressed};
use std::collections::VecDeque;
use std::time::Instant;

/// A message of at least this many bytes is offered to the socket directly rather than copied. For smaller ones, the
/// system call costs as much as the copy.
const WRITE_THROUGH_FROM: usize = 128 * 1024;

/// The connection's task owns it, and lends it to its callbacks.
#[derive(Debug, Default)]
pub struct Batch {
    /// Frames on their way to the socket.
    pub write: WriteBuffer,
    /// The compressor, if compression was agreed on.
    pub deflater: Option<Box<Deflater>>,
    /// Whether the engine has asked not to read from this client.
    pub paused: bool,
    /// Whether our close frame has been put into the write buffer.
    pub close_written: bool,
    /// Whether the engine failed in a job of this client.
    pub failed: bool,
    /// Whether the socket took nothing more at the last attempt.
    pub blocked: bool,
    /// The socket for large messages, during the connection's turn.
    pub socket: Option<ShortWay>,
    /// Since when we have chosen to read nothing from the client.
    pub unread_since: Option<Instant>,
    /// The pong to send when the socket takes something again.
    pong: Option<Box<[u8]>>,
    fragmented: Option<Box<Fragmented>>,
}

/// A message that is sent in parts and is not finished.
#[derive(Debug)]
struct Fragmented {
    message: u64,
    /// Messages, and parts of other messages, that came after its first part.
    waiting: VecDeque<Order>,
    waiting_bytes: usize,
}

impl Batch {
    /// A batch for a connection with this compression.
    pub fn new(compression: Compression) -> Batch {
        Batch { deflater: Some(Box::new(Deflater::new(compression))), ..Batch::default() }
    }

    /// Whether it equals a new one without compression.
    pub(crate) fn is_blank(&self) -> bool {
        let Batch { write, deflater, paused, close_written, failed, blocked, socket, unread_since, pong, fragmented } =
            self;
        let nothing_kept = deflater.is_none() && socket.is_none() && pong.is_none() && fragmented.is_none();
        write.is_empty()
            && nothing_kept
            && !(*paused || *close_written || *failed || *blocked || unread_since.is_some())
    }

    /// Bytes that wait for the socket.
    #[inline]
    pub fn backlog(&self) -> usize {
        self.write.len() + self.fragmented.as_ref().map_or(0, |fragmented| fragmented.waiting_bytes)
    }

    /// The cost of keeping these bytes, in bytes, besides the bytes themselves.
    #[inline]
    pub(crate) fn overhead(&self) -> usize {
        self.fragmented.as_ref().map_or(0, |fragmented| fragmented.waiting.len() * Order::ENTRY)
    }

    /// The number that counts towards the backlog's limit.
    #[inline]
    pub fn cost(&self) -> usize {
        self.backlog() + self.overhead()
    }

    /// Whether parts of a message were sent, and not its last.
    pub(crate) fn is_within_message(&self) -> bool {
        self.fragmented.is_some()
    }

    /// Queues a message.
    #[inline]
    pub fn message(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.fragmented.is_none() && self.deflater.is_none() && payload.len() < WRITE_THROUGH_FROM {
            self.write.push(opcode, true, payload);
        } else {
            self.message_otherwise(opcode, payload);
        }
    }

    fn message_otherwise(&mut self, opcode: Opcode, payload: &[u8]) {
        match &mut self.deflater {
            // It is compressed when its turn comes: later messages must not refer to one that is dropped before that.
            _ if self.fragmented.is_some() => self.data(Order::Message { opcode, payload: payload.to_owned() }),
            Some(deflater) => self.write.push_deflated(deflater, opcode, payload),
            None => self.plain_message(opcode, payload),
        }
    }

    /// Queues a message, or sends it at once if it is large and nothing waits before it.
    fn plain_message(&mut self, opcode: Opcode, payload: &[u8]) {
        let may_pass = payload.len() >= WRITE_THROUGH_FROM && self.write.is_empty() && !self.blocked;
        match self.socket.as_ref().filter(|_| may_pass) {
            None => self.write.push(opcode, true, payload),
            Some(socket) => self.write.write_through(opcode, payload, |header, payload| socket.offer(header, payload)),
        }
    }

    /// Queues a control frame ahead of data.
    ///
    /// While the socket is blocked, or more than `limit` waits for it, only the newest pong waits. So neither a client
    /// that pings and does not read nor an engine that never stops costs memory. RFC 6455 section 5.5.3: an endpoint
    /// "MAY elect to send a Pong frame for only the most recently processed Ping frame".
    pub fn control(&mut self, opcode: Opcode, payload: &[u8], limit: usize) {
        // If nothing waits for the socket, no event would tell when it takes something again.
        let waits = !self.write.is_empty() && (self.blocked || self.cost() > limit);
        if opcode == Opcode::Pong {
            // An earlier one that still waits must not come behind this one.
            self.pong = waits.then(|| payload.into());
        }
        if opcode != Opcode::Pong || !waits {
            self.write.push_control_ahead(opcode, payload);
        }
    }

    /// Notes that the socket has taken something.
    #[inline]
    pub(crate) fn unblocked(&mut self) {
        self.blocked = false;
        if let Some(pong) = self.pong.take() {
            self.write.push_control_ahead(Opcode::Pong, &pong);
        }
    }

    /// Executes an order of another thread. `limit` is the backlog's.
    pub(crate) fn execute(&mut self, order: Order, limit: usize) {
        match order {
            // Another thread's send can arrive after a close frame that it did not see: nothing may follow that frame.
            Order::Frames(_)
            | Order::Message { .. }
            | Order::Shared(_)
            | Order::Part(_)
            | Order::Control { .. }
            | Order::Close { .. }
                if self.close_written => {}
            Order::Frames(_) | Order::Message { .. } | Order::Shared(_) | Order::Part(_) => self.data(order),
            Order::Control { opcode, payload } => self.control(opcode, &payload, limit),
            Order::Close { code, reason, now } => self.close(code, &reason, now),
            Order::Discard => {
                self.discard();
            }
        }
    }

    /// Queues messages and parts. While a message is sent in parts, everything else waits for its last part.
    pub fn data(&mut self, order: Order) {
        let continues = match (&mut self.fragmented, &order) {
            (None, _) => false,
            (Some(fragmented), Order::Part(part)) if part.message == fragmented.message => true,
            (Some(fragmented), _) => {
                fragmented.waiting_bytes += order.size();
                fragmented.waiting.push_back(order);
                return;
            }
        };
        match order {
            Order::Frames(frames) => self.write.push_encoded(&frames),
            Order::Message { opcode, payload } => self.message(opcode, &payload),
            Order::Shared(frames) => {
                if is_compressed(&frames) {
                    self.forget_context();
                }
                self.write.push_encoded(&frames);
            }
            Order::Part(part) => self.part(&part, continues),
            _ => {}
        }
    }

    /// Notes that the client's view of the compression context differs from ours.
    fn forget_context(&mut self) {
        if let Some(deflater) = &mut self.deflater {
            deflater.forget();
        }
    }

    /// Queues a part without compression, which only pays for whole messages. RFC 6455 section 5.4: the first frame has
    /// the message's opcode, all others are continuations.
    fn part(&mut self, part: &Part, continues: bool) {
        let opcode = if continues { Opcode::Continuation } else { part.opcode };
        self.write.push(opcode, part.last, &part.data);
        if !part.last && !continues {
            let fragmented = Fragmented { message: part.message, waiting: VecDeque::new(), waiting_bytes: 0 };
            self.fragmented = Some(Box::new(fragmented));
        } else if part.last
            && let Some(fragmented) = self.fragmented.take()
        {
            // The waiting orders may contain the parts of another message, which makes the orders after them wait
            // again.
            fragmented.waiting.into_iter().for_each(|order| self.data(order));
        }
    }

    /// Drops whole messages that wait, but never our close frame. Returns the bytes dropped.
    pub fn discard(&mut self) -> usize {
        if self.close_written {
            return 0;
        }
        // The client must get all of a message in parts, or none of it: while one is under way, everything before it in
        // the buffer stays.
        let Some(fragmented) = &mut self.fragmented else {
            self.forget_context();
            let dropped = self.write.discard_unstarted();
            if self.write.is_empty() {
                self.unblocked();
            }
            return dropped;
        };
        let before = fragmented.waiting_bytes;
        fragmented.waiting.retain(|order| !order.is_whole_message());
        fragmented.waiting_bytes = fragmented.waiting.iter().map(Order::size).sum();
        before - fragmented.waiting_bytes
    }

    /// Queues our close frame, which is the last frame (RFC 6455 section 5.5.1). It cuts off an unfinished message in
    /// parts.
    pub fn close(&mut self, code: u16, reason: &str, now: bool) {
        if now {
            self.write.discard_unstarted();
        }
        self.fragmented = None;
        if let Some(pong) = self.pong.take() {
            self.write.push_control_ahead(Opcode::Pong, &pong);
        }
        self.write.push_close(code, reason);
        self.close_written = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::deflate::Compression;
    use crate::protocol::encoded_length;
    use bytes::Bytes;

    const LIMIT: usize = 1_000_000;

    fn part(message: u64, data: &str, last: bool) -> Order {
        Order::Part(Part { message, opcode: Opcode::Text, last, data: data.into() })
    }

    /// FIN and opcode of each frame, and its text.
    fn frames(batch: &Batch) -> Vec<(u8, String)> {
        let unwritten = batch.write.unwritten().concat();
        let mut rest = &unwritten[..];
        let mut frames = Vec::new();
        while let [first, length, more @ ..] = rest {
            let (payload, behind) = more.split_at(usize::from(*length));
            frames.push((*first, String::from_utf8_lossy(payload).into_owned()));
            rest = behind;
        }
        frames
    }

    fn texts(batch: &Batch) -> String {
        frames(batch).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn other_messages_wait_for_the_last_part() {
        let mut batch = Batch::default();
        batch.execute(part(1, "a", false), LIMIT);
        batch.message(Opcode::Text, b"X");
        batch.execute(part(2, "1", false), LIMIT);
        batch.execute(part(1, "b", false), LIMIT);
        batch.control(Opcode::Ping, b"P", LIMIT);
        batch.execute(part(2, "2", true), LIMIT);
        batch.message(Opcode::Text, b"Y");
        assert_eq!(texts(&batch), "Pab");
        assert!(batch.backlog() > batch.write.len());
        batch.execute(part(1, "c", true), LIMIT);
        let expected =
            [(0x89, "P"), (0x01, "a"), (0x00, "b"), (0x80, "c"), (0x81, "X"), (0x01, "1"), (0x80, "2"), (0x81, "Y")];
        assert_eq!(frames(&batch), expected.map(|(first, text)| (first, text.to_owned())));
        assert_eq!(batch.backlog(), batch.write.len());
    }

    #[test]
    fn a_message_in_one_part_is_one_frame() {
        let mut batch = Batch::default();
        batch.execute(part(1, "all", true), LIMIT);
        batch.message(Opcode::Text, b"X");
        assert_eq!(frames(&batch), [(0x81, "all".to_owned()), (0x81, "X".to_owned())]);
    }

    #[test]
    fn discarding_never_tears_a_message() {
        let mut batch = Batch::default();
        batch.execute(part(1, "a", false), LIMIT);
        batch.message(Opcode::Text, b"dropped");
        batch.execute(part(2, "1", false), LIMIT);
        assert_eq!(batch.discard(), 9);
        batch.execute(part(1, "b", true), LIMIT);
        batch.execute(part(2, "2", true), LIMIT);
        assert_eq!(texts(&batch), "ab12");
    }

    #[test]
    fn a_blocked_socket_keeps_only_the_newest_pong() {
        let mut batch = Batch::default();
        batch.message(Opcode::Text, b"data");
        batch.control(Opcode::Pong, b"0", LIMIT);
        batch.blocked = true;
        (1..=9).for_each(|number| batch.control(Opcode::Pong, number.to_string().as_bytes(), LIMIT));
        assert_eq!(texts(&batch), "0data");
        batch.unblocked();
        assert_eq!(texts(&batch), "09data");
    }

    /// A later message must not refer to one that was compressed and then dropped, or compressed for many.
    #[test]
    fn a_message_refers_only_to_what_the_client_has_got() {
        let takeover = Compression { threshold: 0, context_takeover: true, ..Compression::default() };
        let deflater = || Some(Box::new(Deflater::new(takeover)));
        let message = [b"a message that is worth compressing, ".repeat(5), (b' '..b'~').collect()].concat();
        let length = |batch: &mut Batch| {
            let before = batch.write.len();
            batch.message(Opcode::Binary, &message);
            batch.write.len() - before
        };
        let mut batch = Batch { deflater: deflater(), ..Batch::default() };
        let [first, second] = [length(&mut batch), length(&mut batch)];
        assert!(second < first / 2, "{first}, {second}");
        batch.discard();
        assert_eq!(length(&mut batch), first);
        batch.execute(Order::Shared(Bytes::from_static(b"\x82\x01a")), LIMIT);
        assert_eq!(length(&mut batch), second, "it was not compressed");
        batch.execute(Order::Shared(Bytes::from_static(b"\xC2\x01\x00")), LIMIT);
        assert_eq!(length(&mut batch), first);

        // A message that waits is compressed in its turn.
        batch.execute(part(1, "a", false), LIMIT);
        batch.execute(Order::Message { opcode: Opcode::Binary, payload: message.clone() }, LIMIT);
        assert_eq!(batch.backlog() - batch.write.len(), encoded_length(message.len()));
        assert_eq!(batch.discard(), encoded_length(message.len()));
        batch.message(Opcode::Binary, &message);
        let before = batch.write.len();
        batch.execute(part(1, "b", true), LIMIT);
        assert_eq!(batch.write.len() - before, second + 3);
    }

    /// FAULTS E5.
    #[test]
    fn what_waits_for_a_last_part_counts_with_what_it_costs_to_keep() {
        let mut batch = Batch::default();
        batch.execute(part(1, "a", false), LIMIT);
        let before = batch.cost();
        (0..10).for_each(|_| batch.message(Opcode::Text, b""));
        (0..10).for_each(|_| batch.execute(part(2, "", false), LIMIT));
        assert_eq!(batch.backlog() - batch.write.len(), 20 * 2);
        assert_eq!(batch.cost() - before, 20 * (2 + Order::ENTRY));
    }

    #[test]
    fn over_the_limit_only_the_newest_pong_waits_too() {
        let mut batch = Batch::default();
        batch.message(Opcode::Text, b"data");
        (1..=9).for_each(|number| batch.control(Opcode::Pong, number.to_string().as_bytes(), 5));
        assert_eq!(texts(&batch), "data");
        batch.unblocked();
        assert_eq!(texts(&batch), "9data");
    }

    /// Found by the simulation: the one that had waited came last.
    #[test]
    fn a_pong_that_finds_room_replaces_the_one_that_waits() {
        let mut batch = Batch::default();
        batch.execute(part(1, "a", false), LIMIT);
        batch.message(Opcode::Text, b"data");
        batch.control(Opcode::Pong, b"1", 5);
        assert_eq!(batch.discard(), 6);
        batch.control(Opcode::Pong, b"2", 5);
        batch.unblocked();
        assert_eq!(texts(&batch), "2a");
    }

    #[test]
    fn a_pong_is_sent_though_no_data_waits() {
        let mut batch = Batch::default();
        batch.message(Opcode::Text, b"dropped");
        batch.blocked = true;
        batch.control(Opcode::Pong, b"1", LIMIT);
        batch.discard();
        assert_eq!(texts(&batch), "1");
        batch.write.advance(3);

        batch.execute(part(1, "", false), LIMIT);
        batch.write.advance(2);
        batch.message(Opcode::Text, b"waits for the last part");
        batch.control(Opcode::Pong, b"2", 5);
        assert_eq!(texts(&batch), "2");
    }

    #[test]
    fn a_pong_that_waits_does_not_follow_a_close_frame() {
        let mut batch = Batch::default();
        batch.message(Opcode::Text, b"data");
        batch.blocked = true;
        batch.control(Opcode::Pong, b"pong", LIMIT);
        batch.close(1000, "", false);
        let kinds: Vec<_> = frames(&batch).into_iter().map(|(first, _)| first).collect();
        assert_eq!(kinds, [0x8A, 0x81, 0x88]);
        batch.write.advance(batch.write.len());
        batch.unblocked();
        assert!(batch.write.is_empty());
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let mut batch = Batch::default();
        batch.execute(part(1, "a", false), LIMIT);
        batch.close(1000, "", false);
        batch.execute(part(1, "b", true), LIMIT);
        batch.execute(Order::Frames(vec![0x81, 1, b'X']), LIMIT);
        assert_eq!(frames(&batch).last().map(|(first, _)| *first), Some(0x88));
    }
}
