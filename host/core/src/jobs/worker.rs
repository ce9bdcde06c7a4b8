//! The threads of the pool.
//!
//! A worker that is busy for long competes with the event loops for the cores, and where there are more threads than
//! cores, that makes every client wait. So a worker that had a long job makes itself nicer. One with short jobs does not:
//! what it sends is better gathered before a loop begins to write it, and a loop would interrupt a nicer thread at the
//! first message. For the same reason a job is not long by what the host does for it, such as telling 10,000 clients
//! something.

use crate::calls::watch;
use crate::jobs::Ready;
use crate::standby::touch_thread_locals;
use rustix::process::{getpriority_process, setpriority_process};
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A job that takes more of a core than this is a long one.
const LONG: Duration = Duration::from_micros(500);
/// After so many short jobs in a row a worker is taken for one with short jobs.
const SHORT_IN_A_ROW: u32 = 16;

thread_local! {
    /// What the host has had of a core in this job, where this thread is a worker's.
    static HOSTS: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Does something of the host's, which does not make the job a long one that it is done for.
pub fn on_behalf_of_job<R>(work: impl FnOnce() -> R) -> R {
    if HOSTS.get().is_none() {
        return work();
    }
    let before = processor_time();
    let result = work();
    let taken = processor_time().saturating_sub(before);
    HOSTS.set(HOSTS.get().map(|so_far| so_far + taken));
    result
}

/// A worker, on its way to its thread or in it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) name: String,
    /// How much nicer it makes itself when it gives way.
    pub(super) niceness: u8,
    pub(super) ready: Arc<Ready>,
    /// To whom a worker goes that needs another thread. Hangs up when the last worker has ended.
    pub(super) foreman: mpsc::Sender<Worker>,
}

/// What jobs have taken, as far as it matters for giving way.
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
    /// It is nicer than its jobs need. A thread may not make itself less nice, but may leave its place to another.
    TooNice,
}

/// Gives workers another thread when they ask for it, and waits for the threads at the end. A thread inherits the
/// niceness of the one that starts it, so that no worker can start its successor.
pub(super) fn lead(mut threads: Vec<JoinHandle<()>>, mut spare: Option<Spare>, asking: &mpsc::Receiver<Worker>) {
    for worker in asking {
        threads.retain(|thread| !thread.is_finished());
        let next = Spare::start(&worker.ready).inspect_err(|error| {
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

/// A thread that is there before a worker needs it, see [`crate::standby`].
#[derive(Debug)]
pub(super) struct Spare {
    place: mpsc::Sender<Worker>,
    thread: JoinHandle<()>,
    /// Hangs up when it is there.
    pub(super) is_there: mpsc::Receiver<()>,
}

impl Spare {
    /// Starts the thread.
    pub(super) fn start(ready: &Arc<Ready>) -> io::Result<Spare> {
        let (place, taken) = mpsc::channel::<Worker>();
        let (there, is_there) = mpsc::channel();
        let ready = Arc::clone(ready);
        let body = move || {
            touch_thread_locals();
            ready.has_spare.store(true, Ordering::Release);
            drop((ready, there));
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
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name(self.name.clone()).spawn(move || {
            touch_thread_locals();
            self.run();
        })
    }

    fn run(self) {
        watch::keep_for_worker();
        let foreman = self.foreman.clone();
        if self.serve(&mut Pace::new(self.niceness)) == Stopped::TooNice {
            // The foreman stays for as long as there are workers.
            let _ = foreman.send(self);
        }
    }

    fn serve(&self, pace: &mut Pace) -> Stopped {
        HOSTS.set(Some(Duration::ZERO));
        let mut worked_on = None;
        while let Some(lane) = self.ready.next(worked_on.take()) {
            if let Some(work) = lane.take() {
                self.ready.running.fetch_add(1, Ordering::Relaxed);
                self.ready.waiting.fetch_sub(1, Ordering::Relaxed);
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    tracing::error!("a job was not done by a fault of wshost, please report it");
                }
                lane.finished_one();
                self.ready.running.fetch_sub(1, Ordering::Relaxed);
                pace.job_done();
            }
            worked_on = lane.stays_scheduled().then_some(lane);
            if pace.is_too_nice() && self.ready.has_spare.swap(false, Ordering::AcqRel) {
                self.ready.put_back(worked_on);
                return Stopped::TooNice;
            }
        }
        Stopped::Ended
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
        let hosts = HOSTS.replace(Some(Duration::ZERO)).unwrap_or_default();
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

/// What the calling thread has had of a core.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Makes the calling thread nicer than the process is. On Linux, niceness is a thread's own.
fn give_way(niceness: u8) {
    let result = getpriority_process(None).and_then(|now| setpriority_process(None, now + i32::from(niceness)));
    if let Err(error) = result {
        tracing::warn!("a worker competes with the event loops: it cannot be made nicer: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{Lane, Pool};
    use std::time::Instant;

    /// Uses a core until more than a long job's time is gone.
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
        let pool = Pool::new(1, 7, || ()).unwrap();
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
        assert_eq!(pool.drain(Instant::now() + Duration::from_secs(60)), 0);
    }

    #[test]
    fn jobs_stay_in_order_when_a_thread_takes_over() {
        let pool = Pool::new(2, 1, || ()).unwrap();
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
        assert_eq!(pool.drain(Instant::now() + Duration::from_secs(60)), 0);
        assert_eq!(heard.iter().collect::<Vec<_>>(), (0..400).collect::<Vec<_>>());
    }
}
