//! Timers of one engine: work that the pool runs later, or repeatedly.
//!
//! The timers of an engine wait in its own queue, ordered by time. A [`Ticker`] passes due work to the pool. The ticker
//! runs and drops nothing of an engine itself, so timers are on time whatever an engine does.
//!
//! A timer costs some 300 bytes besides the data of its closure, until it is cancelled or has run out.

use crate::client::activity::{Activity, Busy};
use crate::clock;
use crate::jobs::Pool;
use crate::lock::{Held, Lock};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Condvar, Weak};
use std::time::{Duration, Instant};

/// The work of a timer, which may run more than once.
pub(crate) type TimerWork = Box<dyn FnMut() + Send>;

/// The registry of the engines' timers. When it is dropped, its [`Ticker`] has nothing to do any more.
#[derive(Debug)]
pub struct Clock(Arc<Board>);

/// Passes due timers to the pool. A thread of the host calls it, or a test that moves the time.
#[derive(Debug)]
pub struct Ticker(Arc<Board>);

/// When a [`Ticker`] has something to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun {
    /// At this time, unless a timer is started that is due before.
    At(Instant),
    /// When a timer is started.
    Unknown,
    /// The host is gone.
    Never,
}

#[derive(Debug, Default)]
struct Board {
    state: Lock<BoardState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct BoardState {
    engines: Vec<Weak<Timers>>,
    /// Something is due earlier than at the thread's last look.
    changed: bool,
    stopped: bool,
}

/// An engine's timers.
#[derive(Debug)]
pub struct Timers {
    board: Arc<Board>,
    pool: Arc<Pool>,
    activity: Arc<Activity>,
    queue: Lock<TimerQueue>,
}

#[derive(Debug, Default)]
struct TimerQueue {
    last_number: u64,
    timers: HashMap<u64, Timer>,
    /// The timers that wait for their next run.
    due: BTreeSet<(Instant, u64)>,
    /// No run may begin for now.
    held: bool,
    ended: bool,
}

struct Timer {
    /// `None` during a run.
    work: Option<TimerWork>,
    /// `None` if it is too far away to represent.
    due: Option<Instant>,
    every: Option<Duration>,
}

impl Clock {
    /// A clock without timers, and its ticker.
    #[allow(clippy::new_without_default, reason = "it comes with its ticker")]
    pub fn new() -> (Clock, Ticker) {
        let board = Arc::<Board>::default();
        (Clock(Arc::clone(&board)), Ticker(board))
    }
}

impl Ticker {
    /// Makes the pool run everything that is due now.
    pub fn tick(&self) -> NextRun {
        let Some(engines) = self.0.engines() else { return NextRun::Never };
        let now = clock::now();
        let next = engines.iter().filter_map(|timers| timers.hand_out(now)).min();
        next.map_or(NextRun::Unknown, NextRun::At)
    }

