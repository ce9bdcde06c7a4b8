//! Keeps panics inside the engine: the only `catch_unwind`, and the hook that notes the location of a panic.
//!
//! A panic that reached the host would abort the process, and the host cannot catch a panic of the engine's own copy of
//! the standard library. So every entry from the host goes through [`contain`], by means of [`entry`]. It knows neither
//! engines nor their exports.

pub(crate) mod entry;

use crate::abi::Failure;
use entry::entries;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Once, OnceLock};

/// A flag beside the depth: the host was told of a panic, and not yet that it was caught.
const PANICKED: u32 = 1 << 31;

thread_local! {
    /// How many calls from the host are on this thread's stack, and perhaps [`PANICKED`].
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The location of this thread's latest panic.
    static LOCATION: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The listener for panics, once there is a host.
static LISTENER: OnceLock<Listener> = OnceLock::new();

/// The functions that are told of panics.
pub(crate) struct Listener {
    /// A thread panics, at this location and with this message. Two empty texts mean that the panic has been caught.
    pub(crate) note_panic: fn(&str, &str),
    /// Logs that a thread of the engine's own has panicked.
    pub(crate) log: fn(&str),
}

/// Tells this listener of all panics from now on, unless another one listens already.
pub(crate) fn tell_panics_to(listener: Listener) {
    // The first listener stays: there is one host per loaded library.
    let _ = LISTENER.set(listener);
}

/// Runs one entry from the host. A panic becomes a [`Failure`] with its message and location.
pub(crate) fn contain<R>(entry: impl FnOnce() -> R) -> Result<R, *mut Failure> {
    DEPTH.with(|depth| {
        depth.set(depth.get() + 1);
        // The session or engine may be left inconsistent by a panic. The host closes the connection, and `on_closed`
        // sees the session as any code after a caught panic does; Rust's memory safety does not depend on it.
        let result = catch_unwind(AssertUnwindSafe(entry)).map_err(panicked);
        let left = depth.get() - 1;
        if left == PANICKED {
            depth.set(0);
            tell_host("", "");
        } else {
            depth.set(left);
        }
        result
    })
}

/// Makes an error's message a failure without a location.
pub(crate) fn failed(message: String) -> *mut Failure {
    failure(message, String::new())
}

/// Notes the location of panics inside [`contain`], and tells the host of every panic before it unwinds: a panic that
/// cannot unwind, or that meets another on its way, ends the process. Panics on threads of the engine's own go to the
/// host's log.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let location = info.location().map(ToString::to_string).unwrap_or_default();
            let message = message(info.payload());
            tell_host(&location, message);
            if DEPTH.get() != 0 {
                DEPTH.set(DEPTH.get() | PANICKED);
                note(location);
            } else if let Some(listener) = LISTENER.get() {
                // Rust's own hook would wait for the reader of stderr.
                (listener.log)(&format!("a thread of the engine panicked at {location}: {message}"));
            } else {
                previous(info);
            }
        }));
    });
}

fn tell_host(location: &str, message: &str) {
    if let Some(listener) = LISTENER.get() {
        (listener.note_panic)(location, message);
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}

fn note(location: String) {
    // While the thread ends, it may be gone.
    let _ = LOCATION.try_with(|noted| {
        if let Ok(mut noted) = noted.try_borrow_mut() {
            *noted = location;
        }
    });
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> *mut Failure {
    let message = message(payload.as_ref()).to_owned();
    // A payload of the engine's own type may panic again when it is dropped.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    failure(message, LOCATION.try_with(RefCell::take).unwrap_or_default())
}

fn failure(message: String, location: String) -> *mut Failure {
    Box::into_raw(Box::new(Failure { message: message.into(), location: location.into(), release }))
}

/// Takes the text of a failure and frees it.
pub(crate) fn take_text(failure: *mut Failure) -> String {
    // SAFETY: the failure is ours, and nobody else has it.
    let failure = unsafe { Box::from_raw(failure) };
    if failure.location.is_empty() {
        format!("failed: {}", failure.message)
    } else {
        format!("panicked at {}: {}", failure.location, failure.message)
    }
}

entries! {
    fn release(failure: *mut Failure) {
        // SAFETY: the host hands back what `failure` made, once.
        drop(unsafe { Box::from_raw(failure) });
    }
}
