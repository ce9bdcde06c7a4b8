//! The queue between those who log and the one who writes: bounded, and never waited for.

use super::limits::{KindLimits, LeftOut};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that may wait.
const MOST_LINES: usize = 8192;
/// Their bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Lines that nobody will read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// For which there was no room: nobody took those before them.
    pub dropped: u64,
    /// That could not be written.
    pub unwritten: u64,
}

impl Lost {
    /// All of them.
    pub(crate) fn sum(self) -> u64 {
        self.dropped + self.unwritten
    }
}

/// Lines on their way.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write, or it was asked for what has been left out.
    filled: Condvar,
    /// All has been written.
    empty: Condvar,
    dropped: AtomicU64,
    unwritten: AtomicU64,
    /// Lines that are not written yet, for who must not take the lock.
    waiting: AtomicUsize,
    /// Whether somebody waits until all is written: then nothing is kept back.
    flushing: AtomicBool,
    /// Whether the writer knows that something was left out.
    remembered: AtomicBool,
}

#[derive(Debug)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    limits: KindLimits,
    /// Whether the writer is at work: on a line that it has taken, or on what was lost or left out.
    writing: bool,
}

impl Queue {
    pub(super) const fn new() -> Queue {
        Queue {
            state: Mutex::new(State { lines: VecDeque::new(), bytes: 0, limits: KindLimits::new(), writing: false }),
            filled: Condvar::new(),
            empty: Condvar::new(),
            dropped: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            flushing: AtomicBool::new(false),
            remembered: AtomicBool::new(false),
        }
    }

    /// Asks the limits, or tells them something.
    pub(super) fn with_limits<R>(&self, ask: impl FnOnce(&mut KindLimits) -> R) -> R {
        ask(&mut self.state().limits)
    }

    /// Has the writer wake up later, since something was left out.
    pub(super) fn remember(&self) {
        if !self.remembered.swap(true, Ordering::Relaxed) {
            self.filled.notify_one();
        }
    }

    /// What was left out and is to be told of now.
    pub(super) fn left_out(&self, now: Instant) -> Vec<LeftOut> {
        let all = self.is_flushing();
        let mut state = self.state();
        let told = state.limits.left_out(now, all);
        self.remembered.store(state.limits.untold, Ordering::Relaxed);
        told
    }

    /// Queues a line, unless there is no room.
    pub(super) fn push(&self, line: String) {
        let state = self.state();
        if state.lines.len() >= MOST_LINES || state.bytes + line.len() > MOST_BYTES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.add(state, line);
    }

    /// Queues a line in any case: the one that says why the process ends.
    pub(super) fn push_last(&self, line: String) {
        self.add(self.state(), line);
    }

    fn add(&self, mut state: MutexGuard<'_, State>, line: String) {
        state.bytes += line.len();
        state.lines.push_back(line);
        self.waiting.store(state.lines.len() + usize::from(state.writing), Ordering::Relaxed);
        // The writer waits with nothing to do, or comes back by itself.
        let sleeps = state.lines.len() == 1 && !state.writing;
        drop(state);
        if sleeps {
            self.filled.notify_one();
        }
    }

    /// The next line, for the writer; `None` when there is none, but perhaps something to tell. `in_debt`: there is
    /// something to tell, to be tried again after `patience`.
    pub(super) fn next(&self, in_debt: bool, patience: Duration) -> Option<String> {
        let mut state = self.state();
        state.writing = false;
        self.waiting.store(state.lines.len(), Ordering::Relaxed);
        if state.lines.is_empty() {
            let untold = state.limits.untold;
            if self.is_flushing() && untold {
                state.writing = true;
                return None;
            }
            self.empty.notify_all();
            state = if in_debt || untold {
                self.filled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.filled.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
        // Without a line, too: there may be something to tell.
        state.writing = true;
        let line = state.lines.pop_front()?;
        state.bytes -= line.len();
        Some(line)
    }

    /// A line could not be written.
    pub(super) fn note_unwritten(&self) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self) -> Lost {
        Lost { dropped: self.dropped.load(Ordering::Relaxed), unwritten: self.unwritten.load(Ordering::Relaxed) }
    }

    /// Whether somebody waits for the end of it.
    pub(super) fn is_flushing(&self) -> bool {
        self.flushing.load(Ordering::Relaxed)
    }

    /// Lines that are not written yet. Takes no lock.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits until every line is written and what was left out is told, at most for so long. Returns whether it is so.
    pub(super) fn wait_until_written(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        self.flushing.store(true, Ordering::Relaxed);
        let mut state = self.state();
        let is_written = loop {
            if state.lines.is_empty() && !state.writing && !state.limits.untold {
                break true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            self.filled.notify_one();
            state = self.empty.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        self.flushing.store(false, Ordering::Relaxed);
        is_written
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let queue = Queue::new();
        (0..MOST_LINES + 3).for_each(|number| queue.push(number.to_string()));
        assert_eq!(queue.lost(), Lost { dropped: 3, unwritten: 0 });
        assert_eq!(queue.next(true, Duration::ZERO).unwrap(), "0", "the first are kept: they have the cause");
        queue.push("there is room again".into());
        assert_eq!(queue.lost().dropped, 3);
    }

    #[test]
    fn the_last_line_finds_room_in_any_case() {
        let queue = Queue::new();
        (0..MOST_LINES).for_each(|_| queue.push(String::new()));
        queue.push_last("why it ends".into());
        assert_eq!(queue.lost(), Lost::default());
        assert_eq!((0..=MOST_LINES).map_while(|_| queue.next(true, Duration::ZERO)).last().unwrap(), "why it ends");
    }

    #[test]
    fn large_lines_count_by_their_bytes() {
        let queue = Queue::new();
        let line = "x".repeat(MOST_BYTES / 4);
        (0..6).for_each(|_| queue.push(line.clone()));
        assert_eq!(queue.lost().dropped, 2);
        assert!((0..4).all(|_| queue.next(true, Duration::ZERO).is_some_and(|taken| taken == line)));
        assert_eq!(queue.next(true, Duration::ZERO), None);
    }

    #[test]
    fn waiting_for_a_writer_that_does_not_come_has_an_end() {
        let queue = Queue::new();
        queue.push("nobody writes this".into());
        let began = Instant::now();
        assert!(!queue.wait_until_written(Duration::from_millis(20)));
        assert!(began.elapsed() >= Duration::from_millis(20));
        assert_eq!(queue.waiting(), 1);
    }
}
