//! Forwards the engine's `log` output to the host's log.

use crate::Host;
use crate::contain::{Listener, tell_panics_to};
use log::{Log, Metadata, Record};
use std::sync::OnceLock;

/// The host, for messages outside of all calls. There is one per loaded library.
static HOST: OnceLock<Host> = OnceLock::new();

struct HostLogger {
    host: Host,
}

/// Installs the logger, once per loaded library. An engine that has installed its own logger keeps it.
pub(crate) fn install(host: &Host) {
    HOST.get_or_init(|| host.clone());
    tell_panics_to(Listener {
        note_panic: |location, message| with_host(|host| host.note_panic(location, message)),
        log: |text| with_host(|host| host.log(log::Level::Error, "panic", text)),
    });
    let level = host.log_level();
    if log::set_boxed_logger(Box::new(HostLogger { host: host.clone() })).is_ok() {
        log::set_max_level(level);
    }
}

fn with_host(tell: impl FnOnce(&Host)) {
    if let Some(host) = HOST.get() {
        tell(host);
    }
}

impl Log for HostLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.host.log(record.level(), record.target(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}
