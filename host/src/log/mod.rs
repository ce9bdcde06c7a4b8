//! The log: lines for people to read while the server runs.
//!
//! A thread that logs only puts a line into a bounded queue; one thread writes them to stderr. So nobody waits for the
//! log's reader: a line that finds no room is dropped, and a line that cannot be written is lost. Both are counted and
//! reported, and neither makes anything else fail. Nothing else in the host prints, except for the answers of commands
//! and the last line of a process that crashes.
//!
//! It knows nothing of engines or clients: lines come through [`tracing`]'s macros, from any thread at any stage of its
//! life, destructors of thread-locals included. So nothing here keeps anything in thread-locals.
//!
//! | file | subject |
//! |---|---|
//! | `filter`, `layer` | `WSHOST_LOG`; from `tracing`'s macros to lines in the queue |
//! | `limits` | how often events of one kind are logged, and how many were left out |
//! | `line`, `escape` | an event as a line, for people or as JSON; text of strangers in it |
//! | `queue`, `writer` | the bounded queue; the thread that writes, and reports lost lines |
//! | `signals` | those that the system sends to a process that writes where it cannot |

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

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line per event, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// How long the end of the process waits for the reader of the log.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long it waits for the log's own thread, on a busy machine.
const LAST_WORDS_WRITTEN: Duration = Duration::from_secs(1);

/// Lines on their way to the writer.
static QUEUE: Queue = Queue::new();

/// The destination of the lines.
static DESTINATION: OnceLock<Destination> = OnceLock::new();

/// The destination and format of the log.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The descriptor, which stays open.
    pub stderr: OwnedFd,
    pub format: LogFormat,
}

/// Starts the log on stderr, and waits until its thread runs: a thread that begins later may be stopped by a library
/// that hangs in the loader. `WSHOST_LOG` selects the lines.
///
/// # Errors
///
/// `WSHOST_LOG` is no valid filter, or there is no thread to write.
pub fn start(format: LogFormat) -> Result<(), NotDone> {
    let filter = filter::from_environment()?;
    signals::ignore();
    // Use a descriptor of our own: if an engine closes 2, the log must not go into the next file that is opened.
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

/// Waits until everything that has been logged is written. The log's reader may delay this by `patience`. If the log
/// could be written at once, its thread only waits for a processor, and has the time until `at_most`.
pub(crate) fn flush(patience: Duration, at_most: Duration) {
    if let Some(Destination { stderr, .. }) = DESTINATION.get() {
        writer::wait_until_written(&QUEUE, stderr, patience, at_most);
    }
}

/// Waits a moment for the rest of the log at the end of the process.
pub(crate) fn last_words() {
    flush(LAST_WORDS, LAST_WORDS_WRITTEN);
}

/// The destination of the log, once it has started.
pub(crate) fn destination() -> Option<&'static Destination> {
    DESTINATION.get()
}

/// The number of unwritten lines. It takes no lock, so that a signal's handler can ask.
pub(crate) fn waiting() -> usize {
    QUEUE.waiting()
}

/// Logs why the process ends, as a line without a time.
pub(crate) fn say(text: &str) {
    let mut line = String::new();
    escape::push(&mut line, text);
    line.push('\n');
    QUEUE.push_last(line);
}

/// The number of lost lines.
pub(crate) fn lost() -> queue::Lost {
    QUEUE.lost()
}

/// Writes a line to stdout, and waits for the reader of stdout. Call it on a thread that nobody waits for.
pub(crate) fn tell_on_stdout(line: &str) {
    if let Err(unwritten) = writer::write_all(io::stdout().as_fd(), format!("{line}\n").as_bytes()) {
        let why = unwritten.why;
        tracing::warn!("stdout does not take the line that says that the server is ready: {why}");
    }
}

/// Logs a panic of the host. Rust's own hook would write to stderr, and wait for its reader.
fn note_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    // Do not use Rust's name, which is gone while a thread ends.
    let name = rustix::thread::name().unwrap_or_default();
    let thread = name.to_string_lossy();
    tracing::error!("a fault of wshost, please report it: thread {thread} panicked at {place}: {text}");
}
