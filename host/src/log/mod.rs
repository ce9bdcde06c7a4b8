//! The log: what is written for people to read while the server runs.
//!
//! Whoever logs only puts a line into a bounded queue; one thread writes them to stderr. So nobody waits for whoever
//! reads the log: what finds no room is dropped, what cannot be written is lost, both are counted and told, and neither
//! is a reason for anything else to fail. Nothing else in the host prints, but for the answers of commands and the last
//! line of a process that crashes.
//!
//! Knows nothing of engines or clients: lines come through [`tracing`]'s macros, from any thread at any stage of its
//! life, destructors of thread-locals included. So nothing here keeps anything in thread-locals.
//!
//! | file | subject |
//! |---|---|
//! | `filter`, `layer` | `WSHOST_LOG`; from `tracing`'s macros to lines in the queue |
//! | `limits` | how often events of one kind are logged, and how many were left out |
//! | `line`, `escape` | an event as a line, for people or as JSON; text of strangers in it |
//! | `queue`, `writer` | what waits to be written, within bounds; the thread that writes, and tells what was lost |
//! | `signals` | those that the system sends to a process that writes what cannot be written |

pub(crate) mod escape;
mod filter;
mod layer;
mod limits;
mod line;
mod queue;
mod signals;
mod writer;

pub(crate) use limits::ENGINE;

use crate::exit::{INTERNAL, NotDone};
use clap::ValueEnum;
use layer::ToQueue;
use queue::Queue;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::PanicHookInfo;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line per event, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// How long the end waits for whoever reads the log.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long it waits for the log's own thread, on a machine that has other things to do.
const LAST_WORDS_WRITTEN: Duration = Duration::from_secs(1);

/// Lines on their way to the writer.
static QUEUE: Queue = Queue::new();

/// Where they go.
static DESTINATION: OnceLock<Destination> = OnceLock::new();

/// Where the log goes, and how it is written.
#[derive(Debug)]
pub(crate) struct Destination {
    /// It stays open.
    pub stderr: OwnedFd,
    pub format: LogFormat,
}

/// Starts the log on stderr, and waits until its thread runs: one that begins later may be stopped by a library that hangs in
/// the loader. `WSHOST_LOG` says what is kept.
///
/// # Errors
///
/// `WSHOST_LOG` says nothing that can be followed, or there is no thread to write.
pub fn start(format: LogFormat) -> Result<(), NotDone> {
    let filter = filter::from_environment()?;
    signals::ignore();
    // A descriptor of our own: an engine that closes 2 cannot have the log written into what is opened next.
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let stderr = stderr.map_err(|error| NotDone::new(INTERNAL, format!("cannot use stderr: {error}")))?;
    let stderr = &DESTINATION.get_or_init(|| Destination { stderr, format }).stderr;
    let format = match format {
        LogFormat::Text => line::Format::Text { colours: io::stderr().is_terminal() },
        LogFormat::Json => line::Format::Json,
    };
    let (runs, is_running) = mpsc::channel();
    let write = move || {
        let _ = runs.send(());
        writer::run(&QUEUE, stderr, format);
    };
    let started = thread::Builder::new().name("wshost-log".into()).spawn(write);
    let started = started.and_then(|_| is_running.recv().map_err(io::Error::other));
    started.map_err(|error| NotDone::new(INTERNAL, format!("no thread to write the log: {error}")))?;
    tracing_subscriber::registry().with(filter).with(ToQueue::new(&QUEUE, format)).init();
    std::panic::set_hook(Box::new(note_panic));
    Ok(())
}

/// Waits until what has been logged is written. Whoever reads it, if anybody, may keep us waiting for `patience`. If the log
/// could be written at once, its thread only waits for a processor, and has the time until `at_most`.
pub(crate) fn flush(patience: Duration, at_most: Duration) {
    if let Some(Destination { stderr, .. }) = DESTINATION.get() {
        writer::wait_until_written(&QUEUE, stderr, patience, at_most);
    }
}

/// Waits for what the log still has to say at the end of the process, for a moment.
pub(crate) fn last_words() {
    flush(LAST_WORDS, LAST_WORDS_WRITTEN);
}

/// Where the log goes, once it has started.
pub(crate) fn destination() -> Option<&'static Destination> {
    DESTINATION.get()
}

/// Lines that are not written yet. Takes no lock, so that a signal's handler can ask.
pub(crate) fn waiting() -> usize {
    QUEUE.waiting()
}

/// Says why the process ends, as a line without a time.
pub(crate) fn say(text: &str) {
    let mut line = String::new();
    escape::push(&mut line, text);
    line.push('\n');
    QUEUE.push_last(line);
}

/// Lines that nobody will read.
pub(crate) fn lost() -> queue::Lost {
    QUEUE.lost()
}

/// Writes a line to stdout, and waits for whoever reads it, if anybody: on a thread that nobody waits for.
pub(crate) fn tell_on_stdout(line: &str) {
    if let Err(unwritten) = writer::write_all(io::stdout().as_fd(), format!("{line}\n").as_bytes()) {
        let why = unwritten.why;
        tracing::warn!("stdout does not take the line that says that the server is ready: {why}");
    }
}

/// Rust's own hook writes to stderr, and waits for whoever reads it.
fn note_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    // Not what Rust calls it: that is gone while a thread ends.
    let name = rustix::thread::name().unwrap_or_default();
    let thread = name.to_string_lossy();
    tracing::error!("a fault of wshost, please report it: thread {thread} panicked at {place}: {text}");
}
