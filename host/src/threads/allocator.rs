//! Returns unused memory to the system.
//!
//! The allocator keeps memory that a thread has freed for that thread's next request, and only reviews it when the
//! thread allocates or frees again. After a burst the thread may be idle, and the memory of all clients together would
//! stay. So threads that serve clients call this from time to time.
#![allow(unsafe_code)] // one call of the allocator

use std::time::Duration;

/// How long memory may lie unused. If this is shorter, more of the returned memory is soon requested again.
pub(crate) const QUIET: Duration = Duration::from_secs(5);

/// Returns memory that the calling thread has freed, or that others have freed for it. It takes some microseconds, or
/// more if there is much to return.
pub(crate) fn give_back() {
    // SAFETY: any thread may call it at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
