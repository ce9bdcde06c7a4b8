//! Deadlines: of the end, of a message, of an idle client, of an idle compressor.

use super::swapping::Swap;
use super::{Connection, Shared, Stage};
use crate::client::epoch;
use crate::deadlines::TICK;
use crate::wire::Wire;
use std::task::Context;
use std::time::{Duration, Instant};

/// From our close frame to the end of TCP, whatever the peer does.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

impl<S: Wire> Connection<S> {
    pub(super) fn meet_deadlines(&mut self, shared: &Shared) {
        if self.swap == Swap::None && self.next_idle_check.is_some_and(|check| check <= shared.deadlines.borrow().now())
        {
            self.check_idle();
        }
        if let Some(deflater) = self.batch.as_mut().and_then(|batch| batch.deflater.as_mut())
            && deflater.handle_timeout(shared.deadlines.borrow().now())
        {
            tracing::debug!(peer = self.client.peer(), "idle: its compressor is given back");
        }
        if self.close_deadline.is_none() && self.receiver.deadline().is_none() {
            return;
        }
        let now = Instant::now();
        if self.close_deadline.is_some_and(|deadline| deadline <= now) {
            self.stage = Stage::Over;
        } else if self.unanswered.is_none()
            && let Err(fault) = self.receiver.handle_timeout(now)
        {
            self.peer_fault(&fault);
        }
    }

    /// Keepalive: has the engine ping a client that is idle, or close it.
    pub(super) fn check_idle(&mut self) {
        let (now, client) = (Instant::now(), &self.client);
        let keepalive = self.instance.keepalive();
        if let Some(idle) = keepalive.check(now.duration_since(epoch()), client.last_active(), client.pinged()) {
            client.note_pinged(now);
            self.with_batch(|connection| {
                connection.callback(|instance, client, session| instance.on_idle(client, session, idle));
            });
        }
        self.plan_idle_check();
    }

    pub(super) fn plan_idle_check(&mut self) {
        let next = self.instance.keepalive().next_check(self.client.last_active(), self.client.pinged());
        self.next_idle_check = next.and_then(|next| epoch().checked_add(next));
    }

    /// Whichever close frame comes first starts the clock.
    pub(super) fn start_close_deadline(&mut self) {
        let Some(batch) = &self.batch else { return };
        if self.close_deadline.is_none() && (batch.close_written || self.stage != Stage::Open) {
            self.close_deadline = Some(Instant::now() + CLOSE_DEADLINE);
        }
    }

    /// Has the wheel wake us at the next deadline, unless it will do so before.
    pub(super) fn arm(&mut self, cx: &Context<'_>, shared: &Shared) {
        let mut wheel = shared.deadlines.borrow_mut();
        let deflater = self.batch.as_mut().and_then(|batch| batch.deflater.as_mut());
        let idle_compressor = deflater.and_then(|deflater| deflater.deadline(wheel.now()));
        let deadlines = [self.close_deadline, self.receiver.deadline(), self.next_idle_check, idle_compressor];
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

    /// Needs no waking any more.
    pub(super) fn disarm(&mut self, shared: &Shared) {
        if let Some(alarm) = self.alarm.take() {
            shared.deadlines.borrow_mut().cancel(alarm);
        }
    }
}
