//! The panics of the calling thread in an engine that are not over. If a panic ends in an abort, such as a panic within
//! another, this is all that is left of it.

// A signal's handler reads the thread's data.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use wshost_core::calls::Whose;

/// How many of the last panics are kept: the first, the one in a drop, and Rust's own about them.
const KEPT: usize = 3;
/// How many bytes of each are kept.
const LONGEST: usize = 480;

struct Panics {
    /// How many there were.
    count: Cell<usize>,
    name: Cell<&'static str>,
    version: Cell<&'static str>,
    kept: [Text; KEPT],
}

struct Text {
    length: Cell<usize>,
    bytes: UnsafeCell<[u8; LONGEST]>,
}

thread_local! {
    // They have no destructor and are not on the heap, so a signal's handler can read them.
    static PANICS: Panics = const {
        Panics { count: Cell::new(0), name: Cell::new(""), version: Cell::new(""), kept: [const { Text::new() }; KEPT] }
    };
}

/// Notes a panic of this thread in code of this engine.
pub(crate) fn note(whose: &Whose<'static>, location: &str, message: &str) {
    PANICS.with(|panics| {
        let number = panics.count.get();
        panics.name.set(whose.name);
        panics.version.set(whose.version);
        panics.kept[number % KEPT].set(&[location, ": ", message]);
        panics.count.set(number + 1);
    });
}

/// Notes that the panic has been caught.
pub(crate) fn forget() {
    PANICS.with(|panics| panics.count.set(0));
}

/// The name and version of the engine whose panics are not over, if there are any.
pub(super) fn engine() -> Option<(&'static str, &'static str)> {
    PANICS.with(|panics| (panics.count.get() > 0).then(|| (panics.name.get(), panics.version.get())))
}

/// Passes each kept panic to `tell`, the first one first.
pub(super) fn each(mut tell: impl FnMut(&str)) {
    PANICS.with(|panics| {
        let count = panics.count.get();
        (count.saturating_sub(KEPT)..count).for_each(|number| tell(panics.kept[number % KEPT].text()));
    });
}

impl Text {
    const fn new() -> Text {
        Text { length: Cell::new(0), bytes: UnsafeCell::new([0; LONGEST]) }
    }

    fn set(&self, parts: &[&str]) {
        self.length.set(0);
        for part in parts {
            let begin = self.length.get();
            let length = part.len().min(LONGEST - begin);
            // SAFETY: the thread owns it; a handler that interrupts reads no further than `length`.
            unsafe { (&mut *self.bytes.get())[begin..begin + length].copy_from_slice(&part.as_bytes()[..length]) };
            self.length.set(begin + length);
        }
    }

    fn text(&self) -> &str {
        // SAFETY: the thread owns it, and nothing is written while it is read.
        let bytes = unsafe { &(&*self.bytes.get())[..self.length.get()] };
        // A letter may be cut in two.
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Vec<String> {
        let mut kept = Vec::new();
        each(|text| kept.push(text.to_owned()));
        kept
    }

    #[test]
    fn the_last_ones_are_kept_until_they_are_caught() {
        let whose = Whose { number: 1, name: "chat", version: "1.0.0" };
        assert_eq!(engine(), None);
        note(&whose, "src/lib.rs:1:2", "first");
        note(&whose, "src/lib.rs:3:4", "in a drop");
        assert_eq!(kept(), ["src/lib.rs:1:2: first", "src/lib.rs:3:4: in a drop"]);
        note(&whose, "src/lib.rs:5:6", &"é".repeat(1000));
        note(&whose, "", "fourth");
        assert_eq!(engine(), Some(("chat", "1.0.0")));
        assert_eq!(kept()[0], "src/lib.rs:3:4: in a drop");
        assert!(kept()[1].ends_with('é'));
        forget();
        assert_eq!((engine(), kept()), (None, Vec::new()));
    }
}
