//! Timers, by a clock that moves when the test says so.

use super::boundary::TimerJob;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Timers {
    last_number: u64,
    timers: BTreeMap<u64, Timer>,
    ended: bool,
}

#[derive(Debug)]
struct Timer {
    due: Duration,
    every: Option<Duration>,
    /// Away while it runs.
    job: Option<TimerJob>,
}

impl Timers {
    /// Starts a timer. Returns its number, and the job where none is started any more.
    ///
    /// What this and the other functions return of jobs is to be dropped where no lock is held: that runs the engine's
    /// code.
    pub(super) fn start(&mut self, job: TimerJob, due: Duration, every: Option<Duration>) -> (u64, Option<TimerJob>) {
        self.last_number += 1;
        if self.ended {
            return (self.last_number, Some(job));
        }
        self.timers.insert(self.last_number, Timer { due, every, job: Some(job) });
        (self.last_number, None)
    }

    /// Cancels a timer.
    pub(super) fn cancel(&mut self, number: u64) -> Option<TimerJob> {
        self.timers.remove(&number)?.job
    }

    /// When the next run is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.values().map(|timer| timer.due).min()
    }

    /// A timer that is due, for one run; of several the one that is due first.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<(u64, TimerJob)> {
        let due = self.timers.iter_mut().filter(|(_, timer)| timer.due <= now).min_by_key(|(_, timer)| timer.due);
        let (number, timer) = due?;
        Some((*number, timer.job.take()?))
    }

    /// A run has ended. Returns the job where it was the last.
    pub(super) fn put_back(&mut self, number: u64, job: TimerJob) -> Option<TimerJob> {
        // Cancelled by its own run, it is not there any more.
        let Some(timer) = self.timers.get_mut(&number) else { return Some(job) };
        match timer.every {
            Some(every) => {
                timer.due += every;
                timer.job.replace(job)
            }
            None => {
                self.timers.remove(&number);
                Some(job)
            }
        }
    }

    /// Cancels all timers, and starts none from now on.
    pub(super) fn end(&mut self) -> Vec<TimerJob> {
        self.ended = true;
        std::mem::take(&mut self.timers).into_values().filter_map(|timer| timer.job).collect()
    }
}
