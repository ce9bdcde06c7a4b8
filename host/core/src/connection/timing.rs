//! Deadlines: of the end, of a message, of an idle client, of an idle compressor.
//!
//! They are set and judged in the time of the loop's wheel, which stands still while the loop is away. A peer is judged
//! only after its socket was found empty, since the awaited bytes may lie there. While we choose not to read from a
//! peer, its time stands still as well.

use super::stage::{Input, Stage};
use super::swapping::Swap;
use super::{Connection, Shared};
use crate::client::epoch;
use crate::clock;
use crate::connection::wire::Wire;
use crate::engine::keepalive::Idle;
use crate::loops::deadlines::TICK;
use std::task::Context;
use std::time::{Duration, Instant};

/// The time from our close frame to the end of TCP, whatever the peer does. If a peer never pauses, its socket is never
/// found empty; such a peer gets as much time again.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

impl<S: Wire> Connection<S> {
    /// The current time for deadlines.
    pub(super) fn time(&self) -> Instant {
        self.shared.deadlines.borrow().time(clock::now())
    }

    /// Handles the deadlines that do not depend on the peer's input.
    pub(super) fn meet_deadlines(&mut self, shared: &Shared) {
        if let Some(deflater) = self.batch.as_mut().and_then(|batch| batch.deflater.as_mut())
            && deflater.handle_timeout(shared.deadlines.borrow().now())
        {
            tracing::debug!(peer = self.client.peer(), "idle: its compressor is given back");
        }
        if self.batch.as_ref().is_some_and(|batch| batch.unread_since.is_none())
            && self.close_deadline.is_some_and(|deadline| deadline + CLOSE_DEADLINE <= self.time())
        {
            self.stage = Stage::Over;
        }
    }

    /// Call this when the socket has been read empty. Handles everything that is due. Returns whether anything was.
    pub(super) fn judge(&mut self) -> bool {
        let deadlines = [self.close_deadline, self.message_deadline(), self.next_idle_check];
        let Some(first) = deadlines.into_iter().flatten().min() else { return false };
        if self.shared.deadlines.borrow().now() < first {
            return false;
        }
        let now = self.time();
        if now < first || (self.stage != Stage::Flushing(Input::Nothing) && self.stream.has_input()) {
            return false;
        }
        if self.close_deadline.is_some_and(|deadline| deadline <= now) {
            self.stage = Stage::Over;
            return true;
        }
        if self.stage == Stage::Open
            && let Err(fault) = self.receiver.handle_timeout(now)
        {
            self.peer_fault(&fault);
            return true;
        }
        self.next_idle_check.is_some_and(|check| check <= now) && self.meet_idle_check(self.idle())
    }

    /// When the message in progress must be complete, as long as it matters.
    fn message_deadline(&self) -> Option<Instant> {
        self.receiver.deadline().filter(|_| self.stage == Stage::Open)
    }

    /// Notes that nothing is read now. Unless the input is over, the peer's time stands still until reading begins
    /// again. The peer is pinged meanwhile, because of proxies that end connections without traffic. Returns whether
    /// anything was done.
    pub(super) fn leave_unread(&mut self) -> bool {
        if self.stage == Stage::Flushing(Input::Nothing) {
            return self.judge();
        }
        let now = self.time();
        if let Some(batch) = &mut self.batch {
            batch.unread_since.get_or_insert(now);
        }
        let may_ping = self.swap == Swap::None && self.stage == Stage::Open;
        if !may_ping || self.next_idle_check.is_none_or(|check| now < check) {
            return false;
        }
        // No pong is missing as long as nothing is read.
        let idle = self.idle().map(|_| Idle::PingDue);
        self.meet_idle_check(idle)
    }

    /// Notes that reading begins again. The peer gets back the time in which nothing was read.
    #[inline]
    pub(super) fn read_again(&mut self) {
        if let Some(since) = self.batch.as_mut().and_then(|batch| batch.unread_since.take()) {
            self.give_back_time(since);
        }
    }

    fn give_back_time(&mut self, since: Instant) {
        let now = self.time();
        let unread = now.saturating_duration_since(since);
        let put_off = |deadline: Option<Instant>| deadline.and_then(|deadline| deadline.checked_add(unread));
        self.receiver.put_off(unread);
        if let Some(unanswered) = &mut self.unanswered {
            unanswered.put_off(unread);
        }
        self.close_deadline = put_off(self.close_deadline);
        if let Some(patience) = self.awaits_pong() {
            // It may have been pinged meanwhile, but it gets no more than the full time for a pong.
            let all = now.checked_add(patience);
            self.next_idle_check = put_off(self.next_idle_check).into_iter().chain(all).min();
        }
    }

