//! The batch at hand on a thread: that of the connection whose callback the thread runs.

use crate::client::batch::Batch;
use std::cell::RefCell;

thread_local! {
    /// The number of the client, and its batch.
    static BATCH: RefCell<Option<(u64, Box<Batch>)>> = const { RefCell::new(None) };
}

/// Uses the calling thread's thread-locals, see [`crate::touch_thread_locals`].
pub(crate) fn touch() {
    BATCH.with(|_| ());
}

/// Runs callbacks of the client `number`, whose own sends can reach its batch meanwhile.
pub(crate) fn with_batch<R>(number: u64, batch: &mut Option<Box<Batch>>, callbacks: impl FnOnce() -> R) -> R {
    BATCH.set(batch.take().map(|batch| (number, batch)));
    let result = callbacks();
    *batch = BATCH.take().map(|(_, batch)| batch);
    result
}

/// Works on the batch of the client `number`, if this thread runs one of its callbacks.
#[inline]
pub(super) fn with<R>(number: u64, work: impl FnOnce(&mut Batch) -> R) -> Option<R> {
    let at_hand = BATCH.try_with(|batch| match &mut *batch.borrow_mut() {
        Some((owner, batch)) if *owner == number => Some(work(batch)),
        _ => None,
    });
    // It is out of reach while the thread ends.
    at_hand.unwrap_or_default()
}
