//! The lock for host code that engines can reach. While it is held, no engine is called and nothing of an engine is
//! dropped.
//!
//! An engine may call the host from any of its code, even from a drop, and would wait for ever for a lock that its own
//! thread holds. In debug builds each thread counts the locks that it holds, and `about_to_call_engine` checks the
//! count. A panic does not spoil the lock: the guarded data is consistent between any two statements that can panic.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(debug_assertions)]
thread_local! {
    /// The number of locks that this thread holds.
    static HELD: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// A mutex.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

/// The guard of a lock.
#[derive(Debug)]
pub(crate) struct Held<'l, T>(MutexGuard<'l, T>, Count);

impl<T> Lock<T> {
    /// A lock that nobody holds.
    pub(crate) const fn new(guarded: T) -> Self {
        Lock(Mutex::new(guarded))
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn hold(&self) -> Held<'_, T> {
        Held(self.0.lock().unwrap_or_else(PoisonError::into_inner), Count::one_more())
    }
}

impl<'l, T> Held<'l, T> {
    /// Releases the lock until `changed` is notified.
    pub(crate) fn wait(self, changed: &Condvar) -> Held<'l, T> {
        Held(changed.wait(self.0).unwrap_or_else(PoisonError::into_inner), self.1)
    }

    /// The same, but waits no longer than `longest`. Returns whether that time is over as well.
    pub(crate) fn wait_timeout(self, changed: &Condvar, longest: Duration) -> (Held<'l, T>, bool) {
        let (guard, timeout) = changed.wait_timeout(self.0, longest).unwrap_or_else(PoisonError::into_inner);
        (Held(guard, self.1), timeout.timed_out())
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Counts one held lock.
#[derive(Debug)]
struct Count;

impl Count {
    #[inline]
    fn one_more() -> Count {
        #[cfg(debug_assertions)]
        HELD.set(HELD.get() + 1);
        Count
    }
}

#[cfg(debug_assertions)]
impl Drop for Count {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
    }
}

/// Call this before anything that runs the author's code.
#[inline]
pub(crate) fn about_to_call_engine() {
    #[cfg(debug_assertions)]
    if HELD.get() > 0 {
        tracing::error!("an engine is called under a lock of wshost's, please report it");
        #[cfg(test)]
        panic!("an engine is called under a lock");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn an_engine_that_is_called_under_a_lock_is_noticed() {
        let (one, other) = (Lock::new(1), Lock::new(2));
        about_to_call_engine();
        let held = one.hold();
        let seen = catch_unwind(about_to_call_engine).is_err();
        let both = *held + *other.hold();
        drop(held);
        assert_eq!((both, seen), (3, cfg!(debug_assertions)));
        about_to_call_engine();
    }

    #[test]
    fn a_panic_does_not_spoil_it() {
        let lock = Lock::new(1);
        let panicked = catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut held = lock.hold();
            *held = 2;
            panic!("while it is held");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.hold(), 2);
        about_to_call_engine();
    }

    #[test]
    fn it_is_held_again_after_a_wait() {
        let (lock, changed) = (Lock::<bool>::default(), Condvar::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                *lock.hold() = true;
                changed.notify_all();
            });
            let mut held = lock.hold();
            while !*held {
                held = held.wait_timeout(&changed, Duration::from_secs(60)).0;
            }
            #[cfg(debug_assertions)]
            assert_eq!(HELD.get(), 1);
        });
        about_to_call_engine();
    }
}
