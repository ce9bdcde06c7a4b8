//! The threads of the pool.
//!
//! A worker that is busy for long competes with the event loops for the cores. If there are more threads than cores,
//! that makes every client wait. So a worker that had a long job makes itself nicer. A worker with short jobs does not:
//! its sends should be gathered before a loop begins to write them, and a loop would interrupt a nicer thread at the
//! first message. For the same reason, the host's own work in a job, such as a broadcast to 10,000 clients, does not
//! make the job a long one.

use super::allocator;
use super::standby::touch_thread_locals;
use crate::lock::lock;
use rustix::process::{getpriority_process, setpriority_process};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wshost_core::calls::watch;
use wshost_core::jobs::{HostShare, Next, Pool};

/// A job that takes more of a core than this is a long one.
const LONG: Duration = Duration::from_micros(500);
/// After this many short jobs in a row, a worker counts as one with short jobs.
const SHORT_IN_A_ROW: u32 = 16;

/// A fixed number of threads that work for a pool.
#[derive(Debug)]
pub(crate) struct Workers {
    pool: Arc<Pool>,
    /// Never receives anything. It hangs up when the last worker has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// The state that all workers share.
#[derive(Debug)]
struct Shared {
    pool: Arc<Pool>,
    /// Whether a thread waits for a worker that needs another.
    has_spare: AtomicBool,
}

impl Workers {
    /// Starts this many workers for the pool, at least one. Those with long jobs give way to the event loops by this
    /// much, as in nice(1).
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(crate) fn start(pool: Arc<Pool>, workers: usize, niceness: u8) -> io::Result<Workers> {
        let shared = Arc::new(Shared { pool: Arc::clone(&pool), has_spare: AtomicBool::new(false) });
        let (foreman, asking) = mpsc::channel();
        let worker = |number| {
            let name = if workers == 0 { "wshost-service".to_owned() } else { format!("wshost-worker-{number}") };
            Worker { name, niceness, shared: Arc::clone(&shared), foreman: foreman.clone() }
        };
        let threads = (0..workers.max(1)).map(|number| worker(number).start()).collect::<io::Result<Vec<_>>>()?;
        drop(foreman);
        // With a niceness of 0, no worker ever asks for it.
        let spare = (niceness > 0).then(|| Spare::start(&shared)).transpose()?;
        if let Some(spare) = &spare {
            let _ = spare.is_there.recv();
        }
        let (leading, ended) = mpsc::channel::<()>();
        let lead = move || {
            lead(threads, spare, &asking);
            drop(leading);
        };
        thread::Builder::new().name("wshost-foreman".into()).spawn(lead)?;
        Ok(Workers { pool, ended: Mutex::new(ended) })
    }

    /// Lets the queued jobs run, then ends the workers. Returns how many jobs waited or ran at `until`; those are left
    /// alone.
    pub(crate) fn drain(&self, until: Instant) -> usize {
        self.pool.stop();
        let left = until.saturating_duration_since(Instant::now());
        let ended = lock(&self.ended).recv_timeout(left);
        if matches!(ended, Err(mpsc::RecvTimeoutError::Timeout)) {
            return self.pool.waiting() + self.pool.running();
        }
        self.pool.end();
        0
    }
}

/// A worker, on its way to its thread or in it.
#[derive(Debug)]
struct Worker {
    name: String,
    /// How much nicer it makes itself when it gives way.
    niceness: u8,
    shared: Arc<Shared>,
    /// The thread to which a worker goes that needs another thread. It hangs up when the last worker has ended.
    foreman: mpsc::Sender<Worker>,
}

/// The durations of recent jobs, as far as they matter for giving way.
#[derive(Debug)]
struct Pace {
    niceness: u8,
    gives_way: bool,
    short_in_a_row: u32,
    /// The thread's processor time at the end of the last job.
    so_far: Duration,
}

/// Why a worker stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stopped {
    /// There is nothing left to do, ever.
    Ended,
    /// It is nicer than its jobs need. A thread may not make itself less nice, but it may leave its place to another.
    TooNice,
}

/// Gives workers another thread when they ask for it, and waits for the threads at the end. A thread inherits the
/// niceness of the one that starts it, so no worker can start its successor.
fn lead(mut threads: Vec<JoinHandle<()>>, mut spare: Option<Spare>, asking: &mpsc::Receiver<Worker>) {
    for worker in asking {
        threads.retain(|thread| !thread.is_finished());
        let next = Spare::start(&worker.shared).inspect_err(|error| {
            tracing::error!("workers that have given way to the event loops stay so: there is no thread left: {error}");
        });
        if let Some(Spare { place, thread, .. }) = std::mem::replace(&mut spare, next.ok()) {
            let _ = place.send(worker);
            threads.push(thread);
        }
    }
    threads.extend(spare.map(|spare| spare.thread));
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a worker ended by a fault of wshost, please report it");
        }
    }
}

