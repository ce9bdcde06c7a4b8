//! How many calls of one engine have panicked, and waiting until that is too many.

use crate::clock;
use crate::lock::{Held, Lock};
use std::sync::Condvar;
use std::time::Instant;

/// Counts panics.
#[derive(Debug, Default)]
pub struct Panics {
    state: Lock<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    count: u32,
    /// The engine is gone: no more will come.
    over: bool,
}

impl Panics {
    /// A call has panicked.
    pub fn note(&self) {
        let mut state = self.lock();
        state.count = state.count.saturating_add(1);
        drop(state);
        self.changed.notify_all();
    }

    /// How many so far.
    pub fn count(&self) -> u32 {
        self.lock().count
    }

    /// No more will come.
    pub fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Waits until there are more than `most`. Returns how many, or `None` where `until` or the engine's end came first.
    pub fn wait_for_more_than(&self, most: u32, until: Instant) -> Option<u32> {
        let mut state = self.lock();
        while state.count <= most {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() || state.over {
                return None;
            }
            state = state.wait_timeout(&self.changed, left).0;
        }
        Some(state.count)
    }

    fn lock(&self) -> Held<'_, State> {
        self.state.hold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn waits_for_one_too_many_or_for_the_end() {
        let panics = Arc::<Panics>::default();
        let wait = |most| {
            let panics = Arc::clone(&panics);
            thread::spawn(move || panics.wait_for_more_than(most, Instant::now() + Duration::from_secs(60)))
        };
        let (waiting, patient) = (wait(1), wait(5));
        panics.note();
        assert_eq!(panics.wait_for_more_than(1, Instant::now()), None);
        panics.note();
        assert_eq!(waiting.join().unwrap(), Some(2));
        panics.end();
        assert_eq!(patient.join().unwrap(), None);
        assert_eq!(panics.count(), 2);
    }
}
