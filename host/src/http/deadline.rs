//! By when HTTP must be over on a connection, or have come further.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A moment that can be put off while somebody waits for it. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    patience: Duration,
    at: Rc<Cell<Instant>>,
}

impl Deadline {
    /// So long from now.
    pub(super) fn new(patience: Duration) -> Self {
        Deadline { patience, at: Rc::new(Cell::new(Instant::now() + patience)) }
    }

    /// Puts it off: there was progress, and as much time begins anew.
    pub(super) fn put_off(&self) {
        self.at.set(Instant::now() + self.patience);
    }

    /// What comes of a future; `None` where the moment passed before.
    pub(super) async fn limit<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            let at = self.at.get();
            match timeout_at(at, future.as_mut()).await {
                Ok(done) => return Some(done),
                Err(_) if self.at.get() > at => {}
                Err(_) => return None,
            }
        }
    }
}
