//! Metrics: numbers about the engine that the host publishes together with its own.
//!
//! Names and labels follow Prometheus: letters, digits and `_`. The host adds the label `engine`.

use crate::abi::MetricHandle;
use std::time::Duration;

/// Labels of a metric: pairs of name and value.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A number that only grows, such as games won. It is cheap to clone and works from any thread.
#[derive(Clone, Debug)]
pub struct Counter(pub(crate) Metric);

/// A number that rises and falls, such as games under way. It is cheap to clone and works from any thread.
#[derive(Clone, Debug)]
pub struct Gauge(pub(crate) Metric);

/// The distribution of values, such as how long moves take. It is cheap to clone and works from any thread.
#[derive(Clone, Debug)]
pub struct Histogram(pub(crate) Metric);

impl Counter {
    /// Adds to the count.
    pub fn increment(&self, by: u64) {
        self.0.record(by as f64);
    }
}

impl Gauge {
    /// Sets the number.
    pub fn set(&self, value: f64) {
        self.0.record(value);
    }

    /// Adds to the number, or subtracts from it.
    pub fn add(&self, by: f64) {
        self.0.adjust(by);
    }
}

impl Histogram {
    /// Notes one value.
    pub fn record(&self, value: f64) {
        self.0.record(value);
    }

    /// Notes one duration, in seconds.
    pub fn record_duration(&self, duration: Duration) {
        self.0.record(duration.as_secs_f64());
    }
}

/// One count of the host's object.
pub(crate) struct Metric(MetricHandle);

// SAFETY: every function of the handle may be called on any thread, and the count is the host's.
unsafe impl Send for Metric {}
// SAFETY: as above; no function needs exclusive access.
unsafe impl Sync for Metric {}

impl Metric {
    /// Takes over one count of the handle's object.
    pub(crate) fn owning(handle: MetricHandle) -> Self {
        Metric(handle)
    }

    fn record(&self, value: f64) {
        // SAFETY: we own one count of the object.
        unsafe { (self.0.record)(self.0.object, value) }
    }

    fn adjust(&self, by: f64) {
        // SAFETY: as above.
        unsafe { (self.0.adjust)(self.0.object, by) }
    }
}

impl Clone for Metric {
    fn clone(&self) -> Self {
        // SAFETY: we own one count of the object, and now another.
        unsafe { (self.0.retain)(self.0.object) };
        Metric(self.0)
    }
}

impl Drop for Metric {
    fn drop(&mut self) {
        // SAFETY: we give up the count that we own.
        unsafe { (self.0.release)(self.0.object) }
    }
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metric")
    }
}
