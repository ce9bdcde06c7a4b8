//! How much of this process's memory the mapped libraries take.
//!
//! It counts only what belongs to a library's file: its code, its constants, its initialised variables. Variables that
//! begin as zeros, and memory that the engine allocated, have no file and look like the host's own.

use procfs::process::{MMapPath, MemoryMap, Process};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

/// In bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// In memory now: Rss in `/proc/PID/smaps`.
    pub resident: u64,
    /// Of the address space: Size there.
    pub mapped: u64,
}

/// The memory of each file, by the file's name.
#[derive(Debug)]
pub(super) struct Usage(HashMap<OsString, Taken>);

impl Usage {
    /// The memory as of now, or `None` if the system does not tell.
    pub(super) fn read() -> Option<Usage> {
        let maps = Process::myself().and_then(|process| process.smaps());
        let maps = maps.inspect_err(|error| tracing::debug!("cannot read /proc/self/smaps: {error}")).ok()?;
        let mut taken = HashMap::<_, Taken>::new();
        for map in &maps {
            let Some(name) = file_name(map) else { continue };
            let size = |what| map.extension.map.get(what).copied().unwrap_or(0);
            let of_file = taken.entry(name).or_default();
            of_file.resident += size("Rss");
            of_file.mapped += size("Size");
        }
        Some(Usage(taken))
    }

    /// The memory of a plugin's copy. Its name is unique in this process, whatever the path to it looks like.
    pub(super) fn of(&self, copy: &Path) -> Taken {
        copy.file_name().and_then(|name| self.0.get(name)).copied().unwrap_or_default()
    }
}

fn file_name(map: &MemoryMap) -> Option<OsString> {
    let MMapPath::Path(path) = &map.pathname else { return None };
    let name = path.file_name()?;
    // The kernel adds this mark to a file that has no name any more.
    let name = name.to_str().map_or(name, |name| name.strip_suffix(" (deleted)").unwrap_or(name).as_ref());
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_takes_memory_and_what_is_not_takes_none() {
        let usage = Usage::read().unwrap();
        let program = std::env::current_exe().unwrap();
        let taken = usage.of(&program);
        assert!(taken.resident > 0 && taken.resident <= taken.mapped, "{taken:?}");
        assert_eq!(usage.of(Path::new("/no/such")), Taken::default());
    }
}
