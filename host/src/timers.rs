//! Timers of one engine: work that the pool runs later, or again and again.

use crate::activity::{Activity, Busy};
use crate::jobs::{Lane, Pool};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// What a timer does each time.
pub(crate) type Work = Box<dyn FnMut() + Send>;

/// An engine's timers.
#[derive(Debug)]
pub(crate) struct Timers {
    runtime: Handle,
    pool: Arc<Pool>,
    activity: Arc<Activity>,
    running: Arc<Mutex<Running>>,
    /// Whether no run may begin for now.
    held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Running {
    last_number: u64,
    timers: HashMap<u64, Arc<Timer>>,
    ended: bool,
}

struct Timer {
    /// Taken when the timer is cancelled between two runs, or after its last.
    work: Mutex<Option<Work>>,
    cancelled: AtomicBool,
    lane: Arc<Lane>,
}

impl Timers {
    /// For an engine with this activity.
    pub(crate) fn new(runtime: Handle, pool: Arc<Pool>, activity: Arc<Activity>) -> Self {
        Timers { runtime, pool, activity, running: Arc::default(), held: watch::Sender::new(false) }
    }

    /// Begins no run from now on, until [`Timers::release`].
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Goes on; what was due meanwhile is so now.
    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    /// Starts a timer. Returns its number.
    pub(crate) fn start(&self, work: Work, after: Duration, every: Option<Duration>) -> u64 {
        let timer =
            Arc::new(Timer { work: Mutex::new(Some(work)), cancelled: AtomicBool::new(false), lane: Arc::default() });
        let mut running = lock(&self.running);
        running.last_number += 1;
        let number = running.last_number;
        if running.ended {
            drop(running);
            return number;
        }
        running.timers.insert(number, Arc::clone(&timer));
        drop(running);
        let (pool, running) = (Arc::clone(&self.pool), Arc::clone(&self.running));
        let (activity, held) = (Arc::clone(&self.activity), self.held.subscribe());
        // Too far away to count is never.
        let first = Instant::now().checked_add(after);
        self.runtime.spawn(async move {
            match first {
                Some(first) => timer.serve(&pool, &activity, held, first, every).await,
                None => std::future::pending().await,
            }
            lock(&running).timers.remove(&number);
        });
        number
    }

    /// Cancels a timer: no run begins after this.
    pub(crate) fn cancel(&self, number: u64) {
        let timer = lock(&self.running).timers.remove(&number);
        if let Some(timer) = timer {
            timer.cancel();
        }
    }

    /// Cancels all timers, and starts none from now on.
    pub(crate) fn end(&self) {
        let mut running = lock(&self.running);
        running.ended = true;
        let timers = std::mem::take(&mut running.timers);
        drop(running);
        timers.values().for_each(|timer| timer.cancel());
    }
}

/// Waits until runs may begin. `None`: the engine is gone.
async fn may_run(activity: &Arc<Activity>, held: &mut watch::Receiver<bool>) -> Option<Busy> {
    loop {
        // Counted before the look: who holds the timers and then sees no activity can rely on it.
        let busy = activity.begin();
        if !*held.borrow_and_update() {
            return Some(busy);
        }
        drop(busy);
        held.changed().await.ok()?;
    }
}

impl Timer {
    async fn serve(
        self: &Arc<Self>,
        pool: &Pool,
        activity: &Arc<Activity>,
        mut held: watch::Receiver<bool>,
        first: Instant,
        every: Option<Duration>,
    ) {
        let mut due = first;
        loop {
            sleep_until(due).await;
            let Some(busy) = may_run(activity, &mut held).await else { return self.cancel() };
            if self.cancelled.load(Ordering::Acquire) {
                return;
            }
            let (done, was_done) = oneshot::channel();
            let timer = Arc::clone(self);
            let run = move || {
                timer.run();
                drop(busy);
                let _ = done.send(());
            };
            pool.submit(&self.lane, Box::new(run));
            // An error: the pool has drained.
            if was_done.await.is_err() || self.cancelled.load(Ordering::Acquire) {
                return;
            }
            let Some(every) = every else { return self.cancel() };
            // After a run that was longer than the period, the next is due at once, and those between are left out.
            due = (due + every).max(Instant::now());
        }
    }

    fn run(&self) {
        let mut place = lock(&self.work);
        if self.cancelled.load(Ordering::Acquire) {
            return;
        }
        // Not under the lock: the work may cancel its own timer.
        let Some(mut work) = place.take() else { return };
        drop(place);
        work();
        let mut place = lock(&self.work);
        if !self.cancelled.load(Ordering::Acquire) {
            *place = Some(work);
        }
    }

    fn cancel(&self) {
        let mut place = lock(&self.work);
        self.cancelled.store(true, Ordering::Release);
        let work = place.take();
        drop(place);
        // Dropping it runs the engine's code: not under the lock.
        drop(work);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timer(cancelled: {})", self.cancelled.load(Ordering::Relaxed))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// The runtime ends when the sender is dropped.
    fn timers(workers: usize) -> (oneshot::Sender<()>, Timers) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let timers = Timers::new(runtime.handle().clone(), Arc::new(Pool::new(workers, 0).unwrap()), Arc::default());
        let (end, ended) = oneshot::channel::<()>();
        std::thread::spawn(move || runtime.block_on(ended));
        (end, timers)
    }

    fn beeping() -> (Work, mpsc::Receiver<()>) {
        let (sender, beeps) = mpsc::channel();
        (Box::new(move || sender.send(()).unwrap_or_default()), beeps)
    }

    #[test]
    fn runs_once_or_again_and_again_until_cancelled() {
        for workers in [0, 2] {
            let (_runtime, timers) = timers(workers);
            let (once, once_beeps) = beeping();
            timers.start(once, Duration::ZERO, None);
            let (often, often_beeps) = beeping();
            let number = timers.start(often, Duration::from_millis(1), Some(Duration::from_millis(1)));
            (0..5).for_each(|_| often_beeps.recv().unwrap());
            timers.cancel(number);
            // This thread may have been away before it cancelled.
            let before = often_beeps.try_iter().count();
            // Then the work, and with it its end of the channel, is dropped.
            assert!(often_beeps.iter().count() <= 2, "beside {before} before the end");
            assert_eq!(once_beeps.iter().count(), 1);
        }
    }

    #[test]
    fn none_runs_after_the_end() {
        let (_runtime, timers) = timers(1);
        let (work, beeps) = beeping();
        timers.start(work, Duration::from_secs(3600), None);
        timers.end();
        let (late, late_beeps) = beeping();
        timers.start(late, Duration::ZERO, None);
        assert!(beeps.recv().is_err() && late_beeps.recv().is_err());
    }

    #[test]
    fn while_held_none_runs_and_then_all_that_are_due() {
        let (_runtime, timers) = timers(1);
        timers.hold();
        let (work, beeps) = beeping();
        timers.start(work, Duration::ZERO, None);
        assert!(beeps.recv_timeout(Duration::from_millis(20)).is_err());
        assert!(timers.activity.wait_until_idle(std::time::Instant::now() + Duration::from_secs(60)));
        timers.release();
        beeps.recv().unwrap();
    }

    #[test]
    fn a_timer_may_cancel_itself_and_the_largest_delay_is_for_ever() {
        let (_runtime, timers) = timers(1);
        let timers = Arc::new(timers);
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
        let never = timers.start(Box::new(|| ()), Duration::MAX, None);
        timers.cancel(never);
    }
}
