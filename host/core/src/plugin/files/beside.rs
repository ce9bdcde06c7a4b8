//! Libraries that a plugin finds in places relative to its own (`$ORIGIN`). Its private copy lies elsewhere, so copies
//! of these libraries are laid out around it in the same way.
//!
//! The loader's rules, from ld.so(8): for a library without `DT_RUNPATH`, the `DT_RPATH` is searched first, together
//! with those of the libraries that need it; then `LD_LIBRARY_PATH`, then `DT_RUNPATH`. A library that is found in a
//! place without `$ORIGIN` is left to the loader.
//!
//! The loader knows a library by its names for as long as the process lives. So a plugin that needs another version
//! under the same name would get the first one, and is refused.

use super::error::LoadError;
use super::segments::Segments;
use object::read::elf::FileHeader;
use object::{Endianness, elf};
use std::collections::{HashMap, HashSet};
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far above a plugin's folder its libraries may lie.
const LEVELS: usize = 8;
/// More than any plugin needs.
const MOST: usize = 256;

/// The names of these libraries that are loaded, and hashes of their content. It is no [`Lock`](crate::lock::Lock), since
/// it is held while they are opened, which runs their initialisers.
static LOADED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);

/// The libraries that a plugin needs from beside it.
#[derive(Debug, Default)]
pub(super) struct Beside(Vec<Needed>);

/// One of these libraries.
#[derive(Debug)]
struct Needed {
    /// The names by which the loader knows it.
    names: Vec<String>,
    /// Its path, relative to the plugin's folder.
    place: PathBuf,
    content: Vec<u8>,
}

/// The right to load libraries from beside a plugin.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    needed: &'a [Needed],
    /// The paths of the copies.
    copies: Vec<PathBuf>,
    loaded: MutexGuard<'static, Option<HashMap<String, u64>>>,
}

/// A place where the loader searches for a library.
#[derive(Clone, Debug)]
enum SearchPlace {
    /// A folder, relative to the plugin's.
    Beside(PathBuf),
    Elsewhere(PathBuf),
}

/// The dependencies of a library, as it states them for the loader.
#[derive(Debug)]
struct Needs {
    own_name: Option<String>,
    names: Vec<String>,
    rpath: String,
    runpath: Option<String>,
}

impl Beside {
    /// Searches for the libraries that the plugin in this file needs, and for those that they need in turn.
    pub(super) fn of(file: &Path, content: &[u8]) -> Beside {
        let file = std::path::absolute(file).ok();
        let Some(folder) = file.as_deref().and_then(Path::parent) else { return Beside::default() };
        let mut search = Search { folder, seen: HashSet::new(), found: Vec::new() };
        if let Some(needs) = Needs::of(content) {
            search.follow(Path::new(""), &needs, &[]);
        }
        Beside(search.found)
    }

    /// Copies them to places around a folder for the plugin's own copy, which lies within `folder`.
    ///
    /// # Errors
    ///
    /// The system cannot make a folder or a copy.
    pub(super) fn lay_out(&self, folder: &Path) -> io::Result<PathBuf> {
        if self.0.is_empty() {
            return Ok(folder.to_owned());
        }
        let center = (0..LEVELS).fold(folder.to_owned(), |folder, _| folder.join("in"));
        fs::create_dir_all(&center)?;
        for needed in &self.0 {
            let copy = center.join(&needed.place);
            if let Some(folder) = copy.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(copy, &needed.content)?;
        }
        Ok(center)
    }

    /// The exclusive right to load their copies around a folder; `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`LoadError::OtherNeeded`]: the loader would give other libraries.
    pub(super) fn claim(&self, plugin: &Path, center: &Path) -> Result<Option<Claim<'_>>, LoadError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let copies =
            self.0.iter().map(|needed| center.join(&needed.place).canonicalize().unwrap_or_default()).collect();
        let claim = Claim { needed: &self.0, copies, loaded: LOADED.lock().unwrap_or_else(PoisonError::into_inner) };
        let is_other = |needed: &&Needed| needed.names.iter().any(|name| claim.is_other(name, needed.hash()));
        match self.0.iter().find(is_other) {
            Some(other) => Err(LoadError::OtherNeeded { path: plugin.to_owned(), needed: other.names.join(" or ") }),
            None => Ok(Some(claim)),
        }
    }
}

impl Needed {
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        hasher.finish()
    }
}

impl Claim<'_> {
    fn is_other(&self, name: &str, hash: u64) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| loaded.get(name).is_some_and(|other| *other != hash))
    }

    /// Notes which of them have been loaded, even if the plugin was refused afterwards.
    pub(super) fn note_loaded(mut self) {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let path = |line: &'_ str| Some(line[line.find('/')?..].trim_end_matches(" (deleted)").to_owned());
        let mapped: HashSet<_> = maps.lines().filter_map(path).collect();
        for (needed, copy) in self.needed.iter().zip(&self.copies) {
            if copy.to_str().is_some_and(|copy| mapped.contains(copy)) {
                let names = needed.names.iter().map(|name| (name.clone(), needed.hash()));
                self.loaded.get_or_insert_default().extend(names);
            }
        }
    }
}

/// A search for libraries beside a plugin.
struct Search<'a> {
    /// The folder of the plugin.
    folder: &'a Path,
    seen: HashSet<String>,
    found: Vec<Needed>,
}