/// A thread that exists before a worker needs it, see [`super::standby`].
#[derive(Debug)]
struct Spare {
    place: mpsc::Sender<Worker>,
    thread: JoinHandle<()>,
    /// Hangs up when the thread is ready.
    is_there: mpsc::Receiver<()>,
}

impl Spare {
    /// Starts the thread.
    fn start(shared: &Arc<Shared>) -> io::Result<Spare> {
        let (place, taken) = mpsc::channel::<Worker>();
        let (there, is_there) = mpsc::channel();
        let shared = Arc::clone(shared);
        let body = move || {
            touch_thread_locals();
            shared.has_spare.store(true, Ordering::Release);
            drop((shared, there));
            if let Ok(worker) = taken.recv() {
                worker.run();
            }
        };
        let thread = thread::Builder::new().name("wshost-worker-s".into()).spawn(body)?;
        Ok(Spare { place, thread, is_there })
    }
}

impl Worker {
    /// Starts its thread.
    fn start(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name(self.name.clone()).spawn(move || {
            touch_thread_locals();
            self.run();
        })
    }

    fn run(self) {
        watch::keep_for_worker();
        let foreman = self.foreman.clone();
        if self.serve(&mut Pace::new(self.niceness)) == Stopped::TooNice {
            // The foreman stays as long as there are workers.
            let _ = foreman.send(self);
        }
    }

    fn serve(&self, pace: &mut Pace) -> Stopped {
        let Shared { pool, has_spare } = &*self.shared;
        HostShare::count(processor_time);
        let mut worked_on = None;
        // A worker that has been idle for a while returns the memory that its jobs have left in the allocator.
        let mut patience = allocator::QUIET;
        loop {
            match pool.next(worked_on.take(), patience) {
                Next::Over => return Stopped::Ended,
                Next::Nothing => {
                    allocator::give_back();
                    patience = Duration::MAX;
                }
                Next::Lane(lane) => {
                    worked_on = pool.work_on(lane);
                    patience = allocator::QUIET;
                    pace.job_done();
                    if pace.is_too_nice() && has_spare.swap(false, Ordering::AcqRel) {
                        pool.put_back(worked_on);
                        return Stopped::TooNice;
                    }
                }
            }
        }
    }
}

impl Pace {
    fn new(niceness: u8) -> Pace {
        Pace { niceness, gives_way: false, short_in_a_row: 0, so_far: Duration::ZERO }
    }

    fn job_done(&mut self) {
        if self.niceness == 0 {
            return;
        }
        let now = processor_time();
        let hosts = HostShare::take();
        let taken = now.saturating_sub(std::mem::replace(&mut self.so_far, now) + hosts);
        if taken < LONG {
            self.short_in_a_row = self.short_in_a_row.saturating_add(1);
            return;
        }
        self.short_in_a_row = 0;
        if !std::mem::replace(&mut self.gives_way, true) {
            give_way(self.niceness);
        }
    }

    fn is_too_nice(&self) -> bool {
        self.gives_way && self.short_in_a_row >= SHORT_IN_A_ROW
    }
}

/// Makes the calling thread nicer than the process. On Linux, niceness belongs to a thread.
fn give_way(niceness: u8) {
    let result = getpriority_process(None).and_then(|now| setpriority_process(None, now + i32::from(niceness)));
    if let Err(error) = result {
        tracing::warn!("a worker competes with the event loops: it cannot be made nicer: {error}");
    }
}

