//! Decides when a file has stopped changing. It knows no files and no clock: it is told the states and the times.

use std::time::{Duration, Instant};
use wshost_core::plugin::Fingerprint;

/// A file that has not changed for this long is no longer being written.
const STABLE: Duration = Duration::from_millis(300);
/// A file that is no whole library may still be written by a slow writer. It gets this long.
const PATIENCE: Duration = Duration::from_secs(3);

/// The decision about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do nothing.
    Leave,
    /// Check again soon, since it has changed and may not have stopped.
    LookAgain,
    /// Load it.
    Load(Fingerprint),
}

/// A file that is checked again and again.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    /// The last state, unless it was no news, and the time since when it has been so.
    seen: Option<(Fingerprint, Instant)>,
}

impl Settling {
    /// Takes a look. `news` is the state of the file, unless there is no file or the state is known. `is_whole` tells
    /// whether it looks like a whole library.
    pub(crate) fn look(&mut self, news: Option<Fingerprint>, now: Instant, is_whole: impl FnOnce() -> bool) -> Verdict {
        let Some(news) = news else {
            self.seen = None;
            return Verdict::Leave;
        };
        let since = match self.seen {
            Some((seen, since)) if seen == news => since,
            _ => now,
        };
        self.seen = Some((news, since));
        let same_for = now.duration_since(since);
        if same_for >= PATIENCE || (same_for >= STABLE && is_whole()) {
            Verdict::Load(news)
        } else {
            Verdict::LookAgain
        }
    }

    /// Starts again.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fingerprints of a file that grows.
    fn growing() -> impl FnMut() -> Fingerprint {
        let folder = tempfile::tempdir().unwrap();
        let mut content = String::new();
        move || {
            content.push('x');
            let file = folder.path().join("file");
            std::fs::write(&file, &content).unwrap();
            Fingerprint::of(&file).unwrap()
        }
    }

    #[test]
    fn a_file_is_loaded_when_it_has_been_the_same_for_a_while() {
        let (mut grow, mut settling, start) = (growing(), Settling::default(), Instant::now());
        let mut look = |file, after: u64| settling.look(file, start + Duration::from_millis(after), || true);
        assert_eq!(look(None, 0), Verdict::Leave);
        let first = grow();
        assert_eq!(look(Some(first), 10), Verdict::LookAgain);
        assert_eq!(look(Some(first), 300), Verdict::LookAgain);
        let second = grow();
        assert_eq!(look(Some(second), 310), Verdict::LookAgain);
        assert_eq!(look(Some(second), 600), Verdict::LookAgain);
        assert_eq!(look(Some(second), 610), Verdict::Load(second));
        assert_eq!(look(None, 620), Verdict::Leave);
        assert_eq!(look(Some(second), 630), Verdict::LookAgain, "the time before does not count");
    }

    #[test]
    fn what_is_no_whole_library_is_given_time_to_become_one() {
        let (mut grow, mut settling, start) = (growing(), Settling::default(), Instant::now());
        let mut look =
            |file, after: u64, whole: bool| settling.look(Some(file), start + Duration::from_millis(after), || whole);
        let file = grow();
        assert_eq!(look(file, 0, false), Verdict::LookAgain);
        assert_eq!(look(file, 2900, false), Verdict::LookAgain);
        assert_eq!(look(file, 3000, false), Verdict::Load(file), "so that the operator is told what is wrong");
        let file = grow();
        assert_eq!(look(file, 3100, false), Verdict::LookAgain);
        assert_eq!(look(file, 3400, true), Verdict::Load(file));
    }
}
