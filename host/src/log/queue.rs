//! The queue between the threads that log and the thread that writes. It is limited, and nobody waits for it.

use super::limits::{KindLimits, LeftOut};
use crate::lock::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most lines that may wait.
const MOST_LINES: usize = 8192;
/// The most bytes that may wait.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The numbers of lost lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Lines that found no room, since nobody took those before them.
    pub dropped: u64,
    /// Lines that could not be written.
    pub unwritten: u64,
}

impl Lost {
    /// All lost lines.
    pub(crate) fn sum(self) -> u64 {
        self.dropped + self.unwritten
    }
}

/// Lines on their way to the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    /// There is something to write, or somebody asked for the left-out events.
    filled: Condvar,
    /// All has been written.
    empty: Condvar,
    dropped: AtomicU64,
    unwritten: AtomicU64,
    /// The number of unwritten lines, for callers that must not take the lock.
    waiting: AtomicUsize,
    /// Whether somebody waits until all is written, so that nothing may be kept back.
    flushing: AtomicBool,
    /// Whether the writer knows that something was left out.
    remembered: AtomicBool,
}

#[derive(Debug)]
struct QueueState {
    lines: VecDeque<String>,
    bytes: usize,
    limits: KindLimits,
    /// Whether the writer is at work on a line that it has taken, or on a report about lost or left-out lines.
    writing: bool,
}

impl Queue {
    pub(super) const fn new() -> Queue {
        Queue {
            state: Mutex::new(QueueState {
                lines: VecDeque::new(),
                bytes: 0,
                limits: KindLimits::new(),
                writing: false,
            }),
            filled: Condvar::new(),
            empty: Condvar::new(),
            dropped: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            flushing: AtomicBool::new(false),
            remembered: AtomicBool::new(false),
        }
    }

    /// Accesses the limits.
    pub(super) fn with_limits<R>(&self, ask: impl FnOnce(&mut KindLimits) -> R) -> R {
        ask(&mut self.state().limits)
    }

    /// Makes the writer wake up later, since something was left out.
    pub(super) fn remember(&self) {
        if !self.remembered.swap(true, Ordering::Relaxed) {
            self.filled.notify_one();
        }
    }

    /// The left-out events that the log must tell now.
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

    /// Queues a line even if there is no room. It is the line that says why the process ends.
    pub(super) fn push_last(&self, line: String) {
        self.add(self.state(), line);
    }

    fn add(&self, mut state: MutexGuard<'_, QueueState>, line: String) {
        state.bytes += line.len();
        state.lines.push_back(line);
        self.waiting.store(state.lines.len() + usize::from(state.writing), Ordering::Relaxed);
        // If it has more lines or is at work, the writer looks again by itself.
        let sleeps = state.lines.len() == 1 && !state.writing;
        drop(state);
        if sleeps {
            self.filled.notify_one();
        }
    }

    /// The next line, for the writer; `None` if there is none, but perhaps something to report. `in_debt` means that
    /// there is something to report, which should be tried again after `patience`.
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
        // This holds even without a line, since there may be something to report.
        state.writing = true;
        let line = state.lines.pop_front()?;
        state.bytes -= line.len();
        Some(line)
    }

    /// Notes that a line could not be written.
    pub(super) fn note_unwritten(&self) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self) -> Lost {
        Lost { dropped: self.dropped.load(Ordering::Relaxed), unwritten: self.unwritten.load(Ordering::Relaxed) }
    }

    /// Whether somebody waits until all is written.
    pub(super) fn is_flushing(&self) -> bool {
        self.flushing.load(Ordering::Relaxed)
    }

    /// The number of unwritten lines. It takes no lock.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits until every line is written and all left-out events are reported, for `at_most` this long. Returns whether
    /// they are.
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

    fn state(&self) -> MutexGuard<'_, QueueState> {
        lock(&self.state)
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
