//! The worker pool: runs jobs away from the event loops.
//!
//! Knows closures, not frames. Jobs of one [`Lane`] run one at a time and in order; lanes are served in turn, one job
//! each, so that a lane with many jobs cannot starve the others.

mod lane;
mod worker;

pub use lane::Lane;
pub use worker::on_behalf_of_job;

use crate::clock;
use crate::lock::Lock;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use worker::{Spare, Worker};

/// How long memory may lie about that nobody uses. Shorter, and more of what is given back is soon asked for again.
pub const QUIET: Duration = Duration::from_secs(5);

/// Work, with all that it needs. It must not panic: who submits it contains what can.
pub type Work = Box<dyn FnOnce() + Send>;

/// A fixed number of worker threads.
#[derive(Debug)]
pub struct Pool {
    ready: Arc<Ready>,
    /// There are no workers: a lane's work is done by whoever submits it.
    inline: bool,
    /// Says nothing; hangs up when the last worker has ended, or there was none.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// Lanes that have work and are not being worked on.
#[derive(Debug)]
struct Ready {
    /// Gives back memory that the calling thread has freed.
    give_back: fn(),
    state: Lock<ReadyState>,
    changed: Condvar,
    /// Jobs in all lanes that no worker has begun. Nothing depends on it but what is told to people.
    waiting: AtomicUsize,
    /// Jobs that run, for the same purpose.
    running: AtomicUsize,
    /// Whether a thread waits for a worker that needs another.
    has_spare: AtomicBool,
}

#[derive(Debug, Default)]
struct ReadyState {
    lanes: VecDeque<Arc<Lane>>,
    /// Workers that wait for a lane.
    idle: usize,
    stopping: bool,
    /// The last worker has ended.
    ended: bool,
}

impl Pool {
    /// Starts this many workers. With none, whoever submits to a lane does the work itself, at once, and one thread is
    /// there for what belongs to nobody: that may come from anywhere, also from other such work. Workers with long jobs give
    /// way to the event loops, by this much in terms of nice(1).
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread left.
    pub fn new(workers: usize, niceness: u8, give_back: fn()) -> io::Result<Pool> {
        let ready = Arc::new(Ready {
            give_back,
            state: Lock::default(),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            has_spare: AtomicBool::new(false),
        });
        let (foreman, asking) = mpsc::channel();
        let worker = |number| {
            let name = if workers == 0 { "wshost-service".to_owned() } else { format!("wshost-worker-{number}") };
            Worker { name, niceness, ready: Arc::clone(&ready), foreman: foreman.clone() }
        };
        let threads = (0..workers.max(1)).map(|number| worker(number).start()).collect::<io::Result<Vec<_>>>()?;
        drop(foreman);
        // With a niceness of 0, no worker ever asks for it.
        let spare = (niceness > 0).then(|| Spare::start(&ready)).transpose()?;
        if let Some(spare) = &spare {
            let _ = spare.is_there.recv();
        }
        let (leading, ended) = mpsc::channel::<()>();
        let lead = move || {
            worker::lead(threads, spare, &asking);
            drop(leading);
        };
        thread::Builder::new().name("wshost-foreman".into()).spawn(lead)?;
        Ok(Pool { ready, inline: workers == 0, ended: Mutex::new(ended) })
    }

    /// Queues work behind what its lane has. Once the pool has drained, the work is dropped.
    pub fn submit(&self, lane: &Arc<Lane>, work: Work) {
        if self.inline {
            work();
        } else {
            self.queue(lane, work);
        }
    }

    /// Queues work that belongs to nobody. It is never done here and now: it may come from such work itself, from a drop, or
    /// from a thread that others wait for.
    pub fn spawn(&self, work: Work) {
        self.queue(&Arc::default(), work);
    }

    fn queue(&self, lane: &Arc<Lane>, work: Work) {
        self.ready.waiting.fetch_add(1, Ordering::Relaxed);
        if lane.add(work) {
            self.ready.push(Arc::clone(lane));
        }
    }

