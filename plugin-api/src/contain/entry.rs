//! Entries: the functions that the host calls. [`entries!`](entries) makes them all, so that none can run the author's
//! code outside of [`contain`].
//!
//! The author's code is more than callbacks: it is also the text and the drop of an error, the drop of a closure's
//! captured values, and the drop of a session. So values that cross are made inside as well, and only pointers and
//! numbers outside.

use super::{contain, take_text};
use crate::abi::{
    AuthenticateReturned, ClientId, ClientObject, EngineObject, Exported, Failure, Imported, NewReturned, Returned,
    SessionObject,
};
use abi_stable::std_types::{ROption, RStr, RVec};
use std::error::Error;
use std::ptr::{null, null_mut};

/// Runs one entry: `body` is all of it.
#[inline]
pub(crate) fn entry<A: Answer>(body: impl FnOnce() -> A) -> A {
    contain(body).unwrap_or_else(A::failed)
}

/// Makes entries. Each body runs inside [`entry`].
macro_rules! entries {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$engine:ident: $bound:path>)? (
            $($argument:ident: $type:ty),* $(,)?
        ) $(-> $returned:ty)? $body:block
    )+) => {$(
        $(#[$attribute])*
        $visibility unsafe extern "C" fn $name $(<$engine: $bound>)? ($($argument: $type),*) $(-> $returned)? {
            $crate::contain::entry::entry(move || $body)
        }
    )+};
}
pub(crate) use entries;

/// A return type of entries. It can say instead that the entry panicked.
pub(crate) trait Answer {
    fn failed(failure: *mut Failure) -> Self;
}

impl Answer for *mut Failure {
    fn failed(failure: *mut Failure) -> Self {
        failure
    }
}

impl Answer for Returned {
    fn failed(failure: *mut Failure) -> Self {
        Returned { failure, ..Returned::NOTHING }
    }
}

impl Answer for NewReturned {
    fn failed(failure: *mut Failure) -> Self {
        NewReturned { engine: EngineObject(null()), failure, configuration_at_fault: false }
    }
}

impl Answer for AuthenticateReturned {
    fn failed(failure: *mut Failure) -> Self {
        AuthenticateReturned { accepted: false, session: SessionObject(null_mut()), failure }
    }
}

impl Answer for Exported {
    fn failed(failure: *mut Failure) -> Self {
        Exported { bytes: RVec::new(), failure }
    }
}

impl Answer for Imported {
    fn failed(failure: *mut Failure) -> Self {
        Imported { session: SessionObject(null_mut()), failure }
    }
}

/// Return types that have no place for a failure. The failure is logged.
macro_rules! without_failure {
    ($($type:ty => $harmless:expr;)+) => {$(
        impl Answer for $type {
            fn failed(failure: *mut Failure) -> Self {
                tell(failure);
                $harmless
            }
        }
    )+};
}

without_failure! {
    () => ();
    bool => false;
    u64 => 0;
    usize => 0;
    RStr<'static> => RStr::empty();
    ClientId => ClientId { high: 0, low: 0 };
    ClientObject => ClientObject::NONE;
    ROption<crate::abi::Interface> => ROption::RNone;
}

/// Logs a failure that cannot be returned.
pub(crate) fn tell(failure: *mut Failure) {
    let text = take_text(failure);
    // The author may have installed this logger.
    if let Err(failure) = contain(|| log::error!("a call from the host {text}")) {
        drop(take_text(failure));
    }
}

/// Takes the text of an author's error and drops the error. Both may panic.
pub(crate) fn text_of(error: Box<dyn Error + Send + Sync>) -> String {
    let text = contain(|| error.to_string())
        .unwrap_or_else(|failure| format!("an error that cannot say what it is: its text {}", take_text(failure)));
    match contain(|| drop(error)) {
        Ok(()) => text,
        Err(failure) => format!("{text}; the drop of this error {}", take_text(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    /// Panics on demand.
    #[derive(Debug)]
    struct Hostile {
        text: bool,
        drop: bool,
    }

    impl fmt::Display for Hostile {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            assert!(!self.text, "in the text");
            f.write_str("hostile")
        }
    }

    impl Error for Hostile {}

    impl Drop for Hostile {
        fn drop(&mut self) {
            assert!(!self.drop, "in the drop");
        }
    }

    #[test]
    fn an_error_that_panics_when_it_is_shown_and_dropped_has_a_text_all_the_same() {
        crate::contain::install_hook();
        let text = |text, drop| text_of(Box::new(Hostile { text, drop }));
        assert_eq!(text(false, false), "hostile");
        let both = text(true, true);
        assert!(both.starts_with("an error that cannot say what it is: its text panicked"), "{both}");
        assert!(both.contains("in the text; the drop of this error panicked"), "{both}");
        assert!(both.ends_with("in the drop"), "{both}");
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_again_and_again_is_a_failure_all_the_same() {
        struct Bomb(u32);
        impl Drop for Bomb {
            fn drop(&mut self) {
                if self.0 > 0 {
                    std::panic::panic_any(Bomb(self.0 - 1));
                }
            }
        }
        let failure: *mut Failure = entry(|| std::panic::panic_any(Bomb(3)));
        assert!(take_text(failure).ends_with("a panic without a text"));
        assert!(!entry(|| -> bool { std::panic::panic_any(Bomb(3)) }));
    }

    /// FAULTS E1: these are the only ways in.
    #[test]
    fn every_function_that_the_host_calls_is_an_entry() {
        let files = [
            ("export/mod.rs", include_str!("../export/mod.rs")),
            ("export/handover.rs", include_str!("../export/handover.rs")),
            ("export/manifest.rs", include_str!("../export/manifest.rs")),
            ("job.rs", include_str!("../job.rs")),
            ("metric.rs", include_str!("../metric.rs")),
            ("handles/client.rs", include_str!("../handles/client.rs")),
            ("handles/fragments.rs", include_str!("../handles/fragments.rs")),
            ("handles/group.rs", include_str!("../handles/group.rs")),
            ("handles/host.rs", include_str!("../handles/host.rs")),
            ("handles/timer.rs", include_str!("../handles/timer.rs")),
            ("contain/mod.rs", include_str!("../contain/mod.rs")),
            ("logger.rs", include_str!("../logger.rs")),
        ];
        // These only hand out tables that exist already.
        let excepted = ["extern \"C\" fn root_module() -> $crate", "extern \"C\" fn interface<D: Described>("];
        for (file, text) in files {
            let is_entry = |line: &&str| {
                let defines = line.contains("extern \"C\" fn ") && line.trim_end().ends_with(['{', '(']);
                defines && !excepted.iter().any(|excepted| line.contains(excepted))
            };
            assert_eq!(text.lines().find(is_entry), None, "{file}: to be made by entries!");
        }
    }
}