/// The calling thread's processor time.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Waker;
    use wshost_core::jobs::{LANE_LIMIT, Lane, on_behalf_of_job};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn started(workers: usize, niceness: u8) -> (Arc<Pool>, Workers) {
        let pool = Arc::new(Pool::new(workers == 0));
        (Arc::clone(&pool), Workers::start(pool, workers, niceness).unwrap())
    }

    /// Uses a core for longer than the time of a long job.
    fn work_long() {
        let until = processor_time() + LONG + Duration::from_millis(1);
        while processor_time() < until {
            std::hint::spin_loop();
        }
    }

    fn niceness() -> i32 {
        getpriority_process(None).unwrap()
    }

    #[test]
    fn a_worker_is_nice_after_long_jobs_and_no_longer_after_short_ones() {
        let usual = niceness();
        let (pool, workers) = started(1, 7);
        let (told, heard) = mpsc::channel();
        let run = |job: Box<dyn Fn() + Send>| {
            let told = told.clone();
            let work = move || {
                let before = niceness();
                job();
                told.send(before).unwrap();
            };
            pool.submit(&Arc::<Lane>::default(), Box::new(work));
            heard.recv().unwrap()
        };
        assert_eq!(run(Box::new(|| on_behalf_of_job(work_long))), usual);
        assert_eq!(run(Box::new(work_long)), usual, "what the host does makes no job a long one");
        for _ in 0..SHORT_IN_A_ROW {
            assert_eq!(run(Box::new(|| ())), usual + 7, "gives way");
        }
        assert_eq!(run(Box::new(|| ())), usual, "another thread has taken over");
        assert_eq!(workers.drain(Instant::now() + Duration::from_secs(60)), 0);
    }

    #[test]
    fn jobs_stay_in_order_when_a_thread_takes_over() {
        let (pool, workers) = started(2, 1);
        let lane = Arc::<Lane>::default();
        let (told, heard) = mpsc::channel();
        for number in 0..400 {
            let told = told.clone();
            let work = move || {
                if number % 100 == 0 {
                    work_long();
                }
                told.send(number).unwrap();
            };
            pool.submit(&lane, Box::new(work));
        }
        drop(told);
        assert_eq!(workers.drain(Instant::now() + Duration::from_secs(60)), 0);
        assert_eq!(heard.iter().collect::<Vec<_>>(), (0..400).collect::<Vec<_>>());
    }

    #[test]
    fn jobs_of_a_lane_run_in_order_and_never_together() {
        let (pool, workers) = started(4, 0);
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
        assert_eq!(workers.drain(soon()), 0);
        for (_, done) in &lanes {
            assert_eq!(*done.lock().unwrap(), (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let (pool, workers) = started(1, 0);
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
        assert_eq!(workers.drain(soon()), 0);
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
        let (pool, workers) = started(1, 0);
        let lane = Arc::<Lane>::default();
        let (release, held) = mpsc::channel::<()>();
        pool.submit(&lane, Box::new(move || held.recv().unwrap_or_default()));
        (1..LANE_LIMIT).for_each(|_| pool.submit(&lane, Box::new(|| ())));
        assert!(lane.is_full(&owner));
        assert!(woken.try_recv().is_err());
        drop(release);
        woken.recv().unwrap();
        assert!(!lane.is_full(&owner));
        assert_eq!(workers.drain(soon()), 0);
    }

    #[test]
    fn without_workers_a_job_runs_at_once() {
        let (pool, _workers) = started(0, 0);
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
        let (pool, workers) = started(0, 0);
        let (told, heard) = mpsc::channel();
        count(&pool, 0, &told);
        drop(told);
        let heard: Vec<_> = heard.iter().collect();
        assert!(heard.iter().map(|(number, _)| *number).eq(0..=100_000));
        assert!(heard.iter().all(|(_, name)| name.as_deref() == Some("wshost-service")));
        assert_eq!(workers.drain(soon()), 0);
    }

    /// Dropping a job may submit more jobs.
    #[test]
    fn what_comes_too_late_is_dropped_where_no_lock_is_held() {
        struct Spawns(Arc<Pool>, Arc<AtomicUsize>);
        impl Drop for Spawns {
            fn drop(&mut self) {
                let spawned = Arc::clone(&self.1);
                self.0.spawn(Box::new(move || drop(spawned)));
            }
        }
        for count in [0, 2] {
            let (pool, workers) = started(count, 0);
            let counted = Arc::<AtomicUsize>::default();
            assert_eq!(workers.drain(soon()), 0);
            let late = Spawns(Arc::clone(&pool), Arc::clone(&counted));
            pool.spawn(Box::new(move || drop(late)));
            assert_eq!(Arc::strong_count(&counted), 1, "all is dropped");
        }
    }

    #[test]
    fn a_job_without_end_does_not_hold_up_the_end() {
        let (pool, workers) = started(1, 0);
        let (release, held) = mpsc::channel::<()>();
        pool.submit(&Arc::default(), Box::new(move || held.recv().unwrap_or_default()));
        assert_eq!(workers.drain(Instant::now()), 1);
        drop(release);
        assert_eq!(workers.drain(soon()), 0);
    }
}