impl Search<'_> {
    /// Follows the dependencies of a library whose folder is `way` from the plugin's. `inherited` are the places that
    /// the libraries which need it add to its search.
    fn follow(&mut self, way: &Path, needs: &Needs, inherited: &[SearchPlace]) {
        let mut handed_down = SearchPlace::list(&needs.rpath, way);
        handed_down.extend_from_slice(inherited);
        let environment = env::var("LD_LIBRARY_PATH").unwrap_or_default();
        let mut places = SearchPlace::list(&environment.replace(';', ":"), Path::new(""));
        match &needs.runpath {
            Some(runpath) => places.extend(SearchPlace::list(runpath, way)),
            None => places = [&handed_down[..], &places].concat(),
        }
        for name in &needs.names {
            if self.found.len() >= MOST || !self.seen.insert(name.clone()) {
                continue;
            }
            let Some(place) = self.find(name, way, &places) else { continue };
            let Ok(content) = fs::read(self.folder.join(&place)) else { continue };
            let further = Needs::of(&content);
            let own_name = further.as_ref().and_then(|needs| needs.own_name.clone());
            let names = [Some(name.clone()), own_name.filter(|own| own != name)].into_iter().flatten().collect();
            let its_way = place.parent().unwrap_or(Path::new("")).to_owned();
            self.found.push(Needed { names, place, content });
            if let Some(needs) = further {
                self.follow(&its_way, &needs, &handed_down);
            }
        }
    }

    /// The place where the loader finds this, relative to the plugin's folder. `None` if it is elsewhere or nowhere.
    fn find(&self, name: &str, way: &Path, places: &[SearchPlace]) -> Option<PathBuf> {
        if name.contains('/') {
            let place = way.join(behind_origin(name)?);
            return Some(place).filter(|place| self.has(place));
        }
        for place in places {
            match place {
                SearchPlace::Beside(folder) if self.has(&folder.join(name)) => return Some(folder.join(name)),
                SearchPlace::Elsewhere(folder) if folder.join(name).is_file() => return None,
                SearchPlace::Beside(_) | SearchPlace::Elsewhere(_) => {}
            }
        }
        None
    }

    fn has(&self, place: &Path) -> bool {
        let up = place.components().filter(|part| *part == Component::ParentDir).count();
        up <= LEVELS && self.folder.join(place).is_file()
    }
}

impl SearchPlace {
    /// The places in a list of the loader, for a library whose folder is `way` from the plugin's.
    fn list(list: &str, way: &Path) -> Vec<SearchPlace> {
        let place = |text: &str| match behind_origin(text) {
            Some(rest) => Some(SearchPlace::Beside(way.join(rest))),
            // Only the loader knows the meaning of other words with a dollar sign.
            None if text.contains('$') => None,
            None => Some(SearchPlace::Elsewhere(text.into())),
        };
        list.split(':').filter(|text| !text.is_empty()).filter_map(place).collect()
    }
}

/// The rest of a path that begins with the place of the library itself.
fn behind_origin(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("$ORIGIN").or_else(|| path.strip_prefix("${ORIGIN}"))?;
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')?.trim_start_matches('/') };
    Some(rest).filter(|rest| !rest.contains('$'))
}

impl Needs {
    /// Returns `None` if it is no library.
    fn of(content: &[u8]) -> Option<Needs> {
        let header = elf::FileHeader64::<Endianness>::parse(content).ok()?;
        let segments = Segments::read(header, content).ok()?;
        let strings = segments.bytes(segments.value(elf::DT_STRTAB)?, segments.value(elf::DT_STRSZ)?)?;
        let string = |offset: u64| {
            let bytes = strings.get(usize::try_from(offset).ok()?..)?;
            let end = bytes.iter().position(|byte| *byte == 0)?;
            Some(std::str::from_utf8(&bytes[..end]).ok()?.to_owned())
        };
        let first = |tag| segments.value(tag).and_then(string);
        Some(Needs {
            own_name: first(elf::DT_SONAME),
            names: segments.values(elf::DT_NEEDED).filter_map(string).collect(),
            rpath: first(elf::DT_RPATH).unwrap_or_default(),
            runpath: first(elf::DT_RUNPATH),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_after_the_library() {
        assert_eq!(behind_origin("$ORIGIN"), Some(""));
        assert_eq!(behind_origin("${ORIGIN}/../lib"), Some("../lib"));
        assert_eq!(behind_origin("$ORIGINAL/lib"), None);
        assert_eq!(behind_origin("$ORIGIN/$LIB"), None, "what that stands for, the loader knows");
        assert_eq!(behind_origin("/usr/lib"), None);
    }

    #[test]
    fn places_elsewhere_come_first_where_they_stand_first() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (folder.path().join("own"), folder.path().join("other"));
        for folder in [&own, &other] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("libx.so"), "").unwrap();
        }
        let search = Search { folder: &own, seen: HashSet::new(), found: Vec::new() };
        let find = |list: &str| search.find("libx.so", Path::new(""), &SearchPlace::list(list, Path::new("")));
        let other = other.display();
        assert_eq!(find(&format!("/nowhere:$ORIGIN:{other}")), Some("libx.so".into()));
        assert_eq!(find(&format!("{other}:$ORIGIN")), None, "the loader finds it");
        assert_eq!(find("$ORIGIN/../other"), Some("../other/libx.so".into()));
        assert_eq!(find(&format!("$ORIGIN/{}", "../".repeat(LEVELS + 1))), None);
    }
}
