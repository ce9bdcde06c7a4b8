//! How much of an engine's work is under way outside of its callbacks: jobs, runs of timers, undelivered events; and
//! the last callbacks of clients that have gone.
//!
//! A swap waits until nothing is. Before it makes anybody wait for that, it waits until all that is under way now has
//! ended, which may take long; what has begun since then is most likely short.

use crate::clock;
use crate::lock::{Held, Lock};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar};
use std::time::Instant;

/// Counts what is under way.
#[derive(Debug, Default)]
pub struct Activity {
    /// Two counts in one number, so that they are seen at the same time: of work that began in even epochs, the lower half,
    /// and in odd ones.
    counts: AtomicU64,
    epoch: AtomicU32,
    lock: Lock<()>,
    /// One of the counts has come down to zero.
    idle: Condvar,
}

/// One piece of work that is under way, until this is dropped.
#[derive(Debug)]
pub struct Busy {
    activity: Arc<Activity>,
    odd: bool,
}

impl Activity {
    /// Work begins.
    pub fn begin(self: &Arc<Self>) -> Busy {
        let odd = self.epoch.load(Ordering::Relaxed) & 1 == 1;
        self.counts.fetch_add(one(odd), Ordering::AcqRel);
        Busy { activity: Arc::clone(self), odd }
    }

    /// Waits until nothing is under way. Returns whether that was so when `until` came.
    pub fn wait_until_idle(&self, until: Instant) -> bool {
        self.wait(self.lock(), until, |counts| counts == 0).is_some()
    }

    /// Waits until all that is under way now has ended, whatever begins meanwhile. Returns whether that was so when `until`
    /// came.
    pub fn wait_for_present(&self, until: Instant) -> bool {
        let odd = self.epoch.load(Ordering::Relaxed) & 1 == 1;
        let ended = |odd: bool| move |counts: u64| count(counts, odd) == 0;
        // What an earlier wait has given up on is in the other count.
        let Some(guard) = self.wait(self.lock(), until, ended(!odd)) else { return false };
        self.epoch.fetch_add(1, Ordering::Relaxed);
        self.wait(guard, until, ended(odd)).is_some()
    }

    fn wait<'g>(
        &'g self,
        mut guard: Held<'g, ()>,
        until: Instant,
        is_over: impl Fn(u64) -> bool,
    ) -> Option<Held<'g, ()>> {
        while !is_over(self.counts.load(Ordering::Acquire)) {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return None;
            }
            guard = guard.wait_timeout(&self.idle, left).0;
        }
        Some(guard)
    }

    fn lock(&self) -> Held<'_, ()> {
        self.lock.hold()
    }
}

/// What a piece of work adds to the counts.
fn one(odd: bool) -> u64 {
    if odd { 1 << 32 } else { 1 }
}

fn count(counts: u64, odd: bool) -> u64 {
    if odd { counts >> 32 } else { counts & u64::from(u32::MAX) }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let before = self.activity.counts.fetch_sub(one(self.odd), Ordering::AcqRel);
        if count(before, self.odd) == 1 {
            // Under the lock, so that nobody is between looking and waiting.
            let _guard = self.activity.lock();
            self.activity.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn waits_for_the_last_piece_of_work() {
        let activity = Arc::<Activity>::default();
        let (one, other) = (activity.begin(), activity.begin());
        assert!(!activity.wait_until_idle(Instant::now()));
        drop(one);
        assert!(!activity.wait_until_idle(Instant::now()));
        let waiting = std::thread::spawn({
            let activity = Arc::clone(&activity);
            move || activity.wait_until_idle(later())
        });
        drop(other);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn what_begins_later_is_not_waited_for_where_the_present_is() {
        let activity = Arc::<Activity>::default();
        let first = activity.begin();
        assert!(!activity.wait_for_present(Instant::now()));
        // That has given up on the first, which is of the epoch before now.
        let second = activity.begin();
        assert!(!activity.wait_for_present(Instant::now()));
        drop(first);
        let waiting = std::thread::spawn({
            let activity = Arc::clone(&activity);
            move || activity.wait_for_present(later())
        });
        while activity.epoch.load(Ordering::Relaxed) < 2 {
            std::thread::yield_now();
        }
        let third = activity.begin();
        drop(second);
        assert!(waiting.join().unwrap());
        assert!(!activity.wait_until_idle(Instant::now()));
        drop(third);
        assert!(activity.wait_until_idle(later()));
    }
}
