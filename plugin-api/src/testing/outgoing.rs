//! What is on its way to one client, and what it has got: the host's rules of order, backlog and closing.
//!
//! Sees frames and flags; no lock, no engine. A client that reads takes everything at once, except while a callback of
//! its own runs: as in the host, what a callback sends goes out behind it.

use super::message::{Frame, Message, join};
use super::options::BacklogPolicy;
use crate::{Sent, close_code};
use std::collections::VecDeque;

/// What it costs the host to keep a message that waits for the last part of another, in bytes, beside its own.
const ENTRY: usize = 40;

/// How far a connection's end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closing {
    /// Open.
    #[default]
    No,
    /// The client has sent a close frame, the host has not.
    Begun,
    /// The host has queued a close frame; nothing may follow it (RFC 6455 section 5.5.1).
    Sent,
    /// The connection is gone.
    Gone,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    limit: usize,
    policy: BacklogPolicy,
    pub(super) closing: Closing,
    /// What the client has not taken yet.
    waiting: VecDeque<Frame>,
    /// The newest pong, while the client takes nothing or has too much to take: of several only that one is sent, as in the host.
    pong: Option<Frame>,
    fragmented: Option<Fragmented>,
    /// Bytes that wait, in either place but for the pong.
    backlog: usize,
    /// Whether the client reads.
    reads: bool,
    /// Whether a callback of this client runs.
    held: bool,
    /// A message was refused since `has_drained` was last asked.
    refused: bool,
    above_half: bool,
    /// What the client has taken and the test has not.
    taken: Vec<Frame>,
    /// Pings and close frames that the client has taken and not answered.
    unanswered: VecDeque<Message>,
}

/// A message of which parts were sent and others will be.
#[derive(Debug)]
struct Fragmented {
    message: u64,
    /// Messages, and parts of others, that came after its first part.
    waiting: VecDeque<Order>,
}

#[derive(Debug)]
struct Order {
    /// The message in fragments that this is a part of.
    part_of: Option<u64>,
    frame: Frame,
}

impl Outgoing {
    pub(super) fn new(limit: usize, policy: BacklogPolicy) -> Self {
        Outgoing {
            limit,
            policy,
            closing: Closing::No,
            waiting: VecDeque::new(),
            pong: None,
            fragmented: None,
            backlog: 0,
            reads: true,
            held: false,
            refused: false,
            above_half: false,
            taken: Vec::new(),
            unanswered: VecDeque::new(),
        }
    }

    /// Sends a whole message.
    pub(super) fn send(&mut self, message: Message) -> Sent {
        self.queue(Order { part_of: None, frame: Frame::whole(message) })
    }

    /// Sends a part of the message of this number.
    pub(super) fn send_part(&mut self, message: u64, frame: Frame) -> Sent {
        self.queue(Order { part_of: Some(message), frame })
    }

    /// Sends a ping or a pong ahead of data.
    pub(super) fn send_control(&mut self, message: Message) -> Sent {
        let is_pong = matches!(message, Message::Pong(_));
        if self.closing >= Closing::Sent {
            return Sent::Gone;
        }
        if !is_pong && self.cost() > self.limit {
            self.refused = true;
            return Sent::Backlogged;
        }
        if is_pong && (!self.reads || self.cost() > self.limit) {
            self.pong = Some(Frame::whole(message));
        } else {
            self.put_ahead(Frame::whole(message));
        }
        self.flush_unless_held();
        Sent::Sent
    }

    /// Sends a close frame behind what waits, or (`now`) in place of it. A message in fragments is cut off there.
    pub(super) fn close(&mut self, code: u16, reason: &str, now: bool) -> Sent {
        if self.closing >= Closing::Sent {
            return Sent::Gone;
        }
        self.closing = Closing::Sent;
        if now {
            self.waiting.clear();
        }
        self.fragmented = None;
        self.waiting.push_back(Frame::whole(Message::close(code, reason)));
        self.backlog = self.waiting.iter().map(Frame::len).sum();
        self.flush_unless_held();
        Sent::Sent
    }

    /// Drops whole messages that wait, but never the close frame. Returns the bytes dropped.
    pub(super) fn discard(&mut self) -> usize {
        if self.closing >= Closing::Sent {
            return 0;
        }
        let before = self.backlog;
        match &mut self.fragmented {
            None => {
                self.waiting.clear();
                self.backlog = 0;
            }
            // The client must get all of a message or none, so that what lies before its next part stays.
            Some(fragmented) => {
                fragmented.waiting.retain(|order| order.part_of.is_some());
                let kept = fragmented.waiting.iter().map(|order| order.frame.len());
                self.backlog = kept.chain(self.waiting.iter().map(Frame::len)).sum();
            }
        }
        before - self.backlog
    }

