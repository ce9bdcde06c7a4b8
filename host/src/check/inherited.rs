//! Closes the files and sockets that a child inherits by accident.
//!
//! Rust marks its own descriptors to be closed when another program starts. Descriptors that C code of an engine
//! opened, or that wshost itself inherited, may lack this mark.

// Descriptors are plain numbers here, and the compiler cannot know their owners.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::RawFd;

/// The last of stdin, stdout and stderr.
const LAST_STANDARD: RawFd = 2;

/// Closes all descriptors except the standard ones. Call this first: it also closes what this process has opened
/// itself.
///
/// # Errors
///
/// The system cannot list the open descriptors.
pub(super) fn close_descriptors() -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > LAST_STANDARD)
        .collect();
    // The list includes the descriptor of the folder that was read, which is closed by now.
    let still_open = |descriptor: &RawFd| fs::symlink_metadata(format!("/proc/self/fd/{descriptor}")).is_ok();
    for descriptor in open.into_iter().filter(still_open) {
        // SAFETY: it is open, and this process has not yet opened a descriptor that it will use later.
        unsafe { rustix::io::close(descriptor) };
    }
    Ok(())
}
