//! The host's side of an engine's metrics.

use super::guard::table_functions;
use crate::engine::metrics::Metric;
use plugin_api::abi::MetricHandle;
use std::sync::Arc;

/// Gives the engine a count of its own.
pub(super) fn give(metric: Metric) -> MetricHandle {
    MetricHandle { object: Arc::into_raw(Arc::new(metric)).cast(), retain, release, record, adjust }
}

/// A metric that counts for nothing.
pub(super) fn of_no_use() -> MetricHandle {
    give(Metric::Counter(metrics::Counter::noop()))
}

table_functions! {
    fn retain(object: *const ()), else () => {
        // SAFETY: the object is an Arc's, and alive.
        unsafe { Arc::increment_strong_count(object.cast::<Metric>()) }
    }

    fn release(object: *const ()), else () => {
        // SAFETY: the engine gives up a count that it owns.
        unsafe { Arc::decrement_strong_count(object.cast::<Metric>()) }
    }

    fn record(object: *const (), value: f64), else () => {
        // SAFETY: the engine owns a count of the object.
        unsafe { &*object.cast::<Metric>() }.record(value);
    }

    fn adjust(object: *const (), by: f64), else () => {
        // SAFETY: the engine owns a count of the object.
        unsafe { &*object.cast::<Metric>() }.adjust(by);
    }
}
