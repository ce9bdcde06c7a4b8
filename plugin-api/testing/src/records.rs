//! What is noted of a host while it is at work: the engine's log lines, the core's, and failures.
//!
//! The core tells of both by `tracing`, the engine logs by `log`. A process has one logger and many tests: what is noted goes
//! to the host that is at work on the thread. What happens between, such as a call of a handle by the test itself, goes to
//! the host that was at work there last.

use crate::report::{EngineFailure, LogLine};
use log::{Log, Record};
use plugin_api::ClientId;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::sync::Once;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};

/// What was noted of one host.
#[derive(Debug, Default)]
pub(crate) struct Records {
    logs: RefCell<Vec<LogLine>>,
    /// With the address of the client that it was for, or nothing.
    failures: RefCell<Vec<(EngineFailure, String)>>,
    /// Who is at an address.
    clients: RefCell<HashMap<String, ClientId>>,
}

thread_local! {
    /// The host that is at work on this thread, or was last.
    static CURRENT: RefCell<Option<Rc<Records>>> = const { RefCell::new(None) };
    /// Whether one is at work.
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread's events come here.
    static LISTENS: Cell<bool> = const { Cell::new(false) };
}

impl Records {
    /// Does something during which what is logged on this thread is noted here.
    pub(crate) fn of<R>(self: &Rc<Self>, work: impl FnOnce() -> R) -> R {
        /// Also if the work panics.
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                AT_WORK.set(self.0);
            }
        }
        listen();
        CURRENT.set(Some(Rc::clone(self)));
        let _restore = Restore(AT_WORK.replace(true));
        work()
    }

    /// Who is at this address from now on.
    pub(crate) fn note_client(&self, peer: &str, id: ClientId) {
        self.clients.borrow_mut().insert(peer.to_owned(), id);
    }

    /// Notes a failure of the engine. It is printed too, since it may be why the test fails next.
    pub(crate) fn note_failure(&self, failure: EngineFailure, peer: &str) {
        eprintln!("engine: {failure}");
        self.failures.borrow_mut().push((failure, peer.to_owned()));
    }

    pub(crate) fn take_logs(&self) -> Vec<LogLine> {
        self.logs.take()
    }

    pub(crate) fn take_failures(&self) -> Vec<EngineFailure> {
        let clients = self.clients.borrow();
        let who = |(failure, peer)| EngineFailure { client: clients.get::<String>(&peer).copied(), ..failure };
        self.failures.take().into_iter().map(who).collect()
    }
}

/// Installs what hears of log lines, before an engine installs the logger that it has in a real host. A test that has
/// installed a logger of its own keeps it.
fn listen() {
    static LOGGER: Once = Once::new();
    LOGGER.call_once(|| {
        if log::set_logger(&Lines).is_ok() {
            log::set_max_level(log::LevelFilter::Trace);
        }
    });
    if !LISTENS.replace(true) {
        // For as long as the thread lives: a host may be dropped before what its engine has made.
        std::mem::forget(tracing::subscriber::set_default(Events));
    }
}

/// Hears what engines log.
struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line =
            LogLine { level: record.level(), target: record.target().to_owned(), message: record.args().to_string() };
        let at_work = CURRENT.try_with(|current| current.borrow().clone().filter(|_| AT_WORK.get()));
        match at_work.ok().flatten() {
            Some(records) => records.logs.borrow_mut().push(line),
            // A thread of the engine's own, or of the test's.
            None => eprintln!("{line}"),
        }
    }

    fn flush(&self) {}
}

/// Hears what the core has to say.
struct Events;

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let of_core = metadata.target().starts_with("wshost") && *metadata.level() <= tracing::Level::INFO;
        metadata.is_event() && (of_core || metadata.target() == "engine")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut told = Told::default();
        event.record(&mut told);
        let level = level(*event.metadata().level());
        let of_engine = event.metadata().target() == "engine";
        let records = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
        let Some(records) = records else { return eprintln!("{level} wshost: {}", told.message) };
        match told.failure {
            Some(failure) => records.note_failure(failure, &told.peer),
            None => {
                let target = if of_engine { told.module } else { "wshost".to_owned() };
                records.logs.borrow_mut().push(LogLine { level, target, message: told.message });
            }
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn level(level: tracing::Level) -> log::Level {
    match level {
        tracing::Level::ERROR => log::Level::Error,
        tracing::Level::WARN => log::Level::Warn,
        tracing::Level::INFO => log::Level::Info,
        tracing::Level::DEBUG => log::Level::Debug,
        tracing::Level::TRACE => log::Level::Trace,
    }
}

/// What of an event's fields matters here.
#[derive(Debug, Default)]
struct Told {
    message: String,
    /// If that is what the message says.
    failure: Option<EngineFailure>,
    peer: String,
    module: String,
}

impl Told {
    fn note(&mut self, field: &Field, value: impl FnOnce() -> String) {
        match field.name() {
            "message" => self.message = value(),
            "peer" => self.peer = value(),
            "module" => self.module = value(),
            _ => {}
        }
    }
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, || value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.failure = value.downcast_ref().map(EngineFailure::of);
        self.note(field, || value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, || format!("{value:?}"));
    }
}
