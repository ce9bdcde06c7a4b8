//! Memory that nobody uses goes back to the system.
//!
//! The allocator keeps what a thread has freed for that thread's next wish, and looks after it only when the thread
//! allocates or frees again. Behind a burst the thread may be idle, and what all clients together have had would stay.
//! So threads that serve clients ask for it from time to time.
#![allow(unsafe_code)] // one call of the allocator

use std::time::Duration;

/// How long memory may lie about that nobody uses. Shorter, and more of what is given back is soon asked for again.
pub(crate) const QUIET: Duration = Duration::from_secs(5);

/// Gives back what the calling thread has freed, or others have freed that it had. Takes some microseconds, more where much
/// is given back.
pub(crate) fn give_back() {
    // SAFETY: may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
