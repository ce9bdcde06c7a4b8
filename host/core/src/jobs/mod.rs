//! The worker pool: runs jobs away from the event loops.
//!
//! It knows closures, not frames. Jobs of one [`Lane`] run one at a time and in order. Lanes are served in turn, one
//! job each, so that a lane with many jobs cannot starve the others.
//!
//! The pool has no threads of its own. The program that runs the core provides some: each of them takes one lane after
//! another ([`Pool::next`]) and does one job of it ([`Pool::work_on`]). Or one thread does all jobs, when it likes
//! ([`Pool::do_one`]).

mod lane;
mod share;

pub use lane::{LANE_LIMIT, Lane};
pub use share::{HostShare, ProcessorTime, on_behalf_of_job};

use crate::lock::Lock;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar};
use std::time::Duration;

/// Work, with everything that it needs. It must not panic: the submitter contains whatever can.
pub type Work = Box<dyn FnOnce() + Send>;

/// The lanes that have work and are not being worked on.
#[derive(Debug)]
pub struct Pool {
    /// Whether the submitter does a lane's work itself.
    inline: bool,
    state: Lock<Ready>,
    changed: Condvar,
    /// Jobs in all lanes that no worker has begun. The number is only shown to people.
    waiting: AtomicUsize,
    /// Jobs that run. The number is only shown to people.
    running: AtomicUsize,
}

#[derive(Debug, Default)]
struct Ready {
    lanes: VecDeque<Arc<Lane>>,
    /// Workers that wait for a lane.
    idle: usize,
    stopping: bool,
    /// The last worker has ended.
    ended: bool,
}

/// The next task of a worker.
#[derive(Debug)]
pub enum Next {
    /// Work on this lane.
    Lane(Arc<Lane>),
    /// There was nothing to do for the time given.
    Nothing,
    /// There will never be anything to do again.
    Over,
}

impl Pool {
    /// A pool that other threads will work for. If it is `inline`, the submitter does a lane's work itself, at once,
    /// and only work that belongs to nobody waits for a thread: that work may come from anywhere, even from other such
    /// work.
    pub fn new(inline: bool) -> Pool {
        Pool {
            inline,
            state: Lock::default(),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
        }
    }

    /// Queues work at the end of its lane. Once the pool has ended, the work is dropped.
    pub fn submit(&self, lane: &Arc<Lane>, work: Work) {
        if self.inline {
            work();
        } else {
            self.queue(lane, work);
        }
    }

    /// Queues work that belongs to nobody. It never runs here and now: the caller may be other such work, a drop, or a
    /// thread that others wait for.
    pub fn spawn(&self, work: Work) {
        self.queue(&Arc::default(), work);
    }

    fn queue(&self, lane: &Arc<Lane>, work: Work) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if lane.add(work) {
            self.push(Arc::clone(lane));
        }
    }

    /// How many jobs wait for a worker.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many jobs run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Waits for a lane for up to `patience`. If the lane that was worked on has more work, it goes to the end of the
    /// queue first. No other worker needs to know, since as many lanes wait afterwards as before.
    pub fn next(&self, worked_on: Option<Arc<Lane>>, patience: Duration) -> Next {
        let mut state = self.state.hold();
        state.lanes.extend(worked_on);
        loop {
            if let Some(lane) = state.lanes.pop_front() {
                return Next::Lane(lane);
            }
            if state.stopping {
                return Next::Over;
            }
            state.idle += 1;
            let timed_out;
            (state, timed_out) = state.wait_timeout(&self.changed, patience);
            state.idle -= 1;
            if timed_out && state.lanes.is_empty() && !state.stopping {
                return Next::Nothing;
            }
        }
    }

    /// Does the next job of a lane. Returns the lane if it has more jobs; give it back with [`Pool::next`] or
    /// [`Pool::put_back`].
    #[must_use]
    pub fn work_on(&self, lane: Arc<Lane>) -> Option<Arc<Lane>> {
        if let Some(work) = lane.take() {
            self.running.fetch_add(1, Ordering::Relaxed);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!("a job was not done because of a fault of wshost, please report it");
            }
            lane.finished_one();
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
        lane.stays_scheduled().then_some(lane)
    }

    /// Does one waiting job. Returns whether there was one.
    pub fn do_one(&self) -> bool {
        let Some(lane) = self.state.hold().lanes.pop_front() else { return false };
        self.put_back(self.work_on(lane));
        true
    }

    /// Puts the lane that was worked on at the end of the queue, if it has more jobs. The next worker takes it.
    pub fn put_back(&self, worked_on: Option<Arc<Lane>>) {
        self.state.hold().lanes.extend(worked_on);
    }

    /// Makes [`Pool::next`] return [`Next::Over`] once nothing waits.
    pub fn stop(&self) {
        self.state.hold().stopping = true;
        self.changed.notify_all();
    }

    /// Notes that the last worker has ended. Work that comes later is dropped.
    pub fn end(&self) {
        let mut state = self.state.hold();
        state.ended = true;
        // These were submitted while the last worker ended.
        let late = std::mem::take(&mut state.lanes);
        drop(state);
        // Dropping work runs the code of others, which may submit more, so do not hold the lock.
        late.iter().for_each(|lane| lane.clear());
    }

    fn push(&self, lane: Arc<Lane>) {
        let mut state = self.state.hold();
        if state.ended {
            drop(state);
            return lane.clear();
        }
        state.lanes.push_back(lane);
        // Waking a worker is a system call, so skip it if all are at work.
        let somebody_waits = state.idle > 0;
        drop(state);
        if somebody_waits {
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn note(done: &Arc<Mutex<Vec<&'static str>>>, name: &'static str) -> Work {
        let done = Arc::clone(done);
        Box::new(move || done.lock().unwrap().push(name))
    }

    #[test]
    fn one_thread_can_do_it_all_when_it_likes() {
        let pool = Pool::new(false);
        let (flood, polite) = (Arc::<Lane>::default(), Arc::<Lane>::default());
        let done = Arc::new(Mutex::new(Vec::new()));
        (0..3).for_each(|_| pool.submit(&flood, note(&done, "flood")));
        pool.submit(&polite, note(&done, "polite"));
        pool.spawn(note(&done, "nobody's"));
        assert_eq!(pool.waiting(), 5);
        while pool.do_one() {}
        assert_eq!(*done.lock().unwrap(), ["flood", "polite", "nobody's", "flood", "flood"]);
        assert_eq!((pool.waiting(), pool.running()), (0, 0));
    }

    #[test]
    fn what_comes_behind_the_end_is_dropped() {
        let pool = Pool::new(false);
        let done = Arc::new(Mutex::new(Vec::new()));
        pool.spawn(note(&done, "late"));
        pool.end();
        pool.spawn(note(&done, "too late"));
        assert!(!pool.do_one());
        assert_eq!(Arc::strong_count(&done), 1);
    }
}
