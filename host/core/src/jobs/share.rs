//! What the host itself takes of a core while a job runs: that does not make the job a long one.

use std::cell::Cell;
use std::time::Duration;

thread_local! {
    /// What the host has had of a core in this job, if this thread is a worker that asks for it; with the clock that says so.
    static HOSTS: Cell<Option<(ProcessorTime, Duration)>> = const { Cell::new(None) };
}

/// What the calling thread has had of a core, as the system says.
pub type ProcessorTime = fn() -> Duration;

/// The host's share of the jobs of the calling thread.
#[derive(Debug)]
pub struct HostShare;

impl HostShare {
    /// Is counted from now on, by this clock.
    pub fn count(clock: ProcessorTime) {
        HOSTS.set(Some((clock, Duration::ZERO)));
    }

    /// What it has been since this was last asked.
    pub fn take() -> Duration {
        let hosts = HOSTS.get();
        HOSTS.set(hosts.map(|(clock, _)| (clock, Duration::ZERO)));
        hosts.map_or(Duration::ZERO, |(_, share)| share)
    }
}

/// Does something of the host's, which does not make the job a long one that it is done for.
pub fn on_behalf_of_job<R>(work: impl FnOnce() -> R) -> R {
    let Some((clock, _)) = HOSTS.get() else { return work() };
    let before = clock();
    let result = work();
    let taken = clock().saturating_sub(before);
    HOSTS.set(HOSTS.get().map(|(clock, so_far)| (clock, so_far + taken)));
    result
}