    /// For how long a pong is awaited, if the peer was pinged and is closed without one. Otherwise, the next check is
    /// for a ping.
    fn awaits_pong(&self) -> Option<Duration> {
        self.instance.keepalive().close_after_no_pong.filter(|_| self.client.is_pinged())
    }

    /// Notes that bytes came, at this time by the clock.
    #[inline]
    pub(super) fn note_life(&mut self, now: Instant) {
        let was_pinged = self.client.is_pinged();
        self.client.touch(now);
        if was_pinged {
            // The next ping is due after another full silence, not when the pong would have been missed.
            self.plan_idle_check();
        }
    }

    /// Keepalive: lets the engine ping an idle client, or close it, or plans the next check if the client has sent
    /// something since this one was planned. Returns whether it is idle.
    fn meet_idle_check(&mut self, idle: Option<Idle>) -> bool {
        match idle {
            Some(idle) => self.on_idle(idle),
            None => self.plan_idle_check(),
        }
        idle.is_some()
    }

    /// Why the engine is to be told that the client is idle, if it is.
    fn idle(&self) -> Option<Idle> {
        let keepalive = self.instance.keepalive();
        keepalive.check(clock::since(epoch()), self.client.last_active(), self.client.pinged())
    }

    fn on_idle(&mut self, idle: Idle) {
        if idle == Idle::PingDue && self.cost() > self.client.outbox().limit() {
            // There is no room for a ping, and without one no pong is missing. It is due again once there is room.
            let later = self.instance.keepalive().ping_after;
            self.next_idle_check = later.and_then(|later| self.time().checked_add(later));
            return;
        }
        self.client.note_pinged(clock::now());
        self.with_batch(|connection| {
            connection.callback(|session, client| session.on_idle(client, idle));
        });
        // The ping leaves now, and not before: the engine may have taken long.
        self.client.note_pinged(clock::now());
        self.plan_idle_check();
    }

    /// Notes that the backlog has room again. A ping that found none may be due.
    pub(super) fn note_room(&mut self) {
        if self.awaits_pong().is_none() {
            self.plan_idle_check();
        }
    }

    pub(super) fn plan_idle_check(&mut self) {
        let next = self.instance.keepalive().next_check(self.client.last_active(), self.client.pinged());
        let left = next.map(|next| next.saturating_sub(clock::since(epoch())));
        self.next_idle_check = left.and_then(|left| self.time().checked_add(left));
    }

    /// Starts the clock with the first close frame of either side.
    pub(super) fn start_close_deadline(&mut self) {
        let Some(batch) = &self.batch else { return };
        if self.close_deadline.is_none() && (batch.close_written || self.stage != Stage::Open) {
            // Time that was not counted before must not be added to this deadline.
            self.read_again();
            self.close_deadline = Some(self.time() + CLOSE_DEADLINE);
        }
    }

    /// Makes the wheel wake us at the next deadline, unless it does so earlier anyway.
    pub(super) fn arm(&mut self, cx: &Context<'_>, shared: &Shared) {
        let mut wheel = shared.deadlines.borrow_mut();
        let deflater = self.batch.as_mut().and_then(|batch| batch.deflater.as_mut());
        let idle_compressor = deflater.and_then(|deflater| deflater.deadline(wheel.now()));
        let deadlines = match self.batch.as_ref().and_then(|batch| batch.unread_since) {
            // There are only pings, and none during a swap.
            Some(_) => [self.next_idle_check.filter(|_| self.swap == Swap::None), idle_compressor, None, None],
            None => [self.close_deadline, self.message_deadline(), self.next_idle_check, idle_compressor],
        };
        let Some(next) = deadlines.into_iter().flatten().min() else { return };
        if let Some(alarm) = self.alarm {
            let wakes = wheel.time_of(alarm);
            if wheel.now() <= wakes && wakes <= next + TICK {
                return;
            }
            wheel.cancel(alarm);
        }
        self.alarm = Some(wheel.wake_at(next, cx.waker()));
    }

    /// Cancels the alarm.
    pub(super) fn disarm(&mut self, shared: &Shared) {
        if let Some(alarm) = self.alarm.take() {
            shared.deadlines.borrow_mut().cancel(alarm);
        }
    }
}
