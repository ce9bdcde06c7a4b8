//! Lanes: jobs that run one at a time and in order.

use crate::jobs::Work;
use crate::lock::Lock;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

/// The jobs of one lane that may wait before its owner must stop submitting.
pub const LANE_LIMIT: usize = 64;

/// An ordered queue of jobs, which belong to one connection.
#[derive(Default)]
pub struct Lane {
    queue: Lock<LaneQueue>,
    /// Jobs that wait or run.
    pending: AtomicUsize,
    /// Whether the owner waits for room.
    waits: AtomicBool,
    owner: Lock<Option<Waker>>,
}

#[derive(Default)]
struct LaneQueue {
    work: VecDeque<Work>,
    /// Whether the lane is among the ready ones, or a worker works on it.
    scheduled: bool,
}

impl Lane {
    /// Whether the owner must stop submitting for now. It is woken when there is room again.
    pub fn is_full(&self, owner: &Waker) -> bool {
        if self.pending.load(Ordering::Acquire) < LANE_LIMIT {
            return false;
        }
        *self.owner.hold() = Some(owner.clone());
        self.waits.store(true, Ordering::SeqCst);
        // A job that ended between the two looks has not seen that the owner waits.
        self.pending.load(Ordering::SeqCst) >= LANE_LIMIT
    }

    /// Adds work. Returns whether nobody works on the lane, so that it must join the ready ones.
    pub(super) fn add(&self, work: Work) -> bool {
        self.pending.fetch_add(1, Ordering::AcqRel);
        let mut queue = self.queue.hold();
        queue.work.push_back(work);
        !std::mem::replace(&mut queue.scheduled, true)
    }

    pub(super) fn take(&self) -> Option<Work> {
        self.queue.hold().work.pop_front()
    }

    /// Drops all work that is queued now.
    pub(super) fn clear(&self) {
        let work = std::mem::take(&mut self.queue.hold().work);
        // Dropping runs the code of others, so do not hold the lock.
        drop(work);
    }

    pub(super) fn finished_one(&self) {
        let left = self.pending.fetch_sub(1, Ordering::SeqCst) - 1;
        if left <= LANE_LIMIT / 2
            && self.waits.swap(false, Ordering::SeqCst)
            && let Some(owner) = self.owner.hold().take()
        {
            owner.wake();
        }
    }

    /// Whether it has more work. If not, it leaves the ready lanes.
    pub(super) fn stays_scheduled(&self) -> bool {
        let mut queue = self.queue.hold();
        queue.scheduled = !queue.work.is_empty();
        queue.scheduled
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lane({} pending)", self.pending.load(Ordering::Relaxed))
    }
}
