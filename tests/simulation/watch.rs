//! What the core says in its log: faults that it sees in itself, and for a trace everything.

use crate::account::{note, with_any};
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, registry};

/// How the core names a fault of its own.
const OWN_FAULT: &str = "please report it";

struct Listener;

/// An event as text.
#[derive(Default)]
struct Text(String);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        with_any(|account| {
            note!(account, "        {} {}", event.metadata().level(), text.0);
            if text.0.contains(OWN_FAULT) {
                account.violated(format!("the core says: {}", text.0));
            }
        });
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?} ");
        }
    }
}

/// Listens to what this thread logs while `work` is done, for a trace to everything.
pub fn listening<R>(traced: bool, work: impl FnOnce() -> R) -> R {
    let level = if traced { Level::DEBUG } else { Level::ERROR };
    let listener = registry().with(Listener.with_filter(LevelFilter::from_level(level)));
    tracing::subscriber::with_default(listener, work)
}
