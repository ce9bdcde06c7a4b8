//! The child's side of the pipe: reports which step begins, how it ended, and what was logged in it.
//!
//! The host logs an error if an engine fails in a way that clients do not notice, such as a panic in a job. So a step
//! with such a line has failed, even if the step itself saw nothing wrong.

use crate::lock::lock;
use crate::log::ENGINE;
use crate::rehearsal::findings::{Finding, LogLine, Step, StepOutcome};
use std::fmt::{self, Debug, Display};
use std::fs::File;
use std::io::{self, Write};
use std::mem::take;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Reports to the parent.
#[derive(Clone, Debug)]
pub(super) struct Journal(Arc<Mutex<Telling>>);

/// The pipe, and the state of the current step.
#[derive(Debug)]
struct Telling {
    /// It stays open as long as the process lives, so that the parent sees the process end.
    parent: File,
    /// Whether the host has logged an error since the step began.
    failed: bool,
    /// Whether anything has been logged since the step began.
    noted: bool,
}

/// A failure has been reported, and the check is over.
#[derive(Debug)]
pub(super) struct Stop;

/// A step that has begun.
#[derive(Debug)]
#[must_use]
pub(super) struct StepUnderway<'a> {
    journal: &'a Journal,
    began: Instant,
}

impl Journal {
    /// Takes over the pipe, which the parent has put in place of stdin, and the log.
    ///
    /// # Errors
    ///
    /// The system refuses a descriptor.
    pub(super) fn start() -> io::Result<Journal> {
        let parent = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        // The engine gets a proper stdin.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let journal = Journal(Arc::new(Mutex::new(Telling { parent, failed: false, noted: false })));
        tracing_subscriber::registry().with(LevelFilter::WARN).with(journal.clone()).init();
        Ok(journal)
    }

    /// A step begins.
    pub(super) fn begin(&self, step: Step) -> StepUnderway<'_> {
        let mut state = self.state();
        (state.failed, state.noted) = (false, false);
        state.tell(&Finding::Began(step));
        StepUnderway { journal: self, began: Instant::now() }
    }

    /// Reports something that is not a step.
    pub(super) fn tell(&self, finding: &Finding) {
        self.state().tell(finding);
    }

    fn state(&self) -> MutexGuard<'_, Telling> {
        lock(&self.0)
    }
}

impl Telling {
    fn tell(&mut self, finding: &Finding) {
        let Ok(mut line) = serde_json::to_vec(finding) else { return };
        line.push(b'\n');
        // A parent that no longer listens is about to end this process.
        let _ = self.parent.write_all(&line);
    }
}

impl StepUnderway<'_> {
    /// Ends the step as ok, unless an error was logged in it.
    pub(super) fn ok(self, text: impl Display) -> Result<(), Stop> {
        self.end(StepOutcome::Ok, &text)
    }

    /// Ends the step as ok, with a note for the reader.
    pub(super) fn note(self, text: impl Display) -> Result<(), Stop> {
        self.end(StepOutcome::Note, &text)
    }

    /// Ends the step as failed.
    pub(super) fn failed(self, text: impl Display) -> Stop {
        let _ = self.end(StepOutcome::Failed, &text);
        Stop
    }

    fn end(self, outcome: StepOutcome, text: &dyn Display) -> Result<(), Stop> {
        let mut state = self.journal.state();
        let (failed, noted) = (take(&mut state.failed), take(&mut state.noted));
        let (outcome, text) = match outcome {
            StepOutcome::Ok | StepOutcome::Note if failed => {
                (StepOutcome::Failed, format!("{text}, but something failed in it"))
            }
            StepOutcome::Ok if noted => (StepOutcome::Note, text.to_string()),
            other => (other, text.to_string()),
        };
        state.tell(&Finding::Ended { outcome, text, seconds: self.began.elapsed().as_secs_f64() });
        if outcome == StepOutcome::Failed { Err(Stop) } else { Ok(()) }
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let mut message = Message::default();
        event.record(&mut message);
        let text = if target == ENGINE { format!("the engine logs: {}", message.0) } else { message.0 };
        let mut state = self.state();
        state.noted = true;
        state.failed |= level == Level::ERROR && target != ENGINE;
        state.tell(&Finding::Logged(LogLine { level: level.to_string(), text }));
    }
}

/// An event's message. Its fields only repeat what the report says anyway.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = fmt::write(&mut self.0, format_args!("{value:?}"));
        }
    }
}
