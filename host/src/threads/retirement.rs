//! Drops the objects that an engine made, if its own callbacks do not.
//!
//! Dropping them runs the author's code, which may block for ever. So it happens on threads of its own: never on an
//! event loop, never under a lock, and never on a thread whose end somebody waits for. One thread drops objects, and
//! the others wait to take over if it does not come back. All are started before the first engine is loaded, since a
//! library that hangs in the loader keeps new threads from starting. This knows closures, not engines.

use super::standby::touch_thread_locals;
use crate::lock::lock;
use rustix::process::{getpriority_process, setpriority_process};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use wshost_core::jobs::Work;

/// One thread drops objects, one watches it, and the others may be held up.
const THREADS: usize = 4;
/// After this long, an object that is being dropped holds up those behind it, and another thread takes over.
const PATIENCE: Duration = Duration::from_secs(1);
/// How far the threads give way to the event loops, since nobody waits for them.
const NICENESS: i32 = 5;

static RETIREMENT: Retirement = Retirement::new(PATIENCE);

/// Starts the threads, unless they have been started. Call this before any engine is loaded.
///
/// # Errors
///
/// The system has no thread left.
pub(super) fn start() -> io::Result<()> {
    RETIREMENT.start()
}

/// Ends something on another thread, soon. The log calls it `what` of `engine`, or of no engine if that is `None`.
/// `end` must not panic: the caller contains everything that can.
pub(super) fn retire(engine: Option<&'static str>, what: &'static str, end: Work) {
    RETIREMENT.retire(engine, what, end);
}

/// Waits until everything that was not held up before has ended, but not beyond `until`. Returns whether it has.
pub(crate) fn wait_until_done(until: Instant) -> bool {
    RETIREMENT.wait_until_done(until)
}

struct Retirement {
    patience: Duration,
    state: Mutex<State>,
    /// Something waits, or the thread at work may be held up.
    to_do: Condvar,
    /// Something has ended.
    done: Condvar,
}

struct State {
    started: bool,
    waiting: VecDeque<Thing>,
    /// A thread has been called for the waiting work, and has not come yet.
    called: bool,
    /// Threads that are neither at work nor held up.
    idle: usize,
    /// The idle threads that watch nobody: they wait until they are called.
    asleep: usize,
    /// The present work of each thread.
    underway: [Option<Underway>; THREADS],
}

struct Thing {
    engine: Option<&'static str>,
    what: &'static str,
    end: Work,
}

struct Underway {
    engine: Option<&'static str>,
    what: &'static str,
    since: Instant,
    held_up: bool,
}

impl Retirement {
    const fn new(patience: Duration) -> Self {
        let state = State {
            started: false,
            waiting: VecDeque::new(),
            called: false,
            idle: 0,
            asleep: 0,
            underway: [const { None }; THREADS],
        };
        Retirement { patience, state: Mutex::new(state), to_do: Condvar::new(), done: Condvar::new() }
    }

    fn start(&'static self) -> io::Result<()> {
        if std::mem::replace(&mut lock(&self.state).started, true) {
            return Ok(());
        }
        for number in 0..THREADS {
            thread::Builder::new().name(format!("wshost-retire-{number}")).spawn(move || {
                touch_thread_locals();
                // Without this, the threads only get more of the cores than they need.
                let _ = getpriority_process(None).and_then(|now| setpriority_process(None, now + NICENESS));
                self.work(number);
            })?;
        }
        Ok(())
    }

    fn retire(&self, engine: Option<&'static str>, what: &'static str, end: Work) {
        let mut state = lock(&self.state);
        state.waiting.push_back(Thing { engine, what, end });
        // Waking a thread is a system call, so do not do it for each of many.
        let call = !state.is_at_work() && !std::mem::replace(&mut state.called, true);
        drop(state);
        if call {
            self.to_do.notify_all();
        }
    }

