//! Counts how many calls of one engine have panicked, and waits until there are too many.

use std::time::Instant;
use tokio::sync::watch;
use tokio::time::timeout_at;

/// Counts panics.
#[derive(Debug, Default)]
pub(crate) struct Panics(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    count: u32,
    /// The engine is gone, so no more panics will come.
    over: bool,
}

impl Panics {
    /// Counts a panic.
    pub(crate) fn note(&self) {
        self.0.send_modify(|state| state.count = state.count.saturating_add(1));
    }

    /// The number of panics so far.
    pub(crate) fn count(&self) -> u32 {
        self.0.borrow().count
    }

    /// Notes that no more will come.
    pub(crate) fn end(&self) {
        self.0.send_modify(|state| state.over = true);
    }

    /// Waits until there are more than `most`. Returns how many, or `None` if `until` or the engine's end came first.
    pub(crate) async fn wait_for_more_than(&self, most: u32, until: Instant) -> Option<u32> {
        let mut state = self.0.subscribe();
        let waited = timeout_at(until.into(), state.wait_for(|state| state.count > most || state.over)).await;
        let count = waited.ok()?.ok()?.count;
        (count > most).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn waits_for_one_too_many_or_for_the_end() {
        let panics = Panics::default();
        let later = Instant::now() + Duration::from_secs(60);
        panics.note();
        assert_eq!(panics.wait_for_more_than(1, Instant::now()).await, None);
        let (waited, ()) = tokio::join!(panics.wait_for_more_than(1, later), async { panics.note() });
        assert_eq!(waited, Some(2));
        let (waited, ()) = tokio::join!(panics.wait_for_more_than(5, later), async { panics.end() });
        assert_eq!((waited, panics.count()), (None, 2));
    }
}
