//! `--prefer-read`: writes wait until their event loop has nothing else to do, but no longer than a given time.
//!
//! In a spike, reads and accepts then go first, and a connection writes its output at once rather than in pieces.
//! Replies are a little later for it.

use crate::clock;
use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::{Duration, Instant};

thread_local! {
    /// The connections of this thread's loop that have something to write.
    static WAITING: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    /// Counts how often the waiting connections were told to write.
    static ROUND: Cell<u64> = const { Cell::new(0) };
    static ROUND_BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Uses the calling thread's thread-locals, see [`crate::touch_thread_locals`].
pub fn touch() {
    WAITING.with(|_| ());
}

/// One connection's place among the waiting ones.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    waits_since: Option<u64>,
}

impl Turn {
    /// Whether the connection may write now. If not, it is woken when it may.
    pub(crate) fn has_come(&mut self, longest: Duration, waker: &Waker) -> bool {
        match self.waits_since {
            Some(round) if round != ROUND.get() => {
                self.waits_since = None;
                true
            }
            Some(_) => false,
            None => {
                self.waits_since = Some(ROUND.get());
                wait(longest, waker);
                false
            }
        }
    }
}

fn wait(longest: Duration, waker: &Waker) {
    WAITING.with_borrow_mut(|waiting| waiting.push(waker.clone()));
    let now = clock::now();
    let began = ROUND_BEGAN.get().unwrap_or(now);
    ROUND_BEGAN.set(Some(began));
    // While the loop is busy, connections keep coming here to wait, so one of them always checks the clock. If none
    // comes, the loop is idle.
    if now.duration_since(began) >= longest {
        write_now();
    }
}

/// Lets all waiting connections write, since the loop is idle or has been busy for long enough. Returns whether any
/// waited.
pub fn write_now() -> bool {
    ROUND_BEGAN.set(None);
    let waiting = WAITING.take();
    if waiting.is_empty() {
        return false;
    }
    ROUND.set(ROUND.get() + 1);
    waiting.into_iter().for_each(Waker::wake);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn writes_wait_until_the_loop_is_idle() {
        let (mut one, mut other) = (Turn::default(), Turn::default());
        assert!(!one.has_come(LONG, Waker::noop()) && !other.has_come(LONG, Waker::noop()));
        assert!(!one.has_come(LONG, Waker::noop()));
        write_now();
        assert!(one.has_come(LONG, Waker::noop()) && other.has_come(LONG, Waker::noop()));
        assert!(!one.has_come(LONG, Waker::noop()));
    }

    #[test]
    fn writes_do_not_wait_longer_than_they_may() {
        let (mut one, mut other) = (Turn::default(), Turn::default());
        assert!(!one.has_come(LONG, Waker::noop()));
        assert!(!other.has_come(Duration::ZERO, Waker::noop()));
        assert!(one.has_come(LONG, Waker::noop()) && other.has_come(LONG, Waker::noop()));
    }
}
