//! Metrics, by name and labels.

use super::lock;
pub(super) use crate::abi::MetricKind as Kind;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Which metric. The order of its labels says nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    kind: Kind,
    name: String,
    labels: BTreeMap<String, String>,
}

/// One metric: what was counted, set or noted.
#[derive(Debug)]
pub(super) struct Metric {
    kind: Kind,
    /// A counter's and a gauge's only one; all of a histogram's, in order.
    values: Mutex<Vec<f64>>,
}

#[derive(Debug, Default)]
pub(super) struct Metrics(BTreeMap<Key, Arc<Metric>>);

impl Metrics {
    /// The metric of this kind, name and labels: the one that is there, or a new one.
    pub(super) fn metric(&mut self, key: Key) -> Arc<Metric> {
        let kind = key.kind;
        let start = if kind == Kind::Histogram { Vec::new() } else { vec![0.0] };
        let metric = self.0.entry(key).or_insert_with(|| Arc::new(Metric { kind, values: Mutex::new(start) }));
        Arc::clone(metric)
    }

    /// The values of a metric, or the names of those that there are.
    pub(super) fn values(&self, key: &Key) -> Result<Vec<f64>, String> {
        match self.0.get(key) {
            Some(metric) => Ok(lock(&metric.values).clone()),
            None if self.0.is_empty() => Err("no metric at all".into()),
            None => Err(self.0.keys().map(Key::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Key {
    pub(super) fn new(kind: Kind, name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Key { kind, name: name.to_owned(), labels }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        write!(f, "{kind} {}{{{}}}", self.name, labels.join(","))
    }
}

impl Metric {
    /// Counter: adds. Gauge: sets. Histogram: notes a value.
    pub(super) fn record(&self, value: f64) {
        let mut values = lock(&self.values);
        match (self.kind, values.first_mut()) {
            // What is no number counts for nothing, as in the host.
            (Kind::Counter, Some(count)) => *count += (value as u64) as f64,
            (Kind::Gauge, Some(gauge)) => *gauge = value,
            (_, _) => values.push(value),
        }
    }

    /// Gauge: adds, or subtracts. Others: as `record`.
    pub(super) fn adjust(&self, by: f64) {
        if self.kind != Kind::Gauge {
            return self.record(by);
        }
        lock(&self.values).iter_mut().for_each(|gauge| *gauge += by);
    }
}
