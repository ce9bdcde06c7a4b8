//! What the host itself takes of a core while a job runs: that does not make the job a long one.

use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    /// What the host has had of a core in this job, if this thread is a worker that asks for it.
    static HOSTS: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// The host's share of the jobs of the calling thread.
#[derive(Debug)]
pub struct HostShare;

impl HostShare {
    /// Is counted from now on.
    pub fn count() {
        HOSTS.set(Some(Duration::ZERO));
    }

    /// What it has been since this was last asked.
    pub fn take() -> Duration {
        HOSTS.replace(Some(Duration::ZERO)).unwrap_or_default()
    }
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

/// What the calling thread has had of a core.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
