//! The facilities that all engines of a server share, with the threads that work for them.

use super::settings::Settings;
use crate::threads::{Threads, Workers};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::io;
use std::sync::Arc;
use wshost_core::engine::Facilities;
use wshost_core::engine::metrics::Metrics;
use wshost_core::loops::wakes::Wakes;

/// Facilities with threads that work for them.
#[derive(Debug)]
pub struct StaffedFacilities {
    /// The facilities, which engines are made with.
    pub facilities: Facilities,
    pub(super) workers: Workers,
}

impl StaffedFacilities {
    /// Starts the threads that work for the engines. Call this before any engine is loaded.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn start(settings: &Settings) -> io::Result<StaffedFacilities> {
        let Threads { executor, pool, clock, workers } = Threads::start(settings.workers, settings.worker_nice)?;
        let facilities = Facilities {
            executor,
            timely: Arc::clone(&pool),
            pool,
            wakes: Arc::new(Wakes::new(settings.loops)),
            metrics: Arc::new(Metrics::new(PrometheusBuilder::new().build_recorder())),
            clock,
            backlog: settings.backlog,
            compression: settings.compression,
            keepalive: (settings.ping_after, settings.close_after_no_pong),
        };
        Ok(StaffedFacilities { facilities, workers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_api::hosting::HostMetric;
    use wshost_core::engine::metrics::Kind;

    #[test]
    fn metrics_of_one_name_and_labels_are_one() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let written = recorder.handle();
        let metrics = Metrics::new(recorder);
        let labels = || [("engine", "chat"), ("room", "a \"b\"")].into_iter();
        metrics.metric(Kind::Counter, "messages", labels()).record(2.0);
        metrics.metric(Kind::Counter, "messages", labels()).record(3.0);
        metrics.metric(Kind::Counter, "messages", labels()).record(-1.0);
        let people = metrics.metric(Kind::Gauge, "people", labels());
        people.record(7.0);
        people.adjust(-2.5);
        metrics.metric(Kind::Histogram, "seconds", labels()).record(0.25);
        let text = written.render();
        assert!(text.contains(r#"messages{engine="chat",room="a \"b\""} 5"#), "{text}");
        assert!(text.contains(r#"people{engine="chat",room="a \"b\""} 4.5"#), "{text}");
        assert!(text.contains("seconds_count{") && text.contains("seconds_sum{"), "{text}");
    }
}
