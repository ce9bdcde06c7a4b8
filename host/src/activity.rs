//! How much of an engine's work is under way outside of its callbacks: jobs, runs of timers, undelivered events.
//!
//! A swap waits until nothing is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Counts what is under way.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    count: AtomicUsize,
    lock: Mutex<()>,
    idle: Condvar,
}

/// One piece of work that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Activity {
    /// Work begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.count.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    /// Waits until nothing is under way. Returns whether that was so when `until` came.
    pub(crate) fn wait_until_idle(&self, until: Instant) -> bool {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.count.load(Ordering::Acquire) > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            guard = self.idle.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Under the lock, so that nobody is between looking and waiting.
            let _guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn waits_for_the_last_piece_of_work() {
        let activity = Arc::<Activity>::default();
        let (one, other) = (activity.begin(), activity.begin());
        assert!(!activity.wait_until_idle(Instant::now()));
        drop(one);
        assert!(!activity.wait_until_idle(Instant::now()));
        let waiting = std::thread::spawn({
            let activity = Arc::clone(&activity);
            move || activity.wait_until_idle(Instant::now() + Duration::from_secs(60))
        });
        drop(other);
        assert!(waiting.join().unwrap());
    }
}
