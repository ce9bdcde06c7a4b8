//! The counts of a run while it measures.

use hdrhistogram::Histogram;
use std::time::Duration;

/// Latencies are kept with this many digits, up to [`LONGEST`].
const DIGITS: u8 = 3;
const LONGEST: Duration = Duration::from_secs(60);

/// The replies that came while measuring.
pub(crate) struct Measured {
    /// From sending to receiving, in nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    /// How many.
    pub(crate) replies: u64,
    /// Clients that have come and gone.
    pub(crate) clients: u64,
}

impl Measured {
    /// Nothing has been counted yet.
    pub(crate) fn new() -> Measured {
        let latencies = Histogram::new_with_bounds(1, nanoseconds(LONGEST), DIGITS);
        Measured { latencies: latencies.expect("the bounds are in order"), replies: 0, clients: 0 }
    }

    /// Counts replies to messages that were sent together.
    pub(crate) fn note(&mut self, count: usize, latency: Duration) {
        self.replies += count as u64;
        self.latencies.saturating_record_n(nanoseconds(latency), count as u64);
    }

    /// Counts a latency that is not that of one reply.
    pub(crate) fn note_latency(&mut self, latency: Duration) {
        self.latencies.saturating_record(nanoseconds(latency));
    }

    /// Forgets what was counted while warming up.
    pub(crate) fn forget(&mut self) {
        self.latencies.reset();
        (self.replies, self.clients) = (0, 0);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
