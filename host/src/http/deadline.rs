//! The deadlines for HTTP on a connection.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wshost_core::loops::deadlines::{TICK, away};

/// A deadline that can be moved while somebody waits for it. Clones share it.
///
/// Time in which the event loop was away does not count, since nothing was read in it. Bytes that came meanwhile are
/// read first.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    patience: Duration,
    at: Rc<Cell<Instant>>,
    /// How long the loop had been away when `at` was set.
    away: Rc<Cell<Duration>>,
}

impl Deadline {
    /// A deadline after this time from now.
    pub(super) fn new(patience: Duration) -> Self {
        let deadline = Deadline { patience, at: Rc::new(Cell::new(Instant::now())), away: Rc::default() };
        deadline.put_off();
        deadline
    }

    /// Starts the time again, after progress.
    pub(super) fn put_off(&self) {
        self.at.set(Instant::now() + self.patience);
        self.away.set(away());
    }

    /// The result of a future; `None` if the deadline passed first.
    pub(super) async fn limit<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            let at = self.at.get();
            match timeout_at(at, future.as_mut()).await {
                Ok(done) => return Some(done),
                Err(_) if self.at.get() > at || self.forgive(at) => {}
                Err(_) => return None,
            }
        }
    }

    /// Moves a passed deadline by the time that the loop was away. Returns whether it was away.
    fn forgive(&self, at: Instant) -> bool {
        let (now, unread) = (Instant::now(), away().saturating_sub(self.away.replace(away())));
        let has_just_come_back = now.saturating_duration_since(at) > TICK;
        let soon = if has_just_come_back { now + TICK * 2 } else { at };
        self.at.set(soon.max(at + unread));
        self.at.get() > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::sleep;

    const PATIENCE: Duration = Duration::from_millis(50);

    /// FAULTS K2.
    #[tokio::test]
    async fn a_loop_that_comes_back_late_gives_what_came_meanwhile_a_chance() {
        let deadline = Deadline::new(PATIENCE);
        let blocks_then_comes = async {
            std::thread::sleep(PATIENCE + TICK * 2);
            // The bytes are read in a later turn than the one in which the deadline has passed.
            sleep(PATIENCE).await;
        };
        assert_eq!(deadline.limit(blocks_then_comes).await, Some(()));
        assert_eq!(deadline.limit(pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn it_passes_otherwise() {
        assert_eq!(Deadline::new(PATIENCE).limit(pending::<()>()).await, None);
    }
}
