//! The metrics of host and engines, as Prometheus reads them.

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use plugin_api::hosting::HostMetric;
use std::fmt;

pub use plugin_api::abi::MetricKind as Kind;

/// All metrics.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

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

impl Default for Metrics {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        Metrics { handle: recorder.handle(), recorder }
    }
}

impl Metrics {
    /// The metric of this name and these labels: the one that is there, or a new one.
    pub fn metric<'l>(&self, kind: Kind, name: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> Metric {
        let labels: Vec<_> = labels.map(|(name, value)| Label::new(name.to_owned(), value.to_owned())).collect();
        let key = Key::from_parts(KeyName::from(name.to_owned()), labels);
        let metadata = Metadata::new(module_path!(), Level::INFO, None);
        match kind {
            Kind::Counter => Metric::Counter(self.recorder.register_counter(&key, &metadata)),
            Kind::Gauge => Metric::Gauge(self.recorder.register_gauge(&key, &metadata)),
            Kind::Histogram => Metric::Histogram(self.recorder.register_histogram(&key, &metadata)),
        }
    }

    /// Says what a metric means.
    pub fn describe(&self, kind: Kind, name: &str, unit: Option<Unit>, description: &'static str) {
        let (name, description) = (KeyName::from(name.to_owned()), description.into());
        match kind {
            Kind::Counter => self.recorder.describe_counter(name, unit, description),
            Kind::Gauge => self.recorder.describe_gauge(name, unit, description),
            Kind::Histogram => self.recorder.describe_histogram(name, unit, description),
        }
    }

    /// Everything, in Prometheus's text format.
    pub fn render(&self) -> String {
        self.handle.render()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_one_name_and_labels_are_one() {
        let metrics = Metrics::default();
        let labels = || [("engine", "chat"), ("room", "a \"b\"")].into_iter();
        metrics.metric(Kind::Counter, "messages", labels()).record(2.0);
        metrics.metric(Kind::Counter, "messages", labels()).record(3.0);
        metrics.metric(Kind::Counter, "messages", labels()).record(-1.0);
        let people = metrics.metric(Kind::Gauge, "people", labels());
        people.record(7.0);
        people.adjust(-2.5);
        metrics.metric(Kind::Histogram, "seconds", labels()).record(0.25);
        let text = metrics.render();
        assert!(text.contains(r#"messages{engine="chat",room="a \"b\""} 5"#), "{text}");
        assert!(text.contains(r#"people{engine="chat",room="a \"b\""} 4.5"#), "{text}");
        assert!(text.contains("seconds_count{") && text.contains("seconds_sum{"), "{text}");
    }
}
