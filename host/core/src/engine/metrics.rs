//! The metrics of host and engines. Whoever runs the core says what keeps them.

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use plugin_api::hosting::HostMetric;
use std::fmt;

pub use plugin_api::abi::MetricKind as Kind;

/// All metrics.
pub struct Metrics(Box<dyn Recorder + Send + Sync>);

/// One metric; a clone counts for the same.
#[derive(Clone, Debug)]
pub enum Metric {
    /// Only grows.
    Counter(metrics::Counter),
    /// Rises and falls.
    Gauge(metrics::Gauge),
    /// How values are distributed.
    Histogram(metrics::Histogram),
}

impl Metrics {
    /// Those that are kept by this recorder.
    pub fn new(recorder: impl Recorder + Send + Sync + 'static) -> Metrics {
        Metrics(Box::new(recorder))
    }

    /// The metric of this name and these labels: the one that is there, or a new one.
    pub fn metric<'l>(&self, kind: Kind, name: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> Metric {
        let labels: Vec<_> = labels.map(|(name, value)| Label::new(name.to_owned(), value.to_owned())).collect();
        let key = Key::from_parts(KeyName::from(name.to_owned()), labels);
        let metadata = Metadata::new(module_path!(), Level::INFO, None);
        match kind {
            Kind::Counter => Metric::Counter(self.0.register_counter(&key, &metadata)),
            Kind::Gauge => Metric::Gauge(self.0.register_gauge(&key, &metadata)),
            Kind::Histogram => Metric::Histogram(self.0.register_histogram(&key, &metadata)),
        }
    }
}

impl HostMetric for Metric {
    fn record(&self, value: f64) {
        match self {
            Metric::Counter(counter) => counter.increment(whole(value)),
            Metric::Gauge(gauge) => gauge.set(value),
            Metric::Histogram(histogram) => histogram.record(value),
        }
    }

    fn adjust(&self, by: f64) {
        match self {
            Metric::Gauge(gauge) => gauge.increment(by),
            _ => self.record(by),
        }
    }

    fn of_no_use() -> Self {
        Metric::Counter(metrics::Counter::noop())
    }
}

/// What a counter can count; the cast saturates, and nothing is counted for what is no number.
fn whole(value: f64) -> u64 {
    value as u64
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
