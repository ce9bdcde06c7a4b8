//! A plugin's file before any of its code runs: whether this machine can open it, and its manifest.

use super::build::Build;
use super::error::LoadError;
use super::revision;
use super::segments::Segments;
use super::staged::Staged;
use super::thread_storage;
use super::wholeness;
use crate::plugin::Fingerprint;
use crate::plugin::Plugin;
use abi_stable::library::ROOT_MODULE_LOADER_NAME;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, SectionIndex, elf};
use plugin_api::abi::{FileManifest, MANIFEST_SECTION};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The content of a plugin's file. It is read once, so that the checked content is the opened content.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    fingerprint: Fingerprint,
    content: Vec<u8>,
    manifest: Option<FileManifest>,
    build: Option<Build>,
    thread_storage: Option<u64>,
}

impl Image {
    /// Reads the file and its manifest. None of its code runs.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no library for this machine, or no engine.
    pub fn read(path: &Path) -> Result<Image, LoadError> {
        let unreadable = |error| LoadError::Unreadable { path: path.to_owned(), error };
        let mut file = File::open(path).map_err(unreadable)?;
        // This comes first: if somebody writes to the file while it is read, the file gets another fingerprint.
        let fingerprint = Fingerprint::of_metadata(&file.metadata().map_err(unreadable)?);
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(unreadable)?;
        let Found { manifest, engine, build, thread_storage } = look_into(&content).map_err(|fault| match fault {
            ImageFault::Kind(what) => LoadError::NotALibrary { path: path.to_owned(), what },
            ImageFault::Damage(what) => LoadError::Damaged { path: path.to_owned(), what },
        })?;
        if !engine {
            return Err(LoadError::NotAnEngine { path: path.to_owned() });
        }
        Ok(Image { path: path.to_owned(), fingerprint, content, manifest, build, thread_storage })
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the file.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> usize {
        self.content.len()
    }

    /// The manifest in the file. `None` if there is none: it is no engine, it is older than this form of manifest, or
    /// somebody has stripped its sections.
    pub fn manifest(&self) -> Option<&FileManifest> {
        self.manifest.as_ref()
    }

    /// Checks that the engine's manifest names this host's revision of the boundary.
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

    /// The build, if the file has an id.
    pub fn build(&self) -> Option<&Build> {
        self.build.as_ref()
    }

    /// A sentence on what each load uses up for good besides memory, and for how many loads it lasts. `None` if a load
    /// uses up nothing.
    pub fn uses_up(&self) -> Option<String> {
        let bytes = self.thread_storage?;
        let (reserve, enough) = (thread_storage::reserve(), thread_storage::enough(bytes));
        let reloads = (reserve / bytes).saturating_sub(1);
        Some(format!(
            "each load takes {bytes} of about {reserve} bytes that the system's loader has in reserve for static thread-local \
             storage, for good: about {reloads} reloads, and more with GLIBC_TUNABLES={}={enough} in wshost's environment",
            thread_storage::TUNABLE
        ))
    }

    pub(super) fn thread_storage(&self) -> Option<u64> {
        self.thread_storage
    }

    /// Refuses a file that has the running build's id but other content, and a file that is no longer as it was linked
    /// if the running one is.
    ///
    /// # Errors
    ///
    /// [`LoadError::NotAsBuilt`], [`LoadError::NotAsLinked`].
    pub fn check_build(&self, running: &Plugin) -> Result<(), LoadError> {
        let Some((own, running)) = self.build.as_ref().zip(running.build()) else { return Ok(()) };
        if own.contradicts(running) {
            return Err(LoadError::NotAsBuilt { path: self.path.clone(), build: running.to_string() });
        }
        if running.is_as_linked() && own.is_changed() {
            return Err(LoadError::NotAsLinked { path: self.path.clone(), build: own.to_string() });
        }
        Ok(())
    }

    /// Makes a private copy of the file, under a name that no load has had.
    ///
    /// # Errors
    ///
    /// [`LoadError::OtherRevision`], or [`LoadError::NotStaged`], for example if there is no room for it.
    pub fn stage(&self) -> Result<Staged, LoadError> {
        self.check_revision()?;
        Staged::of(self)
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }
}

/// The findings about a library's file.
#[derive(Debug)]
struct Found {
    manifest: Option<FileManifest>,
    /// Whether it has the entry of an engine, as far as the file shows. A library that is opened stays in memory.
    engine: bool,
    build: Option<Build>,
    thread_storage: Option<u64>,
}

/// Why a file is refused.
#[derive(Debug)]
enum ImageFault {
    /// The kind of file that it is instead of a library.
    Kind(String),
    /// The place at which the damage shows.
    Damage(String),
}

/// Searches the file for the parts of an engine. Refuses a file that the system's loader would crash on or describe
/// badly: the loader maps everything that the headers promise, so a truncated file ends the process, and it follows all
/// tables unchecked.
fn look_into(content: &[u8]) -> Result<Found, ImageFault> {
    type Header = elf::FileHeader64<Endianness>;
    let kind = |what: &str| ImageFault::Kind(what.to_owned());
    if content.is_empty() {
        return Err(kind("empty"));
    }
    if !content.starts_with(&elf::ELFMAG) {
        return Err(kind("not a dynamic library"));
    }
    let header = Header::parse(content).map_err(|_| kind("not a 64-bit dynamic library"))?;
    let endian = header.endian().ok().filter(|endian| *endian == Endianness::default());
    let endian = endian.ok_or_else(|| kind("not a dynamic library of this machine's byte order"))?;
    let machine = header.e_machine(endian);
    if machine != own_machine() {
        let (theirs, ours) = (machine, own_machine());
        return Err(ImageFault::Kind(format!(
            "built for another architecture (ELF machine {theirs}, this one is {ours})"
        )));
    }
    if header.e_type(endian) != elf::ET_DYN {
        return Err(kind("not a dynamic library (an object file or a program)"));
    }
    let truncated = |_| kind("truncated");
    let end = u64::try_from(content.len()).unwrap_or(u64::MAX);
    for segment in header.program_headers(endian, content).map_err(truncated)? {
        let (offset, size) = segment.file_range(endian);
        if segment.p_type(endian) == elf::PT_LOAD && offset.checked_add(size).is_none_or(|last| last > end) {
            return Err(kind("truncated"));
        }
    }
    header.section_headers(endian, content).map_err(truncated)?;
    let segments = Segments::read(header, content).map_err(ImageFault::Damage)?;
    wholeness::check(&segments).map_err(ImageFault::Damage)?;
    let thread_storage = thread_storage::taken_by(&segments);
    if header.e_shoff(endian) == 0 {
        // The loader accepts a file without sections just as well.
        wholeness::check_code(segments.code()).map_err(ImageFault::Damage)?;
        let build = Build::of(&segments, content, b"");
        return Ok(Found { manifest: None, engine: true, build, thread_storage });
    }
    let damaged_sections = || ImageFault::Damage("its table of sections".into());
    let sections = header.sections(endian, content).map_err(|_| damaged_sections())?;
    let names = header.shstrndx(endian, content).ok().and_then(|index| usize::try_from(index).ok());
    let names = names.and_then(|index| sections.section(SectionIndex(index)).ok());
    if names.is_none_or(|names| names.sh_type(endian) != elf::SHT_STRTAB)
        || sections.iter().any(|section| section.data(endian, content).is_err())
    {
        return Err(damaged_sections());
    }
    let code = sections.iter().filter(|section| section.sh_flags(endian) & u64::from(elf::SHF_EXECINSTR) != 0);
    let code = code.filter_map(|section| section.data(endian, content).ok());
    wholeness::check_code(code).map_err(ImageFault::Damage)?;
    let comment = sections.section_by_name(endian, b".comment");
    let comment = comment.and_then(|(_, comment)| comment.data(endian, content).ok()).unwrap_or_default();
    let build = Build::of(&segments, content, comment);
    let section = sections.section_by_name(endian, MANIFEST_SECTION.as_bytes());
    let manifest = section.and_then(|(_, section)| FileManifest::parse(section.data(endian, content).ok()?));
    let exported = sections.symbols(endian, content, elf::SHT_DYNSYM).map_err(truncated)?;
    let is_entry = |symbol: &elf::Sym64<_>| {
        symbol.name(endian, exported.strings()).is_ok_and(|name| name == ROOT_MODULE_LOADER_NAME.as_bytes())
    };
    Ok(Found { manifest, engine: exported.is_empty() || exported.iter().any(is_entry), build, thread_storage })
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

    /// Opening it would keep it in memory for good.
    #[test]
    fn a_library_without_an_entry_is_no_engine() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let libc =
            maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|file| file.contains("/libc.so"));
        let found = look_into(&fs::read(libc.unwrap()).unwrap()).unwrap();
        assert!(!found.engine && found.manifest.is_none());
    }

    /// The output of other compilers and linkers must not count as damaged.
    #[test]
    fn takes_whatever_this_process_has_loaded() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).filter(|file| file.contains(".so"));
        let mut files: Vec<_> = files.collect();
        files.dedup();
        assert!(!files.is_empty());
        for file in files {
            look_into(&fs::read(file).unwrap()).unwrap_or_else(|fault| panic!("{file}: {fault:?}"));
        }
    }

    #[test]
    #[ignore = "reads all libraries of the folders in WSHOST_TEST_LIBRARIES"]
    fn takes_all_libraries_of_some_folders() {
        let mut folders: Vec<PathBuf> =
            std::env::var("WSHOST_TEST_LIBRARIES").unwrap().split(':').map(Into::into).collect();
        let (mut taken, mut damaged) = (0, Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && path.to_string_lossy().contains(".so") {
                    match look_into(&fs::read(&path).unwrap()) {
                        Err(ImageFault::Damage(what)) => damaged.push((path, what)),
                        Ok(_) => taken += 1,
                        Err(ImageFault::Kind(_)) => {}
                    }
                }
            }
        }
        assert!(damaged.is_empty() && taken > 0, "{taken} are whole, and these are not: {damaged:#?}");
    }

    #[test]
    fn refuses_a_truncated_library_at_any_length() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        for part in 1..8 {
            assert!(look_into(&program[..program.len() * part / 8]).is_err(), "{part}/8 of the file passed");
        }
    }
}
