//! The system's knowledge of this process: its memory, and the names of its threads.

// These system calls have no safe interface, or none that does not allocate.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::null;

/// Reads up to `into.len()` bytes of this process's own memory, which need not exist. Returns how many it read.
pub(super) fn read_memory(address: usize, into: &mut [u8]) -> usize {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: into.len() };
    // SAFETY: the system writes only to `into`, and reads only readable memory.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(read).unwrap_or(0)
}

/// The name of the calling thread, as the system knows it.
pub(super) fn thread_name(into: &mut [u8; 16]) -> &str {
    // SAFETY: the system writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, into.as_mut_ptr(), null::<c_void>(), null::<c_void>(), null::<c_void>()) };
    let end = into.iter().position(|byte| *byte == 0).unwrap_or(into.len());
    std::str::from_utf8(&into[..end]).unwrap_or("?")
}
