//! A plugin's file, before anything of it runs: whether it is a library that this machine can open, and the private copy
//! that is opened in its place.

use super::library::LoadError;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// Makes a private copy of the file, under a name that no load has had.
pub(super) fn stage(path: &Path) -> Result<(TempDir, PathBuf), LoadError> {
    static GENERATION: AtomicU64 = AtomicU64::new(1);
    let unreadable = |action| move |error| LoadError::Unreadable { action, path: path.to_owned(), error };
    let content = fs::read(path).map_err(unreadable("read"))?;
    check_elf(&content).map_err(|what| LoadError::NotALibrary { path: path.to_owned(), what })?;

    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = tempfile::Builder::new().prefix("wshost-").tempdir().map_err(unreadable("make a private copy of"))?;
    let copy = folder.path().join(format!("{generation}-{:016x}-{file_name}", hasher.finish()));
    fs::write(&copy, content).map_err(unreadable("make a private copy of"))?;
    Ok((folder, copy))
}

/// Refuses what the system's loader would crash on or describe badly: it maps what the headers promise, so that a
/// truncated file ends the process.
fn check_elf(content: &[u8]) -> Result<(), String> {
    type Header = elf::FileHeader64<Endianness>;
    if content.is_empty() {
        return Err("empty".into());
    }
    if !content.starts_with(&elf::ELFMAG) {
        return Err("not a dynamic library".into());
    }
    let header = Header::parse(content).map_err(|_| "not a 64-bit dynamic library".to_owned())?;
    let endian = header.endian().map_err(|_| "not a dynamic library of this machine's byte order".to_owned())?;
    let machine = header.e_machine(endian);
    if machine != own_machine() {
        return Err(format!("built for another architecture (ELF machine {machine}, this one is {})", own_machine()));
    }
    if header.e_type(endian) != elf::ET_DYN {
        return Err("not a dynamic library (an object file or a program)".into());
    }
    let truncated = |_| "truncated".to_owned();
    let end = u64::try_from(content.len()).unwrap_or(u64::MAX);
    for segment in header.program_headers(endian, content).map_err(truncated)? {
        let (offset, size) = segment.file_range(endian);
        if segment.p_type(endian) == elf::PT_LOAD && offset.checked_add(size).is_none_or(|last| last > end) {
            return Err("truncated".into());
        }
    }
    header.section_headers(endian, content).map_err(truncated)?;
    Ok(())
}

fn own_machine() -> u16 {
    if cfg!(target_arch = "x86_64") {
        elf::EM_X86_64
    } else if cfg!(target_arch = "aarch64") {
        elf::EM_AARCH64
    } else if cfg!(target_arch = "riscv64") {
        elf::EM_RISCV
    } else {
        elf::EM_NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_truncated_library_at_any_length() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        for part in 1..8 {
            assert!(check_elf(&program[..program.len() * part / 8]).is_err(), "{part}/8 of the file passed");
        }
    }
}
