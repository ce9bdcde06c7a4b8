//! Knows which call into an engine each thread is in: for the watchdog, and for the last line of a process that
//! crashes.
//!
//! A call is noted on the stack of its thread, and a thread-local points to it, so that a signal's handler can read it.
//! The threads that the watchdog checks also note it for other threads. Neither way reads a clock, takes a lock or
//! allocates.
//!
//! `watch` finds callbacks that block, and through `witness` the program learns of panics. This knows no client and no
//! table: a call has a name, an engine, and the number and address of the client that it is for.

pub mod watch;
pub mod witness;

use crate::lock::{Lock, about_to_call_engine};
use std::cell::Cell;
use std::ptr;

pub use plugin_api::hosting::{Callback, Whose};

/// The peer that a call is made for.
#[derive(Clone, Copy, Debug)]
pub enum CallFor<'a> {
    Nobody,
    /// A client: its number, and the address of its peer.
    Client {
        number: u64,
        peer: &'a str,
    },
    /// A peer that is not a client yet.
    Peer(&'a str),
}

/// A call that has not returned.
#[derive(Debug)]
pub struct Call<'a> {
    pub callback: Callback,
    pub whose: &'a Whose<'a>,
    pub whom: CallFor<'a>,
    /// The call within which this one was made, or null: a job may run within a callback.
    _outer: *const Call<'static>,
}

thread_local! {
    // They have no destructor, so they work at every stage of a thread's life and in a signal's handler.
    static INNERMOST: Cell<*const Call<'static>> = const { Cell::new(ptr::null()) };
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// All generations since the process began.
static GENERATIONS: Lock<Vec<Whose<'static>>> = Lock::new(Vec::new());

/// Makes a call into an engine.
#[inline]
pub fn watched<R>(callback: Callback, whose: &Whose<'_>, whom: CallFor<'_>, call: impl FnOnce() -> R) -> R {
    about_to_call_engine();
    let outer = INNERMOST.get();
    let this = Call { callback, whose, whom, _outer: outer };
    INNERMOST.set((&raw const this).cast());
    let _outer_again = Restored(outer);
    watch::noted(callback, whose.number, whom, call)
}

struct Restored(*const Call<'static>);

impl Drop for Restored {
    #[inline]
    fn drop(&mut self) {
        INNERMOST.set(self.0);
    }
}

/// The innermost call of this thread, or null. It is there until it returns.
pub fn innermost() -> *const Call<'static> {
    INNERMOST.get()
}

/// Notes that the calling thread belongs to the host.
pub fn this_thread_is_ours() {
    OURS.set(true);
}

/// Whether the calling thread is known to belong to the host.
pub fn is_this_thread_ours() -> bool {
    OURS.get()
}

/// Registers a generation under its number.
pub fn register(whose: Whose<'static>) {
    GENERATIONS.hold().push(whose);
}

/// The generation of this number.
pub fn generation(number: u32) -> Option<Whose<'static>> {
    let generations = GENERATIONS.hold();
    generations.iter().find(|whose| whose.number == number).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_noted_until_it_returns_or_panics() {
        let whose = Whose { number: 1, name: "a", version: "1" };
        let inner = || watched(Callback::Job, &whose, CallFor::Nobody, innermost);
        let (outer, inner) = watched(Callback::Text, &whose, CallFor::Nobody, || (innermost(), inner()));
        assert!(!outer.is_null() && !inner.is_null() && outer != inner);
        let panics = || watched(Callback::Text, &whose, CallFor::Nobody, || panic!("as it must not"));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        assert!(innermost().is_null());
    }
}
