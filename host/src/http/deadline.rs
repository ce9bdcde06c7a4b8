//! By when HTTP must be over on a connection, or have come further.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use wshost_core::loops::deadlines::{TICK, away};

/// A moment that can be put off while somebody waits for it. Clones share it.
///
/// Time in which the event loop was away does not count: nothing was read in it. What came meanwhile is read first.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    patience: Duration,
    at: Rc<Cell<Instant>>,
    /// For how long the loop had been away when `at` was set.
    away: Rc<Cell<Duration>>,
}

impl Deadline {
    /// So long from now.
    pub(super) fn new(patience: Duration) -> Self {
        let deadline = Deadline { patience, at: Rc::new(Cell::new(Instant::now())), away: Rc::default() };
        deadline.put_off();
        deadline
    }

    /// Puts it off: there was progress, and as much time begins anew.
    pub(super) fn put_off(&self) {
        self.at.set(Instant::now() + self.patience);
        self.away.set(away());
    }

    /// What comes of a future; `None` where the moment passed before.
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

    /// Puts off a moment that has come by as much as the loop was away. Returns whether it was.
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
            // What came is read in a later turn than the one in which the moment has passed.
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
