//! The batch that a thread has at hand: that of the connection whose callback it runs.

use crate::client::batch::Batch;
use std::cell::RefCell;

thread_local! {
    /// The batch, and the number of its client.
    static BATCH: RefCell<Option<(u64, Box<Batch>)>> = const { RefCell::new(None) };
}

/// Uses those of the calling thread, see [`crate::touch_thread_locals`].
pub fn touch() {
    BATCH.with(|_| ());
}

/// Runs callbacks of the client `number` with its batch in reach of its own sends.
pub fn with_batch<R>(number: u64, batch: &mut Option<Box<Batch>>, callbacks: impl FnOnce() -> R) -> R {
    BATCH.set(batch.take().map(|batch| (number, batch)));
    let result = callbacks();
    *batch = BATCH.take().map(|(_, batch)| batch);
    result
}

/// Works on the batch of the client `number`, if one of its callbacks runs on this thread.
#[inline]
pub(super) fn with<R>(number: u64, work: impl FnOnce(&mut Batch) -> R) -> Option<R> {
    let at_hand = BATCH.try_with(|batch| match &mut *batch.borrow_mut() {
        Some((owner, batch)) if *owner == number => Some(work(batch)),
        _ => None,
    });
    // Not at hand while the thread ends.
    at_hand.unwrap_or_default()
}
