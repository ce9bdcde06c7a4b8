//! Metrics, by name and labels: what the core would give to an exporter.

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, KeyName, Metadata, Recorder, SharedString, Unit,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Which metric. The order of its labels says nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    kind: Kind,
    name: String,
    labels: BTreeMap<String, String>,
}

/// All metrics; a clone keeps the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(Arc<Mutex<BTreeMap<Key, Arc<Values>>>>);

/// A counter's and a gauge's only value; all of a histogram's, in order.
#[derive(Debug)]
struct Values(Mutex<Vec<f64>>);

impl Metrics {
    /// The values of a metric, or the names of those that there are.
    pub(crate) fn values(&self, key: &Key) -> Result<Vec<f64>, String> {
        let metrics = lock(&self.0);
        match metrics.get(key) {
            Some(values) => Ok(lock(&values.0).clone()),
            None if metrics.is_empty() => Err("no metric at all".into()),
            None => Err(metrics.keys().map(Key::to_string).collect::<Vec<_>>().join(", ")),
        }
    }

    /// The metric of this key: the one that is there, or a new one.
    fn register(&self, key: Key) -> Arc<Values> {
        let start = if key.kind == Kind::Histogram { Vec::new() } else { vec![0.0] };
        Arc::clone(lock(&self.0).entry(key).or_insert_with(|| Arc::new(Values(Mutex::new(start)))))
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(Key::of(Kind::Counter, key)))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(Key::of(Kind::Gauge, key)))
    }

    fn register_histogram(&self, key: &metrics::Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(Key::of(Kind::Histogram, key)))
    }
}

impl Key {
    pub(crate) fn new(kind: Kind, name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Key { kind, name: name.to_owned(), labels }
    }

    /// Without the label by which the host tells the metrics of its engines apart.
    fn of(kind: Kind, key: &metrics::Key) -> Self {
        let own = key.labels().filter(|label| label.key() != "engine");
        let labels = own.map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        Key { kind, name: key.name().to_owned(), labels }
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

impl Values {
    fn change(&self, change: impl FnMut(&mut f64)) {
        lock(&self.0).first_mut().into_iter().for_each(change);
    }
}

impl CounterFn for Values {
    fn increment(&self, by: u64) {
        self.change(|count| *count += by as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|count| *count = count.max(value as f64));
    }
}

impl GaugeFn for Values {
    fn increment(&self, by: f64) {
        self.change(|gauge| *gauge += by);
    }

    fn decrement(&self, by: f64) {
        self.change(|gauge| *gauge -= by);
    }

    fn set(&self, value: f64) {
        self.change(|gauge| *gauge = value);
    }
}

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        lock(&self.0).push(value);
    }
}

/// Locks. A panic elsewhere leaves nothing here half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
