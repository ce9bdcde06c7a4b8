//! Guards the functions that engines call: none of them unwinds or ends the process, on whichever thread and at any
//! time.
//!
//! A panic that left an `extern "C"` function would end the process. Engines call from any thread at any stage of its
//! life, even in the destructors of thread-locals and while they unwind themselves. So
//! [`host_functions!`](host_functions) makes every function of a table, and goes through [`guarded`]. A test ensures
//! that there are no others.

use super::Hosting;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs the body of a function that an engine has called. A panic in it is a fault of the host: the first one is
/// reported, and the engine gets a harmless answer.
#[inline]
pub(super) fn guarded<H: Hosting, R>(
    function: &'static str,
    told: &AtomicBool,
    harmless: impl FnOnce() -> R,
    body: impl FnOnce() -> R,
) -> R {
    // The body's data is the engine's, or is behind locks, all of which still work after a panic.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => {
            if !told.swap(true, Ordering::Relaxed) {
                report::<H>(function, payload.as_ref());
            }
            // Its drop may panic as well, and little is left of it.
            std::mem::forget(payload);
            harmless()
        }
    }
}

#[cold]
fn report<H: Hosting>(function: &'static str, payload: &(dyn Any + Send)) {
    let text = payload.downcast_ref::<&str>().copied();
    let why = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    // If even that panics, nobody can be told.
    let _ = catch_unwind(AssertUnwindSafe(|| H::report_fault(function, why)));
}

/// Makes functions of a table, generic over the host `H`, for example:
///
/// ```ignore
/// fn buffered(object: ClientObject) -> usize, else 0 => { ... }
/// ```
///
/// `else` is the answer after a panic. Each function's contract is at the table's field of the same name, in
/// [`abi`](crate::abi); its body names at each use of a pointer the part of the contract that it relies on.
macro_rules! host_functions {
    ($(
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $returned:ty)?, else $harmless:expr => $body:block
    )+) => {$(
        unsafe extern "C" fn $name<H: $crate::hosting::Hosting>($($argument: $type),*) $(-> $returned)? {
            static TOLD: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
            $crate::hosting::guard::guarded::<H, _>(stringify!($name), &TOLD, || $harmless, move || $body)
        }
    )+};
}
pub(super) use host_functions;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosting::tests::{TestHosting, faults};

    #[test]
    fn a_panic_is_answered_with_what_does_no_harm_and_reported_once() {
        let told = AtomicBool::new(false);
        assert_eq!(guarded::<TestHosting, _>("fine", &told, || 7, || 8), 8);
        for _ in 0..2 {
            assert_eq!(guarded::<TestHosting, _>("faulty", &told, || 7, || panic!("a fault of {}", "ours")), 7);
        }
        assert_eq!(faults("faulty"), ["a fault of ours"]);
        assert_eq!(faults("fine"), [""; 0]);
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
        assert_eq!(guarded::<TestHosting, _>("bomb", &told, || 7, || std::panic::panic_any(Bomb)), 7);
    }

    #[test]
    fn every_function_that_engines_call_is_guarded() {
        let files = [
            include_str!("client.rs"),
            include_str!("services.rs"),
            include_str!("metric.rs"),
            include_str!("engine.rs"),
            include_str!("handover.rs"),
            include_str!("object.rs"),
        ];
        for file in files {
            let unguarded = file.lines().find(|line| line.contains("extern \"C\" fn ") && !line.contains("discard: "));
            assert_eq!(unguarded, None, "to be made by host_functions!");
        }
    }
}
