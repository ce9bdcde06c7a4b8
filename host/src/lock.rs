//! Locks a mutex also after a panic of an earlier holder.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex of which every holder leaves the data consistent, also by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
