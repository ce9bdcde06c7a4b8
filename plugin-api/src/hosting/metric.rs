//! The host's side of an engine's metrics: the functions of [`MetricHandle`].

use super::guard::host_functions;
use super::{HostMetric, Hosting, counted};
use crate::abi::MetricHandle;
use std::sync::Arc;

/// Gives the engine a count of its own.
pub(super) fn give<H: Hosting>(metric: H::Metric) -> MetricHandle {
    MetricHandle {
        object: counted::give(Arc::new(metric)),
        retain: retain::<H>,
        release: release::<H>,
        record: record::<H>,
        adjust: adjust::<H>,
    }
}

host_functions! {
    fn retain(object: *const ()), else () => {
        // SAFETY: MetricHandle::retain; `give` has made the object.
        unsafe { counted::retain::<H::Metric>(object) }
    }

    fn release(object: *const ()), else () => {
        // SAFETY: MetricHandle::release; `give` has made the object.
        unsafe { counted::release::<H::Metric>(object) }
    }

    fn record(object: *const (), value: f64), else () => {
        // SAFETY: the engine owns a count of an object that `give` has made.
        unsafe { counted::borrow::<H::Metric>(object) }.record(value);
    }

    fn adjust(object: *const (), by: f64), else () => {
        // SAFETY: as above.
        unsafe { counted::borrow::<H::Metric>(object) }.adjust(by);
    }
}
