//! Unix sockets that listen, and their files, which a process can leave behind.
//!
//! It knows paths and modes, but nothing about connections.

use crate::lock::lock;
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The time between two attempts to connect or to get the lock.
const PAUSE: Duration = Duration::from_millis(5);

/// How long to wait for others that bind in the same folder. Binding takes no time, so whoever takes longer does
/// something else there.
const LONGEST_BIND: Duration = Duration::from_secs(1);

/// The file of a socket that was bound here. It is removed when this is dropped, or by [`remove_all`].
#[derive(Debug)]
pub(crate) struct BoundPath(PathBuf);

/// The existing files, for a process that ends without dropping them.
static BOUND: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl BoundPath {
    fn new(path: &Path) -> BoundPath {
        bound().push(path.to_owned());
        BoundPath(path.to_owned())
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let mut bound = bound();
        if let Some(index) = bound.iter().position(|path| *path == self.0) {
            bound.swap_remove(index);
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// Removes the files of all sockets that were bound here.
pub(crate) fn remove_all() {
    for path in bound().drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

fn bound() -> MutexGuard<'static, Vec<PathBuf>> {
    lock(&BOUND)
}

/// Binds and listens, without blocking. The file gets this mode minus the umask; `None` means the default mode. The
/// file of a socket that nobody listens to any more is replaced. The kernel keeps `backlog` connections between two
/// accepts.
///
/// # Errors
///
/// The system refuses the path, for example because it is in use.
pub(crate) fn bind(path: &Path, mode: Option<Mode>, backlog: i32) -> io::Result<(UnixListener, BoundPath)> {
    // Others must not find the path between these steps: they would take the socket for one left behind.
    let _lock = lock_folder_of(path);
    if is_left_behind(path) {
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(mode) = mode {
        // Linux makes the file with the mode of the socket, so there is no moment at which others could connect.
        fchmod(&socket, mode)?;
    }
    socket.bind(&SockAddr::unix(path)?)?;
    let bound = BoundPath::new(path);
    socket.listen(backlog)?;
    Ok((socket.into(), bound))
}

/// Takes the lock of the path's folder, which the result holds: until that is dropped, no other wshost binds a socket in
/// the folder. The system takes the lock away from a process that ends. `None` if others hold it for too long, or if the
/// folder cannot be read; binding must do without then.
fn lock_folder_of(path: &Path) -> Option<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder).ok()?;
    let until = Instant::now() + LONGEST_BIND;
    while let Err(Errno::WOULDBLOCK | Errno::INTR) = flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        if Instant::now() >= until {
            tracing::warn!(path = %path.display(), "another process keeps the folder of this socket locked");
            return None;
        }
        thread::sleep(PAUSE);
    }
    Some(folder)
}

/// Whether a socket's file has no owner, because the process that listened there ended without removing it.
pub(crate) fn is_left_behind(path: &Path) -> bool {
    let is_socket = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && matches!(connect_at_once(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Connects, and waits no longer than `patience` if the owner does not accept.
///
/// # Errors
///
/// The system's error. `WouldBlock` means that the kernel's queue of connections was full all the time.
pub(crate) fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let until = Instant::now() + patience;
    loop {
        match connect_at_once(path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => thread::sleep(PAUSE),
            connected => return connected,
        }
    }
}

/// Connects. Returns `WouldBlock` if a blocking socket would wait for the owner to accept.
fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let bound = bind(&path, None, 1).unwrap();
        assert_eq!(bind(&path, None, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists(), "what is in use stays");
        drop(bound);
        assert!(!path.exists());
        std::fs::write(&path, "no socket").unwrap();
        assert!(bind(&path, None, 1).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "no socket");
    }

    #[test]
    fn of_many_who_replace_a_file_at_once_one_gets_it() {
        const MANY: usize = 4;
        let folder = tempfile::tempdir().unwrap();
        for round in 0..100 {
            let path = folder.path().join(format!("{round}"));
            drop(UnixListener::bind(&path).unwrap());
            let all_there = std::sync::Barrier::new(MANY);
            let bind = || {
                all_there.wait();
                bind(&path, None, 16)
            };
            let results: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..MANY).map(|_| scope.spawn(bind)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let refused = results.iter().filter_map(|result| result.as_ref().err().map(io::Error::kind));
            assert_eq!(refused.collect::<Vec<_>>(), [io::ErrorKind::AddrInUse; MANY - 1], "round {round}");
            connect_at_once(&path).unwrap();
        }
    }

    #[test]
    fn a_folder_that_stays_locked_is_bound_in_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let held = File::open(folder.path()).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        bind(&folder.path().join("socket"), None, 1).unwrap();
    }

    #[test]
    fn the_file_is_made_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _bound = bind(&path, Some(Mode::RUSR | Mode::WUSR), 1).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_owner_who_does_not_accept_is_there_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listener, _bound) = bind(&path, None, 0).unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) = connect_at_once(&path) {
            waiting.push(connected);
        }
        assert!(!is_left_behind(&path));
        assert_eq!(bind(&path, None, 0).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let stuck = connect(&path, Duration::from_millis(50));
        assert_eq!(stuck.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