    /// How many jobs wait for a worker.
    pub fn waiting(&self) -> usize {
        self.ready.waiting.load(Ordering::Relaxed)
    }

    /// Runs what is queued, then ends the workers. Returns how many jobs waited or ran when `until` came; those are left to
    /// themselves.
    pub fn drain(&self, until: Instant) -> usize {
        self.ready.state.hold().stopping = true;
        self.ready.changed.notify_all();
        let left = until.saturating_duration_since(clock::now());
        if matches!(
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(left),
            Err(mpsc::RecvTimeoutError::Timeout)
        ) {
            return self.waiting() + self.ready.running.load(Ordering::Relaxed);
        }
        let mut state = self.ready.state.hold();
        state.ended = true;
        // Submitted while the last worker ended.
        let late = std::mem::take(&mut state.lanes);
        drop(state);
        // Dropping work runs the code of others, which may submit more: not under the lock.
        late.iter().for_each(|lane| lane.clear());
        0
    }
}

impl Ready {
    /// Puts the lane that was worked on behind the others, if it has more. The worker that comes next takes it.
    fn put_back(&self, worked_on: Option<Arc<Lane>>) {
        self.state.hold().lanes.extend(worked_on);
    }

    fn push(&self, lane: Arc<Lane>) {
        let mut state = self.state.hold();
        if state.ended {
            drop(state);
            return lane.clear();
        }
        state.lanes.push_back(lane);
        // Waking a worker is a system call: not where all are at work.
        let somebody_waits = state.idle > 0;
        drop(state);
        if somebody_waits {
            self.changed.notify_one();
        }
    }

