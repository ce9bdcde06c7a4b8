//! The places of control sockets: `PID.sock` in a folder that belongs to this user, unless the operator names a path.

use crate::net::unix_socket;
use rustix::process::{Pid, geteuid, test_kill_process};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The value of `--control`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlArg {
    /// `none`: there is no control socket.
    Off,
    /// The path of the socket.
    At(PathBuf),
}

impl FromStr for ControlArg {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "none" { ControlArg::Off } else { ControlArg::At(text.into()) })
    }
}

/// A control socket in one of the folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerSocket {
    pub pid: u32,
    pub path: PathBuf,
}

/// The folders in which sockets are searched for. A server uses the first that it can.
pub(super) fn folders() -> Vec<PathBuf> {
    folders_in(std::env::var_os("XDG_RUNTIME_DIR"), &std::env::temp_dir(), geteuid().as_raw())
}

fn folders_in(runtime: Option<OsString>, temporary: &Path, user: u32) -> Vec<PathBuf> {
    let runtime = runtime.map(PathBuf::from).filter(|folder| folder.is_absolute());
    let runtime = runtime.map(|folder| folder.join("wshost"));
    let others = [PathBuf::from("/run/wshost"), temporary.join(format!("wshost-{user}"))];
    runtime.into_iter().chain(others).collect()
}

/// The path for this process, in the first folder that exists or can be made and that only this user can write to.
///
/// # Errors
///
/// Why the last folder cannot be used either.
pub(super) fn own_path() -> io::Result<PathBuf> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for folder in folders() {
        match make(&folder) {
            Ok(()) => {
                remove_left_behind(&folder);
                return Ok(folder.join(format!("{}.sock", std::process::id())));
            }
            Err(error) => failed = io::Error::new(error.kind(), format!("{}: {error}", folder.display())),
        }
    }
    Err(failed)
}

/// The sockets in a folder. There are none if the folder is not ours, since anybody could have put them there.
pub(super) fn sockets_in(folder: &Path) -> Vec<ServerSocket> {
    if check(folder).is_err() {
        return Vec::new();
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.filter_map(|entry| socket_of_process(entry.path())).collect();
    found.sort_unstable_by_key(|socket| socket.pid);
    found
}

fn socket_of_process(path: PathBuf) -> Option<ServerSocket> {
    let pid = path.file_name()?.to_str()?.strip_suffix(".sock")?.parse().ok()?;
    Some(ServerSocket { pid, path })
}

/// Makes a folder that only this user can write to, or checks the existing one.
fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => check(folder),
    }
}

fn check(folder: &Path) -> io::Result<()> {
    // Do not follow links: in a folder for everyone, the target could be anybody's.
    let metadata = folder.symlink_metadata()?;
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not a folder that only this user can write to"));
    }
    Ok(())
}

/// Removes the sockets of processes that could not remove them when they ended.
fn remove_left_behind(folder: &Path) {
    for ServerSocket { pid, path } in sockets_in(folder) {
        // A process that is alive may be about to listen.
        let alive = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .is_some_and(|pid| !matches!(test_kill_process(pid), Err(error) if error == rustix::io::Errno::SRCH));
        if !alive && unix_socket::is_left_behind(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_runtime_folder_comes_first_and_the_temporary_one_has_the_user_in_its_name() {
        let folders = |runtime: Option<&str>| folders_in(runtime.map(Into::into), Path::new("/var/tmp"), 1000);
        let without = [Path::new("/run/wshost"), Path::new("/var/tmp/wshost-1000")];
        assert_eq!(folders(None), without);
        assert_eq!(folders(Some("")), without);
        assert_eq!(folders(Some("relative")), without, "the specification has it ignored");
        assert_eq!(folders(Some("/run/user/1000"))[0], Path::new("/run/user/1000/wshost"));
        assert_eq!(folders(Some("/run/user/1000"))[1..], without);
    }

    #[test]
    fn a_folder_is_made_for_us_alone_and_others_are_not_trusted() {
        let temporary = tempfile::tempdir().unwrap();
        let own = temporary.path().join("own");
        make(&own).unwrap();
        assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        make(&own).unwrap();
        let link = temporary.path().join("link");
        symlink(&own, &link).unwrap();
        assert!(make(&link).is_err(), "a link");
        let open = temporary.path().join("open");
        make(&open).unwrap();
        let _socket = UnixListener::bind(open.join("1.sock")).unwrap();
        assert_eq!(sockets_in(&open).len(), 1);
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make(&open).is_err(), "for everyone");
        assert!(sockets_in(&open).is_empty(), "anybody's");
        assert!(make(&temporary.path().join("no/such")).is_err());
    }

    #[test]
    fn what_processes_left_behind_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // No process has this number: it is above the kernel's limit.
        drop(UnixListener::bind(at("2000000001.sock")).unwrap());
        let _listening = UnixListener::bind(at("2000000002.sock")).unwrap();
        let alive = format!("{}.sock", std::process::id());
        drop(UnixListener::bind(at(&alive)).unwrap());
        fs::write(at("2000000003.sock"), "no socket").unwrap();
        drop(UnixListener::bind(at("other")).unwrap());
        remove_left_behind(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut expected: Vec<OsString> =
            ["2000000002.sock", "2000000003.sock", &alive, "other"].map(OsString::from).into();
        expected.sort();
        assert_eq!(left, expected);
    }
}