    /// Bytes that wait.
    pub(super) fn backlog(&self) -> usize {
        self.backlog
    }

    /// What counts for the limit.
    fn cost(&self) -> usize {
        self.backlog + self.fragmented.as_ref().map_or(0, |fragmented| fragmented.waiting.len() * ENTRY)
    }

    /// Bytes above which a message is refused.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A callback of this client begins, or has ended.
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
        self.flush_unless_held();
    }

    /// Whether the client reads from now on.
    pub(super) fn set_reads(&mut self, reads: bool) {
        self.reads = reads;
        self.flush_unless_held();
    }

    /// Has the client take what waits, if it reads.
    pub(super) fn flush(&mut self) {
        if !self.reads || self.closing == Closing::Gone {
            return;
        }
        if let Some(pong) = self.pong.take() {
            self.put_ahead(pong);
        }
        for frame in self.waiting.drain(..) {
            self.backlog -= frame.len();
            if matches!(frame.content, Message::Ping(_) | Message::Close { .. }) {
                self.unanswered.push_back(frame.content.clone());
            }
            self.taken.push(frame);
        }
    }

    /// Whether everything is with the client.
    pub(super) fn is_flushed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the backlog has fallen below half its limit, after it was above or a message was refused.
    pub(super) fn has_drained(&mut self, open: bool) -> bool {
        let above_half = self.cost() > self.limit / 2;
        self.above_half |= above_half | std::mem::take(&mut self.refused);
        let drained = self.above_half && !above_half && open;
        self.above_half &= !drained;
        drained
    }

    /// The client has sent its close frame.
    pub(super) fn note_close_received(&mut self) {
        self.closing = self.closing.max(Closing::Begun);
    }

    /// The connection is gone, and what waits with it.
    pub(super) fn end(&mut self) {
        self.closing = Closing::Gone;
        self.waiting.clear();
        self.pong = None;
        self.fragmented = None;
        self.backlog = 0;
        self.unanswered.clear();
    }

    /// What the client has got, by messages.
    pub(super) fn take_messages(&mut self) -> Vec<Message> {
        join(&mut self.taken)
    }

    /// What the client has got, frame by frame.
    pub(super) fn take_frames(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.taken)
    }

    /// Pings and close frames that the client has got since this was last asked.
    pub(super) fn take_unanswered(&mut self) -> VecDeque<Message> {
        std::mem::take(&mut self.unanswered)
    }

    fn queue(&mut self, order: Order) -> Sent {
        if self.closing >= Closing::Sent {
            return Sent::Gone;
        }
        if self.cost() > self.limit {
            self.refused = true;
            // A part that is missing leaves the message torn, whatever the policy.
            if self.policy == BacklogPolicy::Close || order.part_of.is_some() {
                self.close(close_code::POLICY, "too slow: the backlog is full", true);
            }
            return Sent::Backlogged;
        }
        self.backlog += order.frame.len();
        self.data(order);
        self.flush_unless_held();
        Sent::Sent
    }

    /// While a message is sent in parts, everything else waits for its last.
    fn data(&mut self, order: Order) {
        if let Some(fragmented) = &mut self.fragmented
            && order.part_of != Some(fragmented.message)
        {
            fragmented.waiting.push_back(order);
            return;
        }
        let last = order.frame.last;
        self.waiting.push_back(order.frame);
        match order.part_of {
            Some(message) if !last => {
                self.fragmented.get_or_insert_with(|| Fragmented { message, waiting: VecDeque::new() });
            }
            // Among what waited may be the parts of another message, which makes what follows them wait again.
            _ => {
                let waited = self.fragmented.take().map(|fragmented| fragmented.waiting).unwrap_or_default();
                waited.into_iter().for_each(|order| self.data(order));
            }
        }
    }

    /// Puts a ping or pong ahead of data, behind those that wait there already.
    fn put_ahead(&mut self, frame: Frame) {
        let ahead = |frame: &Frame| matches!(frame.content, Message::Ping(_) | Message::Pong(_));
        let place = self.waiting.iter().take_while(|frame| ahead(frame)).count();
        self.backlog += frame.len();
        self.waiting.insert(place, frame);
    }

    fn flush_unless_held(&mut self) {
        if !self.held {
            self.flush();
        }
    }
}
