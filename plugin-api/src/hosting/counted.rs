//! Counted objects of the host: an `Arc` on the host's side, a pointer in the hands of an engine.
//!
//! An engine owns counts of an object, or has it on loan for the duration of a call.

use std::mem::ManuallyDrop;
use std::sync::Arc;

/// Gives a count away.
#[inline]
pub(super) fn give<T>(object: Arc<T>) -> *const () {
    Arc::into_raw(object).cast()
}

/// Lends the object.
#[inline]
pub(super) fn lend<T>(object: &Arc<T>) -> *const () {
    Arc::as_ptr(object).cast()
}

/// Adds a count for the caller.
///
/// # Safety
///
/// `object` came from [`give`] or [`lend`] of a `T`, and the caller owns a count of it or has it on loan.
pub(super) unsafe fn retain<T>(object: *const ()) {
    // SAFETY: the caller's promise.
    unsafe { Arc::increment_strong_count(object.cast::<T>()) }
}

/// Takes a count back.
///
/// # Safety
///
/// `object` came from [`give`] of a `T`, and the caller gives up a count of it.
pub(super) unsafe fn release<T>(object: *const ()) {
    // SAFETY: the caller's promise.
    unsafe { Arc::decrement_strong_count(object.cast::<T>()) }
}

/// The object, for as long as the caller has it.
///
/// # Safety
///
/// As for [`retain`].
#[inline]
pub(super) unsafe fn borrow<'a, T>(object: *const ()) -> &'a T {
    // SAFETY: the caller's promise.
    unsafe { &*object.cast::<T>() }
}

/// The object with its count, which still belongs to the caller.
///
/// # Safety
///
/// As for [`retain`].
#[inline]
pub(super) unsafe fn borrow_arc<T>(object: *const ()) -> ManuallyDrop<Arc<T>> {
    // SAFETY: the caller's promise; the count is not given up.
    ManuallyDrop::new(unsafe { Arc::from_raw(object.cast::<T>()) })
}