    /// Waits for a lane, and puts the one that was worked on behind the others, if it has more. As many lanes wait
    /// afterwards as before: no other worker needs to hear of it. `None`: there is nothing left to do, ever.
    fn next(&self, worked_on: Option<Arc<Lane>>) -> Option<Arc<Lane>> {
        let mut state = self.state.hold();
        state.lanes.extend(worked_on);
        // A worker that has been idle for a while gives back what its jobs have left with the allocator.
        let mut patience = QUIET;
        loop {
            if let Some(lane) = state.lanes.pop_front() {
                return Some(lane);
            }
            if state.stopping {
                return None;
            }
            state.idle += 1;
            let timed_out;
            (state, timed_out) = state.wait_timeout(&self.changed, patience);
            state.idle -= 1;
            if timed_out && state.lanes.is_empty() && !state.stopping {
                drop(state);
                (self.give_back)();
                patience = Duration::MAX;
                state = self.state.hold();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lane::LANE_LIMIT;
    use std::task::Waker;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn jobs_of_a_lane_run_in_order_and_never_together() {
        let pool = Pool::new(4, 0, || ()).unwrap();
        let lanes: Vec<_> = (0..8).map(|_| (Arc::<Lane>::default(), Arc::new(Mutex::new(Vec::new())))).collect();
        for number in 0..1000 {
            for (lane, done) in &lanes {
                let done = Arc::clone(done);
                pool.submit(
                    lane,
                    Box::new(move || done.try_lock().expect("nobody else of this lane runs").push(number)),
                );
            }
        }
        assert_eq!(pool.drain(soon()), 0);
        for (_, done) in &lanes {
            assert_eq!(*done.lock().unwrap(), (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let pool = Pool::new(1, 0, || ()).unwrap();
        let (flood, polite) = (Arc::<Lane>::default(), Arc::<Lane>::default());
        let (release, held) = mpsc::channel::<()>();
        let done = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let done = Arc::clone(&done);
            Box::new(move || done.lock().unwrap().push(name))
        };
        pool.submit(&flood, Box::new(move || held.recv().unwrap_or_default()));
        (0..100).for_each(|_| pool.submit(&flood, note("flood")));
        pool.submit(&polite, note("polite"));
        assert!([101, 102].contains(&pool.waiting()), "{} wait; the first may have been begun", pool.waiting());
        drop(release);
        assert_eq!(pool.drain(soon()), 0);
        assert_eq!(pool.waiting(), 0);
        let position = done.lock().unwrap().iter().position(|name| *name == "polite").unwrap();
        assert!(position <= 1, "the polite lane waited for {position} jobs of the other");
    }

    #[test]
    fn a_full_lane_says_so_and_wakes_its_owner_when_there_is_room() {
        struct Flag(mpsc::SyncSender<()>);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                let _ = self.0.try_send(());
            }
        }
        let (sender, woken) = mpsc::sync_channel(1);
        let owner = Waker::from(Arc::new(Flag(sender)));
        let pool = Pool::new(1, 0, || ()).unwrap();
        let lane = Arc::<Lane>::default();
        let (release, held) = mpsc::channel::<()>();
        pool.submit(&lane, Box::new(move || held.recv().unwrap_or_default()));
        (1..LANE_LIMIT).for_each(|_| pool.submit(&lane, Box::new(|| ())));
        assert!(lane.is_full(&owner));
        assert!(woken.try_recv().is_err());
        drop(release);
        woken.recv().unwrap();
        assert!(!lane.is_full(&owner));
        assert_eq!(pool.drain(soon()), 0);
    }

    #[test]
    fn without_workers_a_job_runs_at_once() {
        let pool = Pool::new(0, 0, || ()).unwrap();
        let here = thread::current().id();
        let (sender, ran_on) = mpsc::channel();
        pool.submit(&Arc::default(), Box::new(move || sender.send(thread::current().id()).unwrap()));
        assert_eq!(ran_on.try_recv().unwrap(), here);
    }

    #[test]
    fn without_workers_what_belongs_to_nobody_is_queued_in_order() {
        fn count(pool: &Arc<Pool>, number: u32, told: &mpsc::Sender<(u32, Option<String>)>) {
            let (again, next) = (Arc::clone(pool), told.clone());
            pool.spawn(Box::new(move || {
                next.send((number, thread::current().name().map(str::to_owned))).unwrap();
                if number < 100_000 {
                    count(&again, number + 1, &next);
                }
            }));
        }
        let pool = Arc::new(Pool::new(0, 0, || ()).unwrap());
        let (told, heard) = mpsc::channel();
        count(&pool, 0, &told);
        drop(told);
        let heard: Vec<_> = heard.iter().collect();
        assert!(heard.iter().map(|(number, _)| *number).eq(0..=100_000));
        assert!(heard.iter().all(|(_, name)| name.as_deref() == Some("wshost-service")));
        assert_eq!(pool.drain(soon()), 0);
    }

    /// What work holds may submit more when it is dropped.
    #[test]
    fn what_comes_too_late_is_dropped_where_no_lock_is_held() {
        struct Spawns(Arc<Pool>, Arc<AtomicUsize>);
        impl Drop for Spawns {
            fn drop(&mut self) {
                let spawned = Arc::clone(&self.1);
                self.0.spawn(Box::new(move || drop(spawned)));
            }
        }
        for workers in [0, 2] {
            let pool = Arc::new(Pool::new(workers, 0, || ()).unwrap());
            let counted = Arc::<AtomicUsize>::default();
            assert_eq!(pool.drain(soon()), 0);
            let late = Spawns(Arc::clone(&pool), Arc::clone(&counted));
            pool.spawn(Box::new(move || drop(late)));
            assert_eq!(Arc::strong_count(&counted), 1, "all is dropped");
        }
    }

    #[test]
    fn a_job_without_end_does_not_hold_up_the_end() {
        let pool = Pool::new(1, 0, || ()).unwrap();
        let (release, held) = mpsc::channel::<()>();
        pool.submit(&Arc::default(), Box::new(move || held.recv().unwrap_or_default()));
        assert_eq!(pool.drain(Instant::now()), 1);
        drop(release);
        assert_eq!(pool.drain(soon()), 0);
    }
}
