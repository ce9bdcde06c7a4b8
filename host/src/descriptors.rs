//! File descriptors: their limit, and those that are kept for the time when none are left.
//!
//! Two kinds are kept. Clients do not get the last numbers below the limit (`is_kept_back`), so that the control socket
//! and reloads work when clients have taken all others. And each listener has a `Reserve`, since an engine can take the
//! last descriptor as well.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Raises the limit of open descriptors as far as the system allows without more rights; shells often start programs
/// with 1,024. Returns the limit, or `None` if there is none.
pub fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!("cannot raise the limit of open files from {current:?} to {maximum:?}: {error}");
            current
        }
    }
}

/// How many of the last numbers below a limit clients do not get.
fn kept_back(limit: u64) -> u64 {
    (limit / 4).clamp(8, 64)
}

/// Whether this descriptor is among the last ones, which clients do not get.
///
/// The system gives out the lowest number that is free, so a number near the limit says that nearly all are taken.
pub(crate) fn is_kept_back(descriptor: &impl AsFd) -> bool {
    let number = u64::try_from(descriptor.as_fd().as_raw_fd()).unwrap_or(0);
    // It is read each time, in a tenth of a microsecond: others may change a process's limit while it runs.
    getrlimit(Resource::Nofile).current.is_some_and(|limit| is_near(number, limit))
}

fn is_near(number: u64, limit: u64) -> bool {
    number.saturating_add(kept_back(limit)) >= limit
}

/// Whether an error says that the process or the system has no descriptor left.
pub(crate) fn are_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// A descriptor without a purpose, to be closed when one is needed and none is left.
#[derive(Debug)]
pub(crate) struct Reserve(Option<OwnedFd>);

impl Reserve {
    /// A reserve, which is filled if a descriptor is left.
    pub(crate) fn new() -> Reserve {
        let mut reserve = Reserve(None);
        reserve.fill();
        reserve
    }

    /// Takes a descriptor again, if the reserve is empty and one is free.
    pub(crate) fn fill(&mut self) {
        if self.0.is_none() {
            // A socket needs no file, so it works whatever part of the file system the process sees.
            self.0 = Socket::new(Domain::UNIX, Type::DGRAM, None).ok().map(OwnedFd::from);
        }
    }

    /// Closes the descriptor. Returns whether there was one.
    pub(crate) fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Whether the reserve holds a descriptor.
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_some()
    }

    /// Opens something that takes a descriptor. If no other is free, it gives up the one in reserve; fill the reserve
    /// again when the result is closed.
    ///
    /// # Errors
    ///
    /// The system refuses to open it.
    pub(crate) fn open<T>(&mut self, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match open() {
            Err(error) if are_exhausted(&error) && self.give_up() => open().inspect_err(|_| self.fill()),
            opened => opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_are_kept_back() {
        for (limit, first) in [(32, 24), (64, 48), (1024, 960), (20_000, 19_936), (4, 0)] {
            assert!(is_near(first, limit), "{limit}");
            assert!(first == 0 || !is_near(first - 1, limit), "{limit}");
        }
    }

    #[test]
    fn what_is_in_reserve_is_given_up_when_nothing_else_is_left() {
        let mut reserve = Reserve::new();
        let mut left = 0;
        let mut open = || if left == 0 { Err(Errno::MFILE.into()) } else { Ok(left) };
        assert!(reserve.open(&mut open).is_err(), "still none");
        assert!(reserve.is_full(), "so it is taken back");
        left = 1;
        assert_eq!(reserve.open(|| Ok(left)).unwrap(), 1);
        assert!(reserve.is_full(), "not needed");
        let mut tries = 0;
        let opened = reserve.open(|| {
            tries += 1;
            if tries == 1 { Err(Errno::NFILE.into()) } else { Ok(tries) }
        });
        assert_eq!((opened.unwrap(), reserve.is_full()), (2, false));
        reserve.fill();
        assert!(reserve.is_full());
        assert!(reserve.open(|| Err::<(), _>(Errno::NOMEM.into())).is_err());
        assert!(reserve.is_full(), "another fault");
    }
}
