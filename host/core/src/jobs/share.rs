//! The host's own processor time during a job, which does not make the job a long one.

use std::cell::Cell;
use std::time::Duration;

thread_local! {
    /// The host's processor time in this job, if this thread is a worker that counts it; with the clock for it.
    static HOSTS: Cell<Option<(ProcessorTime, Duration)>> = const { Cell::new(None) };
}

/// A clock that tells the calling thread's processor time.
pub type ProcessorTime = fn() -> Duration;

/// The host's share of the jobs of the calling thread.
#[derive(Debug)]
pub struct HostShare;

impl HostShare {
    /// Is counted from now on, by this clock.
    pub fn count(clock: ProcessorTime) {
        HOSTS.set(Some((clock, Duration::ZERO)));
    }

    /// The share since the last call.
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
