//! What a child gets from its parent without being meant to: open files and sockets.
//!
//! Those that Rust opens are closed when another program starts. Those that C code of an engine has opened, or that wshost
//! itself was given, may not be.

// Descriptors are numbers here, whose owner the compiler cannot know.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::RawFd;

/// The last of stdin, stdout and stderr.
const LAST_STANDARD: RawFd = 2;

/// Closes all descriptors but the standard ones. Before anything else: what the process has opened itself goes, too.
///
/// # Errors
///
/// The system does not tell which there are.
pub(super) fn close_descriptors() -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > LAST_STANDARD)
        .collect();
    // The folder's own was among them.
    let still_open = |descriptor: &RawFd| fs::symlink_metadata(format!("/proc/self/fd/{descriptor}")).is_ok();
    for descriptor in open.into_iter().filter(still_open) {
        // SAFETY: it is open, and nothing in this process has opened a descriptor yet that it would use later.
        unsafe { rustix::io::close(descriptor) };
    }
    Ok(())
}