    /// Waits until there is something to do, on a thread that does nothing else.
    pub fn wait(&self, next: NextRun) {
        match next {
            NextRun::At(at) => self.0.wait(Some(at)),
            NextRun::Unknown => self.0.wait(None),
            NextRun::Never => {}
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

impl Board {
    /// The engines that exist; `None` if the host is gone.
    fn engines(&self) -> Option<Vec<Arc<Timers>>> {
        let mut state = self.lock();
        state.changed = false;
        state.engines.retain(|timers| timers.strong_count() > 0);
        (!state.stopped).then(|| state.engines.iter().filter_map(Weak::upgrade).collect())
    }

    fn wait(&self, until: Option<Instant>) {
        let mut state = self.lock();
        while !state.changed && !state.stopped {
            state = match until.map(|until| until.saturating_duration_since(clock::now())) {
                Some(Duration::ZERO) => return,
                Some(left) => state.wait_timeout(&self.changed, left).0,
                None => state.wait(&self.changed),
            };
        }
    }

    fn look_again(&self) {
        self.lock().changed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> Held<'_, BoardState> {
        self.state.hold()
    }
}

impl Timers {
    /// Timers for an engine with this activity.
    pub fn new(clock: &Clock, pool: Arc<Pool>, activity: Arc<Activity>) -> Arc<Self> {
        let board = Arc::clone(&clock.0);
        let timers = Arc::new(Timers { board, pool, activity, queue: Lock::default() });
        clock.0.lock().engines.push(Arc::downgrade(&timers));
        timers
    }

    /// Begins no run from now on, until [`Timers::release`].
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Goes on. Timers that came due meanwhile are due now.
    pub fn release(&self) {
        self.lock().held = false;
        self.board.look_again();
    }

    /// Starts a timer. Returns its number.
    pub fn start(&self, work: TimerWork, after: Duration, every: Option<Duration>) -> u64 {
        let mut queue = self.lock();
        queue.last_number += 1;
        let number = queue.last_number;
        if queue.ended {
            // Dropping the work runs the engine's code, so the lock must not be held.
            drop(queue);
            drop(work);
            return number;
        }
        let first = clock::now().checked_add(after);
        queue.timers.insert(number, Timer { work: Some(work), due: first, every });
        self.wait_for(queue, number, first);
        number
    }

    /// Cancels a timer: no run begins after this. Its closure is dropped here, unless a run is under way.
    pub fn cancel(&self, number: u64) {
        let mut queue = self.lock();
        let cancelled = queue.timers.remove(&number);
        if let Some(due) = cancelled.as_ref().and_then(|timer| timer.due) {
            queue.due.remove(&(due, number));
        }
        queue.give_back_memory();
        drop(queue);
        // Drop it without the lock held.
        drop(cancelled);
    }

    /// Begins no run and starts no timer from now on. Drops nothing.
    pub fn stop(&self) {
        let mut queue = self.lock();
        queue.ended = true;
        queue.due = BTreeSet::new();
    }

    /// Cancels all timers, and starts none from now on.
    pub fn end(&self) {
        self.stop();
        let timers = std::mem::take(&mut self.lock().timers);
        // Drop them without the lock held.
        drop(timers);
    }

    /// Makes the pool run the timers that are due. Returns when the next one is due.
    fn hand_out(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let mut due = Vec::new();
        let next = {
            let mut queue = self.lock();
            loop {
                if queue.held {
                    break None;
                }
                match queue.due.first() {
                    // Begin the activity under the lock, so that a caller which holds the timers and then sees none can
                    // rely on it.
                    Some((at, _)) if *at <= now => {
                        let first = queue.due.pop_first();
                        due.extend(first.map(|(_, number)| (number, self.activity.begin())));
                    }
                    next => break next.map(|(at, _)| *at),
                }
            }
        };
        for (number, busy) in due {
            let timers = Arc::clone(self);
            self.pool.spawn(Box::new(move || timers.run(number, busy)));
        }
        next
    }

    fn run(&self, number: u64, _busy: Busy) {
        let mut queue = self.lock();
        // If it is not there any more, it was cancelled meanwhile.
        let work = if queue.ended { None } else { queue.timers.get_mut(&number).and_then(|timer| timer.work.take()) };
        drop(queue);
        let Some(mut work) = work else { return };
        work();
        queue = self.lock();
        let Some(timer) = queue.timers.get_mut(&number) else {
            drop(queue);
            return drop(work);
        };
        let Some(every) = timer.every else {
            queue.timers.remove(&number);
            queue.give_back_memory();
            drop(queue);
            return drop(work);
        };
        // After a run that was longer than the period, the next one is due at once, and those in between are skipped.
        let next = timer.due.and_then(|due| due.checked_add(every)).map(|due| due.max(clock::now()));
        timer.due = next;
        timer.work = Some(work);
        self.wait_for(queue, number, next);
    }

    fn wait_for(&self, mut queue: Held<'_, TimerQueue>, number: u64, due: Option<Instant>) {
        if queue.ended {
            return;
        }
        let Some(due) = due else { return };
        let is_next = queue.due.first().is_none_or(|first| due < first.0);
        queue.due.insert((due, number));
        let look = is_next && !queue.held;
        drop(queue);
        if look {
            self.board.look_again();
        }
    }

    fn lock(&self) -> Held<'_, TimerQueue> {
        self.queue.hold()
    }
}

impl TimerQueue {
    /// Frees the places of timers after many have gone.
    fn give_back_memory(&mut self) {
        let room = self.timers.capacity();
        if room > 1024 && self.timers.len() < room / 8 {
            self.timers.shrink_to(room / 4);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timer(due: {:?}, every: {:?})", self.due, self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Next;
    use std::sync::mpsc;
    use std::thread;

    fn timers() -> (Clock, Arc<Timers>) {
        let (clock, ticker) = Clock::new();
        let pool = Arc::new(Pool::new(false));
        let timers = Timers::new(&clock, Arc::clone(&pool), Arc::default());
        thread::spawn(move || {
            loop {
                match ticker.tick() {
                    NextRun::Never => break,
                    next => ticker.wait(next),
                }
            }
        });
        thread::spawn(move || {
            let mut worked_on = None;
            while let Next::Lane(lane) = pool.next(worked_on.take(), Duration::MAX) {
                worked_on = pool.work_on(lane);
            }
        });
        (clock, timers)
    }

    fn beeping() -> (TimerWork, mpsc::Receiver<()>) {
        let (sender, beeps) = mpsc::channel();
        (Box::new(move || sender.send(()).unwrap_or_default()), beeps)
    }

    #[test]
    fn runs_once_or_again_and_again_until_cancelled() {
        let (_clock, timers) = timers();
        let (once, once_beeps) = beeping();
        timers.start(once, Duration::ZERO, None);
        let (often, often_beeps) = beeping();
        let number = timers.start(often, Duration::from_millis(1), Some(Duration::from_millis(1)));
        (0..5).for_each(|_| often_beeps.recv().unwrap());
        timers.cancel(number);
        // This thread may have been away before it cancelled.
        let before = often_beeps.try_iter().count();
        // After the last run, the work is dropped, and with it its end of the channel.
        assert!(often_beeps.iter().count() <= 2, "beside {before} before the end");
        assert_eq!(once_beeps.iter().count(), 1);
        assert!(timers.lock().timers.is_empty() && timers.lock().due.is_empty());
    }

    #[test]
    fn none_runs_after_the_end() {
        let (_clock, timers) = timers();
        let (work, beeps) = beeping();
        timers.start(work, Duration::from_secs(3600), None);
        timers.end();
        let (late, late_beeps) = beeping();
        timers.start(late, Duration::ZERO, None);
        assert!(beeps.recv().is_err() && late_beeps.recv().is_err());
    }

    #[test]
    fn stopping_drops_nothing_and_runs_nothing() {
        let (_clock, timers) = timers();
        let (work, beeps) = beeping();
        timers.start(work, Duration::from_millis(20), None);
        timers.stop();
        assert_eq!(beeps.recv_timeout(Duration::from_millis(60)), Err(mpsc::RecvTimeoutError::Timeout));
        timers.end();
        assert!(beeps.recv().is_err());
    }

    #[test]
    fn while_held_none_runs_and_then_all_that_are_due() {
        let (_clock, timers) = timers();
        timers.hold();
        let (work, beeps) = beeping();
        timers.start(work, Duration::ZERO, None);
        assert!(beeps.recv_timeout(Duration::from_millis(20)).is_err());
        assert!(timers.activity.is_idle());
        timers.release();
        beeps.recv().unwrap();
    }

    #[test]
    fn a_timer_may_cancel_itself_and_the_largest_delay_is_for_ever() {
        let (_clock, timers) = timers();
        let (sender, number) = mpsc::channel::<u64>();
        let (beep, beeps) = mpsc::channel();
        let own = Arc::clone(&timers);
        let work = move || {
            own.cancel(number.recv().unwrap());
            beep.send(()).unwrap();
        };
        let period = Some(Duration::from_millis(1));
        sender.send(timers.start(Box::new(work), Duration::from_millis(1), period)).unwrap();
        assert_eq!(beeps.iter().count(), 1);
        let never = timers.start(Box::new(|| ()), Duration::MAX, Some(Duration::MAX));
        timers.cancel(never);
        assert!(timers.lock().timers.is_empty() && timers.lock().due.is_empty());
    }

    #[test]
    fn what_a_timer_holds_is_dropped_when_it_is_cancelled() {
        let (_clock, timers) = timers();
        let held = Arc::new(());
        let numbers: Vec<_> = (0..10_000)
            .map(|seconds| {
                let held = Arc::clone(&held);
                let work = move || drop(Arc::clone(&held));
                timers.start(Box::new(work), Duration::from_secs(3600 + seconds), None)
            })
            .collect();
        assert_eq!(Arc::strong_count(&held), 10_001);
        numbers.into_iter().for_each(|number| timers.cancel(number));
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(timers.lock().due.is_empty() && timers.lock().timers.capacity() < 2048);
    }

    #[test]
    fn a_timer_may_start_others_when_it_is_dropped() {
        struct Starts(Arc<Timers>);
        impl Drop for Starts {
            fn drop(&mut self) {
                self.0.start(Box::new(|| ()), Duration::ZERO, None);
            }
        }
        let (_clock, timers) = timers();
        let starts = Starts(Arc::clone(&timers));
        let number = timers.start(Box::new(move || drop(Arc::clone(&starts.0))), Duration::from_secs(3600), None);
        timers.cancel(number);
        let starts = Starts(Arc::clone(&timers));
        timers.start(Box::new(move || drop(Arc::clone(&starts.0))), Duration::from_secs(3600), None);
        timers.end();
        assert!(timers.lock().timers.is_empty());
    }
}
