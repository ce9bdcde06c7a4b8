//! Keeps panics inside the engine: the only `catch_unwind`, and the hook that notes where a panic came from.
//!
//! A panic that reached the host would abort the process, and the host cannot catch a panic of the engine's own copy of
//! the standard library. So every entry from the host goes through [`contain`], by means of [`entry`](crate::entry).

use crate::abi::Failure;
use crate::entry::entries;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many calls from the host are on this thread's stack.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the latest panic of this thread happened.
    static LOCATION: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs one entry from the host. A panic becomes a [`Failure`] with its message and location.
pub(crate) fn contain<R>(entry: impl FnOnce() -> R) -> Result<R, *mut Failure> {
    DEPTH.with(|depth| {
        depth.set(depth.get() + 1);
        // The session or engine may be left inconsistent by a panic. The host closes the connection, and `on_closed`
        // sees the session as any code after a caught panic does; Rust's memory safety does not depend on it.
        let result = catch_unwind(AssertUnwindSafe(entry)).map_err(panicked);
        depth.set(depth.get() - 1);
        result
    })
}

/// An error as a failure without a location.
pub(crate) fn failed(message: String) -> *mut Failure {
    failure(message, String::new())
}

/// Notes the location of panics inside [`contain`]; others go to the hook that was there before.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 {
                previous(info);
            } else {
                note_location(info);
            }
        }));
    });
}

fn note_location(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    // While the thread ends, there is no place for it.
    let _ = LOCATION.try_with(|noted| {
        if let Ok(mut noted) = noted.try_borrow_mut() {
            *noted = location;
        }
    });
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> *mut Failure {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a text".to_owned()
    };
    // A payload of the engine's own type may panic once more when it is dropped.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    failure(message, LOCATION.try_with(RefCell::take).unwrap_or_default())
}

fn failure(message: String, location: String) -> *mut Failure {
    Box::into_raw(Box::new(Failure { message: message.into(), location: location.into(), release }))
}

/// What a failure says, which ends here.
pub(crate) fn take_text(failure: *mut Failure) -> String {
    // SAFETY: the failure is ours, and nobody else's.
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
