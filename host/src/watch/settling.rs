//! When a file that changes has stopped changing. Knows no files and no clock: it is told what is seen, and when.

use std::time::{Duration, Instant};
use wshost_core::plugin::Fingerprint;

/// A file that is the same for so long is no longer written to.
const STABLE: Duration = Duration::from_millis(300);
/// What is not a whole library may be one that is still written, by somebody slow; it is given so long.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is to be done about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Leave,
    /// To look again soon: it has changed, and may not have stopped.
    LookAgain,
    /// To load it.
    Load(Fingerprint),
}

/// A file that is looked at again and again.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    /// How it was last, unless that was no news, and since when.
    seen: Option<(Fingerprint, Instant)>,
}

impl Settling {
    /// Takes a look. `news`: how the file is, unless there is none or it is known to be as it is; `is_whole`: whether it
    /// looks like a whole library.
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

    /// Begins anew.
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
