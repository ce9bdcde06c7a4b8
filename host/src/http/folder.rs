//! The folder behind `--static`: which of its files a request's path means.
//!
//! It ensures that forbidden files are never served: nothing outside the folder, whatever dots, encodings or symbolic
//! links a path contains, and no name that begins with a dot, except for `/.well-known/` (RFC 8615). The owner decides
//! where links inside the folder lead: Kubernetes mounts a folder as links to `..data/`. It knows nothing of requests
//! and responses.

use crate::descriptors::is_kept_back;
use percent_encoding::percent_decode_str;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// The file that a folder's own path shows.
const INDEX: &str = "index.html";

/// The one public name with a dot. RFC 8615 section 3: a well-known URI's path begins with it.
const WELL_KNOWN: &[u8] = b".well-known";

/// How often to search again for a file that vanished between two steps. One link may exchange a whole folder.
const TRIES: usize = 3;

/// A folder whose files may be read by everyone.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The path without symbolic links, so that the target of a link can be compared with it.
    root: PathBuf,
}

/// The file or folder that a path means.
#[derive(Debug)]
pub(super) enum Found {
    /// A file, open.
    File(Opened),
    /// A folder with an index, but without the slash at the path's end that the index's own links need.
    Folder,
    /// Nothing that may be served.
    Nothing,
}

/// A file that may be served.
#[derive(Debug)]
pub(super) struct Opened {
    /// The name in the request, which determines the type: a link's target may have any name.
    pub path: PathBuf,
    pub file: File,
    /// Bytes.
    pub length: u64,
    /// When its content changed last, if the file system knows.
    pub(crate) modified: Option<SystemTime>,
}

impl Folder {
    /// Checks that there is such a folder, and that it can be read.
    ///
    /// # Errors
    ///
    /// The system cannot read it.
    pub(crate) fn open(folder: &Path) -> io::Result<Folder> {
        let root = folder.canonicalize()?;
        fs::read_dir(&root)?;
        Ok(Folder { root })
    }

    /// Finds the file or folder that a request's path means. Blocks as long as the file system does.
    ///
    /// # Errors
    ///
    /// There is such a file, but it cannot be read.
    pub(super) fn find(&self, path: &str) -> io::Result<Found> {
        for _ in 0..TRIES {
            match self.search(path) {
                Err(error) if is_absent(&error) => {}
                found => return found,
            }
        }
        Ok(Found::Nothing)
    }

    fn search(&self, path: &str) -> io::Result<Found> {
        let Some(asked) = relative(path) else { return Ok(Found::Nothing) };
        let Some(target) = self.inside(&asked)? else { return Ok(Found::Nothing) };
        if !fs::metadata(&target)?.is_dir() {
            // Nothing lies below a file.
            return if path.ends_with('/') { Ok(Found::Nothing) } else { open(target, &asked) };
        }
        let asked = asked.join(INDEX);
        let Some(index) = self.inside(&asked)? else { return Ok(Found::Nothing) };
        if path.ends_with('/') { open(index, &asked) } else { Ok(Found::Folder) }
    }

    /// The real path; `None` if it must not be served.
    fn inside(&self, relative: &Path) -> io::Result<Option<PathBuf>> {
        let target = self.root.join(relative).canonicalize()?;
        // A link may lead out.
        Ok(target.starts_with(&self.root).then_some(target))
    }
}

/// A request's path, relative to the folder; `None` if it can mean no file.
fn relative(path: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    let segments = path.strip_prefix('/')?;
    for segment in segments.strip_suffix('/').unwrap_or(segments).split('/').filter(|_| !segments.is_empty()) {
        let name: Vec<u8> = percent_decode_str(segment).collect();
        // Check this after decoding, so that %2e%2e and %2f count as the characters that they encode.
        let is_known = name == WELL_KNOWN && relative.as_os_str().is_empty();
        let plain =
            !name.is_empty() && (is_known || !name.starts_with(b".")) && !name.contains(&b'/') && !name.contains(&0);
        let name = Path::new(OsStr::from_bytes(&name));
        if !plain || !matches!(name.components().next(), Some(Component::Normal(_))) {
            return None;
        }
        relative.push(name);
    }
    Some(relative)
}

