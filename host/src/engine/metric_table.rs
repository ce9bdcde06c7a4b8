//! The host's side of an engine's metrics.

use crate::metrics::Metric;
use plugin_api::abi::MetricHandle;
use std::sync::Arc;

/// Gives the engine a count of its own.
pub(super) fn give(metric: Metric) -> MetricHandle {
    MetricHandle { object: Arc::into_raw(Arc::new(metric)).cast(), retain, release, record, adjust }
}

unsafe extern "C" fn retain(object: *const ()) {
    // SAFETY: the object is an Arc's, and alive.
    unsafe { Arc::increment_strong_count(object.cast::<Metric>()) }
}

unsafe extern "C" fn release(object: *const ()) {
    // SAFETY: the engine gives up a count that it owns.
    unsafe { Arc::decrement_strong_count(object.cast::<Metric>()) }
}

unsafe extern "C" fn record(object: *const (), value: f64) {
    // SAFETY: the engine owns a count of the object.
    unsafe { &*object.cast::<Metric>() }.record(value);
}

unsafe extern "C" fn adjust(object: *const (), by: f64) {
    // SAFETY: the engine owns a count of the object.
    unsafe { &*object.cast::<Metric>() }.adjust(by);
}
