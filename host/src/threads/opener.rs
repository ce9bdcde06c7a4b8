//! Opens libraries while clients are served, on a thread of its own, which exists before it is needed.
//!
//! Opening a library runs its initialisers under the lock of the system's loader. An initialiser that hangs keeps this
//! thread for good, and every thread that needs that lock. All others go on.

use super::standby::{Standby, contained};
use crate::lock::lock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use wshost_core::plugin::{LoadError, Plugin, Staged};

/// Opens one library after another.
static OPENER: Mutex<Opener> = Mutex::new(Opener { standby: None, underway: None });

/// Notified when a library has been opened.
static OPENED: Condvar = Condvar::new();

struct Opener {
    standby: Option<Standby>,
    underway: Option<BeingOpened>,
}

/// A library that is being opened.
struct BeingOpened {
    path: PathBuf,
    since: Instant,
}

impl BeingOpened {
    fn blocks(&self) -> NotOpened {
        NotOpened::Blocked { path: self.path.clone(), since: self.since }
    }
}

/// Why a library was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    /// It is no engine for this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// One of its initialisers hangs.
    #[error(
        "{} was not open after {patience:?}: an initialiser of it hangs, and until it returns, no other library can be \
         opened; restart wshost when it suits",
        path.display()
    )]
    Hangs {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// An initialiser of another library hangs.
    #[error(
        "no library can be opened while an initialiser of {} hangs, for {} s so far; restart wshost when it suits",
        path.display(),
        since.elapsed().as_secs()
    )]
    Blocked {
        /// The file that hangs.
        path: PathBuf,
        /// When it began.
        since: Instant,
    },
    /// The host panicked.
    #[error("{} was not opened by a fault of wshost, please report it", path.display())]
    Fault {
        /// The file.
        path: PathBuf,
    },
}

/// Starts the thread, unless it has been started. Call this before any engine is loaded.
///
/// # Errors
///
/// The system has no thread left.
pub(crate) fn start() -> io::Result<()> {
    let mut opener = lock(&OPENER);
    if opener.standby.is_none() {
        opener.standby = Some(Standby::start("wshost-opener")?);
    }
    Ok(())
}

/// Checks whether libraries can be opened, as far as is known.
///
/// # Errors
///
/// A library has been opening for `patience` already.
pub(crate) fn check(patience: Duration) -> Result<(), NotOpened> {
    match &lock(&OPENER).underway {
        Some(underway) if underway.since.elapsed() >= patience => Err(underway.blocks()),
        _ => Ok(()),
    }
}

/// Opens a library, and waits no longer than `patience` for that.
///
/// # Errors
///
/// It is no engine for this host, or it hangs, or another library does.
pub(crate) fn open(staged: Staged, patience: Duration) -> Result<Plugin, NotOpened> {
    let path = staged.path().to_owned();
    open_by(path, patience, || staged.open())
}

fn open_by<T: Send + 'static>(
    path: PathBuf,
    patience: Duration,
    opening: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, NotOpened> {
    let until = Instant::now() + patience;
    let mut opener = lock(&OPENER);
    let Some(standby) = opener.standby.clone() else { return Ok(opening()?) };
    // A library that another caller opens is ready in a moment, or hangs.
    while let Some(underway) = &opener.underway {
        let left = (underway.since + patience).min(until).saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(underway.blocks());
        }
        opener = OPENED.wait_timeout(opener, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    opener.underway = Some(BeingOpened { path: path.clone(), since: Instant::now() });
    drop(opener);
    let (opened, is_opened) = mpsc::channel();
    standby.run(move || {
        let plugin = contained(opening);
        let underway = lock(&OPENER).underway.take();
        OPENED.notify_all();
        let Some(plugin) = plugin else { return };
        if let (Err(mpsc::SendError(_too_late)), Some(BeingOpened { path, since })) = (opened.send(plugin), underway) {
            tell_late(&path, since.elapsed());
        }
    });
    match is_opened.recv_timeout(patience) {
        Ok(plugin) => Ok(plugin?),
        Err(RecvTimeoutError::Timeout) => Err(NotOpened::Hangs { path, patience }),
        Err(RecvTimeoutError::Disconnected) => Err(NotOpened::Fault { path }),
    }
}

fn tell_late(path: &Path, after: Duration) {
    tracing::warn!(file = %path.display(), "an initialiser has returned after {after:.1?}: libraries can be opened again");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_panic_other_libraries_can_be_opened() {
        start().unwrap();
        let patience = Duration::from_secs(60);
        let panicked = open_by::<()>("first".into(), patience, || panic!("a fault of wshost"));
        assert!(matches!(panicked, Err(NotOpened::Fault { .. })), "{panicked:?}");
        check(Duration::ZERO).unwrap();
        assert_eq!(open_by("second".into(), patience, || Ok(2)).unwrap(), 2);
    }
}
