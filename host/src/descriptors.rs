//! File descriptors: how many there are, and those that are kept for times when there are none left.
//!
//! Two things are kept. The last numbers below the limit are not for clients (`is_kept_back`), so that the control socket and
//! reloads go on when clients have taken all others. And whoever accepts has a `Reserve`, since an engine can take the last
//! one, too.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Raises the limit of open descriptors as far as the system allows without more rights; shells often start programs
/// with 1,024. Returns the limit, or `None` where there is none.
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

/// How many of the last numbers below a limit are not for clients.
fn kept_back(limit: u64) -> u64 {
    (limit / 4).clamp(8, 64)
}

/// Whether this descriptor is one of the last that there are: a client cannot have it.
///
/// The system gives out the lowest number that is free, so a number near the limit says that nearly all are taken.
pub(crate) fn is_kept_back(descriptor: &impl AsFd) -> bool {
    let number = u64::try_from(descriptor.as_fd().as_raw_fd()).unwrap_or(0);
    // Asked each time: others may change the limit of a process while it runs, and it takes a tenth of a microsecond.
    getrlimit(Resource::Nofile).current.is_some_and(|limit| is_near(number, limit))
}

fn is_near(number: u64, limit: u64) -> bool {
    number.saturating_add(kept_back(limit)) >= limit
}

/// Whether an error says that the process or the system has no descriptor left.
pub(crate) fn are_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// A descriptor that is open for nothing, so that there is one to give up when one is needed and none is left.
#[derive(Debug)]
pub(crate) struct Reserve(Option<OwnedFd>);

impl Reserve {
    /// One that is filled, if there still are descriptors.
    pub(crate) fn new() -> Reserve {
        let mut reserve = Reserve(None);
        reserve.fill();
        reserve
    }

    /// Takes a descriptor again, if it has none and there is one.
    pub(crate) fn fill(&mut self) {
        if self.0.is_none() {
            // A socket needs no file, so that this works whatever the process sees of the file system.
            self.0 = Socket::new(Domain::UNIX, Type::DGRAM, None).ok().map(OwnedFd::from);
        }
    }

    /// Closes it. Returns whether there was one.
    pub(crate) fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Whether it is there.
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_some()
    }

    /// Does what takes a descriptor; with the one in reserve if there is no other. Then it is to be filled again when what
    /// was opened is closed.
    ///
    /// # Errors
    ///
    /// What the system says.
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
