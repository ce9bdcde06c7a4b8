//! The metrics of host and engines. The program that runs the core decides how they are kept.

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use plugin_api::hosting::HostMetric;
use std::fmt;

pub use plugin_api::abi::MetricKind as Kind;

/// All metrics.
pub struct Metrics(Box<dyn Recorder + Send + Sync>);

/// One metric. Clones share their value.
#[derive(Clone, Debug)]
pub enum Metric {
    /// A number that only grows.
    Counter(metrics::Counter),
    /// A number that rises and falls.
    Gauge(metrics::Gauge),
    /// A distribution of values.
    Histogram(metrics::Histogram),
}

impl Metrics {
    /// Metrics in this recorder.
    pub fn new(recorder: impl Recorder + Send + Sync + 'static) -> Metrics {
        Metrics(Box::new(recorder))
    }

    /// The metric with this name and these labels, which is made if it does not exist.
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

/// The whole number for a counter. The cast saturates, and turns NaN into 0.
fn whole(value: f64) -> u64 {
    value as u64
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
