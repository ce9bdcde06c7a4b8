//! How much work of an engine is under way outside of its callbacks: jobs, runs of timers, undelivered events; and the
//! last callbacks of clients that have gone.
//!
//! A swap waits until nothing is under way. First, while everyone goes on, it waits until all present work has ended,
//! which may take long. Work that has begun since then is most likely short.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::time::timeout_at;

/// Counts the work under way.
#[derive(Debug, Default)]
pub struct Activity {
    /// Two counts in one number, so that both are read at the same time: the lower half counts work that began in even
    /// epochs, the upper half work that began in odd ones.
    counts: AtomicU64,
    epoch: AtomicU32,
    /// Notified when one of the counts has become zero.
    idle: Notify,
}

/// One piece of work, which is under way until this is dropped.
#[derive(Debug)]
pub struct Busy {
    activity: Arc<Activity>,
    odd: bool,
}

impl Activity {
    /// Counts a piece of work that begins.
    pub fn begin(self: &Arc<Self>) -> Busy {
        let odd = self.epoch.load(Ordering::Relaxed) & 1 == 1;
        self.counts.fetch_add(one(odd), Ordering::AcqRel);
        Busy { activity: Arc::clone(self), odd }
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.counts.load(Ordering::Acquire) == 0
    }

    /// Waits until nothing is under way, but not beyond `until`. Returns whether that is so.
    pub async fn wait_until_idle(&self, until: Instant) -> bool {
        self.wait(until, |counts| counts == 0).await
    }

    /// Waits until all present work has ended, whatever begins meanwhile, but not beyond `until`. Returns whether that
    /// is so.
    pub(crate) async fn wait_for_present(&self, until: Instant) -> bool {
        let odd = self.epoch.load(Ordering::Relaxed) & 1 == 1;
        let ended = |odd: bool| move |counts: u64| count(counts, odd) == 0;
        // The other count may hold work that an earlier wait has given up on.
        if !self.wait(until, ended(!odd)).await {
            return false;
        }
        self.epoch.fetch_add(1, Ordering::Relaxed);
        self.wait(until, ended(odd)).await
    }

    async fn wait(&self, until: Instant, is_over: impl Fn(u64) -> bool) -> bool {
        let over = async {
            loop {
                // Enable this before looking at the counts, so that a notification in between is not lost.
                let mut notified = pin!(self.idle.notified());
                notified.as_mut().enable();
                if is_over(self.counts.load(Ordering::Acquire)) {
                    return;
                }
                notified.await;
            }
        };
        timeout_at(until.into(), over).await.is_ok()
    }
}

/// The number that one piece of work adds to the counts.
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
            self.activity.idle.notify_waiters();
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

    #[tokio::test]
    async fn waits_for_the_last_piece_of_work() {
        let activity = Arc::<Activity>::default();
        let (one, other) = (activity.begin(), activity.begin());
        assert!(!activity.wait_until_idle(Instant::now()).await);
        drop(one);
        assert!(!activity.wait_until_idle(Instant::now()).await);
        let (idle, ()) = tokio::join!(activity.wait_until_idle(later()), async move { drop(other) });
        assert!(idle);
    }

    #[tokio::test]
    async fn work_that_ends_on_another_thread_is_heard_of() {
        let activity = Arc::<Activity>::default();
        for _ in 0..1000 {
            let work = activity.begin();
            let ending = std::thread::spawn(move || drop(work));
            assert!(activity.wait_until_idle(later()).await);
            ending.join().unwrap();
        }
    }

    #[tokio::test]
    async fn what_begins_later_is_not_waited_for_where_the_present_is() {
        let activity = Arc::<Activity>::default();
        let first = activity.begin();
        assert!(!activity.wait_for_present(Instant::now()).await);
        // The first piece of work, which this wait gives up on, belongs to the previous epoch now.
        let second = activity.begin();
        assert!(!activity.wait_for_present(Instant::now()).await);
        drop(first);
        let waiting = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.wait_for_present(later()).await }
        });
        while activity.epoch.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        let third = activity.begin();
        drop(second);
        assert!(waiting.await.unwrap());
        assert!(!activity.wait_until_idle(Instant::now()).await);
        drop(third);
        assert!(activity.wait_until_idle(later()).await);
    }
}