fn is_absent(error: &io::Error) -> bool {
    // Links in a circle lead nowhere.
    let is_circle = Errno::from_io_error(error) == Some(Errno::LOOP);
    is_circle || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename)
}

/// Opens a path that had no symbolic links when it was checked. It was requested by this name.
fn open(path: PathBuf, asked: &Path) -> io::Result<Found> {
    // Open nothing else, since opening alone can have an effect on a device.
    if !fs::symlink_metadata(&path)?.is_file() {
        return Ok(Found::Nothing);
    }
    let file = open_without_links(&path)?;
    if is_kept_back(&file) {
        return Err(Errno::MFILE.into());
    }
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Found::Nothing);
    }
    Ok(Found::File(Opened { path: asked.to_owned(), file, length: metadata.len(), modified: metadata.modified().ok() }))
}

/// Opens a file, unless a link has taken the place of it or of a folder on the way to it.
fn open_without_links(path: &Path) -> io::Result<File> {
    // NONBLOCK: a pipe would wait for its other end; files ignore it.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Linux before 5.6 does not have the call, and some sandboxes forbid it. Then only a link in the place of the
        // file itself is noticed.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::open(path, flags, Mode::empty()),
        opened => opened,
    };
    Ok(opened?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_that_takes_a_place_after_the_check_is_not_followed() {
        let outer = tempfile::tempdir().unwrap();
        let (site, outside) = (outer.path().join("site"), outer.path().join("outside"));
        for folder in [site.join("docs"), outside.clone()] {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("a.txt"), "content").unwrap();
        }
        let folder = Folder::open(&site).unwrap();
        for asked in ["docs", "docs/a.txt"] {
            let target = folder.inside(Path::new("docs/a.txt")).unwrap().unwrap();
            assert!(open_without_links(&target).is_ok());
            fs::rename(site.join(asked), outer.path().join("aside")).unwrap();
            let outside = if asked == "docs" { outside.clone() } else { outside.join("a.txt") };
            symlink(outside, site.join(asked)).unwrap();
            assert!(is_absent(&open_without_links(&target).unwrap_err()), "{asked}");
            assert!(matches!(folder.find("/docs/a.txt"), Ok(Found::Nothing)), "{asked}");
            fs::remove_file(site.join(asked)).unwrap();
            fs::rename(outer.path().join("aside"), site.join(asked)).unwrap();
            assert!(matches!(folder.find("/docs/a.txt"), Ok(Found::File(_))), "{asked}");
        }
    }

    #[test]
    fn a_path_is_decoded_once_and_stays_below_the_folder() {
        let below = |path: &str| relative(path).map(|relative| relative.into_os_string().into_string().unwrap());
        for (path, expected) in [
            ("/", Some("")),
            ("/a.css", Some("a.css")),
            ("/docs/", Some("docs")),
            ("/my%20files/%C3%A9", Some("my files/é")),
            ("/%252e%252e", Some("%2e%2e")),
            ("/100%", Some("100%")),
            ("", None),
            ("//", None),
            ("//etc/passwd", None),
            ("/a//b", None),
            ("/..", None),
            ("/a/../b", None),
            ("/%2e%2e/b", None),
            ("/.%2E/b", None),
            ("/a%2fb", None),
            ("/%2fetc", None),
            ("/a%00b", None),
            ("/.git/config", None),
            ("/%2egit", None),
            ("/.", None),
            ("/.well-known/acme-challenge/x", Some(".well-known/acme-challenge/x")),
            ("/%2Ewell-known", Some(".well-known")),
            ("/a/.well-known/x", None),
            ("/.well-known/.x", None),
            ("/.well-known/.well-known", None),
            ("/.well-knownx", None),
            ("/..data/index.html", None),
        ] {
            assert_eq!(below(path).as_deref(), expected, "{path}");
        }
    }
}
