//! Guards the functions that engines call: none of them unwinds or ends the process, whoever calls it and when.
//!
//! A panic that left an `extern "C"` function would end the process. Engines call from any thread at any stage of its life,
//! also in the destructors of thread-locals and while they unwind themselves, so every function of a table is made by
//! [`table_functions!`](table_functions), which goes through [`guarded`]. A test sees to it that no other is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs what an engine has called. A panic in it is a fault of wshost: it is logged, the first time, and the engine gets
/// an answer that does no harm.
#[inline]
pub(super) fn guarded<R>(
    function: &'static str,
    told: &AtomicBool,
    harmless: impl FnOnce() -> R,
    body: impl FnOnce() -> R,
) -> R {
    // What the body works on is behind locks, all of which are used on after a panic, or the engine's.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => {
            report(function, told, payload.as_ref());
            // Its drop may panic, too, and what is left of it is little.
            std::mem::forget(payload);
            harmless()
        }
    }
}

#[cold]
fn report(function: &'static str, told: &AtomicBool, payload: &(dyn Any + Send)) {
    if told.swap(true, Ordering::Relaxed) {
        return;
    }
    let text = payload.downcast_ref::<&str>().copied();
    let why = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    // Where even that panics, nobody hears of it.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        tracing::error!(function, "a call of an engine was not done by a fault of wshost, please report it: {why}");
    }));
}

/// Makes functions of a table, for example:
///
/// ```ignore
/// fn buffered(object: ClientObject) -> usize, else 0 => { ... }
/// ```
///
/// `else` is the answer after a panic. The body is the contract of the table's function away from `unsafe`: it says at each
/// use of a pointer why it may.
macro_rules! table_functions {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $returned:ty)?, else $harmless:expr => $body:block
    )+) => {$(
        $(#[$attribute])*
        unsafe extern "C" fn $name($($argument: $type),*) $(-> $returned)? {
            static TOLD: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
            $crate::engine::guard::guarded(stringify!($name), &TOLD, || $harmless, move || $body)
        }
    )+};
}
pub(super) use table_functions;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_answered_with_what_does_no_harm() {
        let told = AtomicBool::new(false);
        assert_eq!(guarded("one", &told, || 7, || 8), 8);
        assert!(!told.load(Ordering::Relaxed));
        assert_eq!(guarded("one", &told, || 7, || panic!("a fault of {}", "ours")), 7);
        assert!(told.load(Ordering::Relaxed));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_left_alone() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let told = AtomicBool::new(false);
        assert_eq!(guarded("one", &told, || 7, || std::panic::panic_any(Bomb)), 7);
    }

    #[test]
    fn every_function_that_engines_call_is_guarded() {
        let files = [
            include_str!("client_table.rs"),
            include_str!("host_table.rs"),
            include_str!("metric_table.rs"),
            include_str!("instance.rs"),
            include_str!("services.rs"),
            include_str!("object.rs"),
        ];
        for file in files {
            let unguarded = file.lines().find(|line| line.contains("extern \"C\" fn "));
            assert_eq!(unguarded, None, "to be made by table_functions!");
        }
    }
}
