//! A plugin's file, before anything of it runs: whether it is a library that this machine can open, and what it says of
//! itself.

use super::fingerprint::Fingerprint;
use super::library::LoadError;
use super::revision;
use super::staged::Staged;
use abi_stable::library::ROOT_MODULE_LOADER_NAME;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, elf};
use plugin_api::abi::{FileManifest, MANIFEST_SECTION};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The content of a plugin's file, read once: what is checked is what is opened.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    fingerprint: Fingerprint,
    content: Vec<u8>,
    manifest: Option<FileManifest>,
}

impl Image {
    /// Reads the file and what it says of itself. None of its code runs.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no library for this machine, or no engine.
    pub fn read(path: &Path) -> Result<Image, LoadError> {
        let unreadable = |error| LoadError::Unreadable { path: path.to_owned(), error };
        let mut file = File::open(path).map_err(unreadable)?;
        // First: who writes to the file while it is read gives it another.
        let fingerprint = Fingerprint::of_metadata(&file.metadata().map_err(unreadable)?);
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(unreadable)?;
        let Found { manifest, engine } =
            look_into(&content).map_err(|what| LoadError::NotALibrary { path: path.to_owned(), what })?;
        if !engine {
            return Err(LoadError::NotAnEngine { path: path.to_owned() });
        }
        Ok(Image { path: path.to_owned(), fingerprint, content, manifest })
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which state of the file it is.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.content.len()
    }

    /// What the engine says of itself in the file. `None` where it says nothing: it is no engine, it is older than this
    /// manifest, or somebody has stripped off its sections.
    pub fn manifest(&self) -> Option<&FileManifest> {
        self.manifest.as_ref()
    }

    /// Whether the engine says of itself that it was built for another revision of the boundary than this host's.
    ///
    /// # Errors
    ///
    /// [`LoadError::OtherRevision`], with its name and both revisions.
    pub fn check_revision(&self) -> Result<(), LoadError> {
        let Some(manifest) = &self.manifest else { return Ok(()) };
        match revision::difference(manifest) {
            None => Ok(()),
            Some(why) => Err(LoadError::other_revision(&self.path, Some(manifest), why)),
        }
    }

    /// Makes a private copy of the file, under a name that no load has had.
    ///
    /// # Errors
    ///
    /// [`LoadError::OtherRevision`], and [`LoadError::NotStaged`]: there is no room for it, for example.
    pub fn stage(&self) -> Result<Staged, LoadError> {
        self.check_revision()?;
        Staged::of(self)
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }
}

/// What a library's file shows.
#[derive(Debug)]
struct Found {
    manifest: Option<FileManifest>,
    /// Whether it has what an engine is entered by, as far as the file shows: a library that is opened stays in memory.
    engine: bool,
}

/// Looks for what an engine has. Refuses what the system's loader would crash on or describe badly: it maps
/// what the headers promise, so that a truncated file ends the process.
fn look_into(content: &[u8]) -> Result<Found, String> {
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
    // Without readable names of sections the loader is as content as with them.
    let Ok(sections) = header.sections(endian, content) else { return Ok(Found { manifest: None, engine: true }) };
    let section = sections.section_by_name(endian, MANIFEST_SECTION.as_bytes());
    let manifest = section.and_then(|(_, section)| FileManifest::parse(section.data(endian, content).ok()?));
    let exported = sections.symbols(endian, content, elf::SHT_DYNSYM).map_err(truncated)?;
    let is_entry = |symbol: &elf::Sym64<_>| {
        symbol.name(endian, exported.strings()).is_ok_and(|name| name == ROOT_MODULE_LOADER_NAME.as_bytes())
    };
    Ok(Found { manifest, engine: exported.is_empty() || exported.iter().any(is_entry) })
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
    use std::fs;

    /// Opening one would keep it in memory for good.
    #[test]
    fn a_library_without_an_entry_is_no_engine() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let libc =
            maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|file| file.contains("/libc.so"));
        let found = look_into(&fs::read(libc.unwrap()).unwrap()).unwrap();
        assert!(!found.engine && found.manifest.is_none());
    }

    #[test]
    fn refuses_a_truncated_library_at_any_length() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        for part in 1..8 {
            assert!(look_into(&program[..program.len() * part / 8]).is_err(), "{part}/8 of the file passed");
        }
    }
}