    fn wait_until_done(&self, until: Instant) -> bool {
        let mut state = lock(&self.state);
        let held_up_before: Vec<_> = state.held_up().map(|underway| underway.since).collect();
        loop {
            let is_at_work = state.is_at_work()
                || state.held_up().any(|underway| !held_up_before.contains(&underway.since))
                || !state.waiting.is_empty();
            if !is_at_work {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn work(&self, thread: usize) -> ! {
        let mut state = lock(&self.state);
        state.idle += 1;
        loop {
            let held_up = state.note_held_up(self.patience);
            if !held_up.is_empty() {
                let last = state.idle == 1;
                drop(state);
                held_up.iter().for_each(|held_up| held_up.tell(last));
                state = lock(&self.state);
            } else if let Some(end) = state.take(thread) {
                let keep_watch = state.asleep > 0;
                drop(state);
                if keep_watch {
                    self.to_do.notify_all();
                }
                end();
                state = lock(&self.state);
                self.finish(&mut state, thread);
            } else {
                state = self.wait(state);
            }
        }
    }

    fn finish(&self, state: &mut State, thread: usize) {
        state.idle += 1;
        if let Some(Underway { engine, what, since, held_up: true }) = state.underway[thread].take() {
            // This is rare enough to log under the lock, and it holds nothing of an engine.
            tracing::info!(engine, "{what} has returned after {:.1?}", since.elapsed());
        }
        self.done.notify_all();
    }

    /// Waits for something to do, or until the thread at work must be checked.
    fn wait<'s>(&self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        match state.at_work() {
            None => {
                state.asleep += 1;
                state = self.to_do.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.asleep -= 1;
                state
            }
            Some(underway) => {
                let left = (underway.since + self.patience).saturating_duration_since(Instant::now());
                self.to_do.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl State {
    /// The work of a thread that is not held up.
    fn at_work(&self) -> Option<&Underway> {
        self.underway.iter().flatten().find(|underway| !underway.held_up)
    }

    fn is_at_work(&self) -> bool {
        self.at_work().is_some()
    }

    fn held_up(&self) -> impl Iterator<Item = &Underway> {
        self.underway.iter().flatten().filter(|underway| underway.held_up)
    }

    /// Takes the next work, unless another thread is at work, or this is the last one that can watch.
    fn take(&mut self, thread: usize) -> Option<Work> {
        if self.is_at_work() || self.idle < 2 {
            return None;
        }
        let Thing { engine, what, end } = self.waiting.pop_front()?;
        self.called = false;
        self.idle -= 1;
        self.underway[thread] = Some(Underway { engine, what, since: Instant::now(), held_up: false });
        Some(end)
    }

    /// Notes which threads have been at work for too long. Returns what to log.
    fn note_held_up(&mut self, patience: Duration) -> Vec<HeldUp> {
        let late = |underway: &&mut Underway| !underway.held_up && underway.since.elapsed() >= patience;
        let note = |underway: &mut Underway| {
            underway.held_up = true;
            HeldUp { engine: underway.engine, what: underway.what, patience }
        };
        self.underway.iter_mut().flatten().filter(late).map(note).collect()
    }
}

/// A report that is made once.
struct HeldUp {
    engine: Option<&'static str>,
    what: &'static str,
    patience: Duration,
}

impl HeldUp {
    fn tell(&self, last: bool) {
        let HeldUp { engine, what, patience } = self;
        tracing::warn!(
            engine,
            "{what} has been at work for over {patience:?}; nothing waits for it, but what it holds stays"
        );
        if last {
            tracing::error!(
                "{} such calls of engines do not return: until one does, nothing else of engines can be dropped, and it \
                 stays in memory; restart wshost when it suits",
                THREADS - 1
            );
        }
    }
}

impl fmt::Debug for Retirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retirement({} waiting)", lock(&self.state).waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A retirement for one test, since all tests of the process share the static one.
    fn started() -> &'static Retirement {
        let retirement: &'static Retirement = Box::leak(Box::new(Retirement::new(Duration::from_millis(50))));
        retirement.start().unwrap();
        retirement
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn ends_one_thing_after_the_other_and_elsewhere() {
        let retirement = started();
        let (sender, ended) = mpsc::channel();
        for number in 0..1000 {
            let sender = sender.clone();
            let end = move || sender.send((number, thread::current().name().unwrap().to_owned())).unwrap();
            retirement.retire(None, "drop of a test", Box::new(end));
        }
        assert!(retirement.wait_until_done(later()));
        let ended: Vec<_> = ended.try_iter().collect();
        assert!(ended.iter().map(|(number, _)| *number).eq(0..1000));
        assert!(ended.iter().all(|(_, thread)| thread.starts_with("wshost-retire-")));
    }

    #[test]
    fn what_blocks_holds_up_nothing_else_until_the_threads_are_used_up_and_it_returns() {
        let retirement = started();
        let (sender, ended) = mpsc::channel();
        let mut releases = Vec::new();
        for number in 0..THREADS - 2 {
            let (release, held) = mpsc::channel::<()>();
            releases.push(release);
            retirement.retire(None, "drop of a test", Box::new(move || held.recv().unwrap_or_default()));
            let sender = sender.clone();
            retirement.retire(None, "drop of a test", Box::new(move || sender.send(number).unwrap()));
            assert_eq!(ended.recv(), Ok(number));
        }
        assert!(retirement.wait_until_done(later()), "what was held up before is not waited for");
        let (release, held) = mpsc::channel::<()>();
        retirement.retire(None, "drop of a test", Box::new(move || held.recv().unwrap_or_default()));
        retirement.retire(None, "drop of a test", Box::new(move || sender.send(9).unwrap()));
        assert!(!retirement.wait_until_done(Instant::now() + Duration::from_millis(300)));
        assert!(ended.try_recv().is_err(), "the last thread keeps watch");
        drop(release);
        assert_eq!(ended.recv(), Ok(9));
    }

    #[test]
    fn what_blocks_is_noted_whichever_thread_is_left_to_keep_watch() {
        let retirement = started();
        let held_up = || lock(&retirement.state).held_up().map(|underway| underway.what).collect::<Vec<_>>();
        let mut releases = Vec::new();
        for what in ["one", "two", "three", "four"] {
            let (release, held) = mpsc::channel::<()>();
            releases.push(release);
            retirement.retire(None, what, Box::new(move || held.recv().unwrap_or_default()));
        }
        let until = later();
        while held_up().len() < THREADS - 1 {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(5));
        }
        drop(releases.remove(0));
        while !held_up().contains(&"four") {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(5));
        }
    }
}
