//! Limits how often events of one kind are logged: a burst, then a rate, and the number of those left out.

use super::escape;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};
use tracing::{Level, Metadata};

/// The target of lines that engines log themselves.
pub(crate) const ENGINE: &str = "engine";

/// How many kinds are told apart. An engine can make up any number of kinds. At this limit, the kinds of one place in
/// the code count together, so that they hide nothing from another place.
const KINDS: usize = 1024;
/// How often the log tells that events of a kind are being left out.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// If nothing of a kind was left out for this long, the kind is quiet again.
const QUIET: Duration = Duration::from_secs(1);
/// How many bytes of a line are kept to identify the left-out events.
const SAMPLE: usize = 200;

/// How often events of a kind may be logged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    /// How many in a row.
    burst: f64,
    per_second: f64,
}

impl Rate {
    /// For the host's own events: enough for everything that happens once, and for people.
    const EVENT: Rate = Rate { burst: 50.0, per_second: 1.0 };
    /// For details, which somebody has asked for.
    const DETAIL: Rate = Rate { burst: 5000.0, per_second: 1000.0 };
    /// For lines of engines, which may be many on purpose.
    const ENGINE: Rate = Rate { burst: 1000.0, per_second: 1000.0 };

    /// The rate for events of this description.
    pub(super) fn of(metadata: &Metadata<'_>) -> Rate {
        match *metadata.level() {
            Level::DEBUG | Level::TRACE => Rate::DETAIL,
            _ if metadata.target() == ENGINE => Rate::ENGINE,
            _ => Rate::EVENT,
        }
    }
}

/// The counts of each kind.
#[derive(Debug)]
pub(super) struct KindLimits {
    kinds: BTreeMap<u64, Kind>,
    /// Whether events were left out that the log has not told yet.
    pub(super) untold: bool,
}

#[derive(Debug)]
struct Kind {
    rate: Rate,
    /// How many may be logged now, as of `at`.
    tokens: f64,
    at: Instant,
    left_out: u64,
    last_left_out: Instant,
    last_told: Instant,
    level: Level,
    target: &'static str,
    /// The message of the latest one that was logged.
    sample: String,
}

/// The events of one kind that were left out.
#[derive(Debug, PartialEq)]
pub(super) struct LeftOut {
    pub level: Level,
    pub target: &'static str,
    pub count: u64,
    /// The message of one that was logged.
    pub sample: String,
}

impl KindLimits {
    pub(super) const fn new() -> Self {
        KindLimits { kinds: BTreeMap::new(), untold: false }
    }

    /// Whether another event of this kind may be logged, and as which kind it counts. If it may not, it is counted.
    pub(super) fn admit(&mut self, kind: u64, metadata: &'static Metadata<'static>, now: Instant) -> Option<u64> {
        let has_room = |kinds: &BTreeMap<u64, Kind>| kinds.len() < KINDS || kinds.contains_key(&kind);
        if !has_room(&self.kinds) {
            self.kinds.retain(|_, kind| kind.left_out > 0 || !kind.is_full(now));
        }
        let counted = if has_room(&self.kinds) { kind } else { place(metadata) };
        let kind = match self.kinds.entry(counted) {
            Entry::Occupied(kind) => kind.into_mut(),
            Entry::Vacant(place) => place.insert(Kind::new(Rate::of(metadata), metadata, now)),
        };
        let admitted = kind.take(now);
        self.untold |= !admitted;
        admitted.then_some(counted)
    }

    /// Keeps the message of one that was logged.
    pub(super) fn note(&mut self, kind: u64, message: &str) {
        if let Some(kind) = self.kinds.get_mut(&kind) {
            kind.sample.clear();
            kind.sample.push_str(escape::shortened(message, SAMPLE));
        }
    }

    /// The left-out events that the log must tell now; all of them if this is the last chance.
    pub(super) fn left_out(&mut self, now: Instant, all: bool) -> Vec<LeftOut> {
        if !self.untold {
            return Vec::new();
        }
        let told = self.kinds.values_mut().filter_map(|kind| kind.tell(now, all)).collect();
        self.untold = self.kinds.values().any(|kind| kind.left_out > 0);
        told
    }
}

/// The kind that all events of one place in the code share.
fn place(metadata: &Metadata<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    metadata.callsite().hash(&mut hasher);
    hasher.finish()
}

impl Kind {
    fn new(rate: Rate, metadata: &'static Metadata<'static>, now: Instant) -> Kind {
        Kind {
            rate,
            tokens: rate.burst,
            at: now,
            left_out: 0,
            last_left_out: now,
            last_told: now,
            level: *metadata.level(),
            target: metadata.target(),
            sample: String::new(),
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let tokens = self.tokens + now.saturating_duration_since(self.at).as_secs_f64() * self.rate.per_second;
        (self.tokens, self.at) = (tokens.min(self.rate.burst), now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return true;
        }
        if self.left_out == 0 {
            self.last_told = now;
        }
        self.left_out += 1;
        self.last_left_out = now;
        false
    }

    fn is_full(&self, now: Instant) -> bool {
        self.tokens + now.saturating_duration_since(self.at).as_secs_f64() * self.rate.per_second >= self.rate.burst
    }

    fn tell(&mut self, now: Instant, all: bool) -> Option<LeftOut> {
        let due = all
            || now.saturating_duration_since(self.last_told) >= TELL_EVERY
            || now.saturating_duration_since(self.last_left_out) >= QUIET;
        if self.left_out == 0 || !due {
            return None;
        }
        self.last_told = now;
        let count = std::mem::take(&mut self.left_out);
        Some(LeftOut { level: self.level, target: self.target, count, sample: self.sample.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::callsite::Callsite;

    fn metadata(level: Level) -> &'static Metadata<'static> {
        match level {
            Level::INFO => {
                tracing::callsite! { name: "", kind: tracing::metadata::Kind::EVENT, level: Level::INFO, fields: }
                    .metadata()
            }
            _ => tracing::callsite! { name: "", kind: tracing::metadata::Kind::EVENT, level: Level::DEBUG, fields: }
                .metadata(),
        }
    }

    #[test]
    fn a_flood_is_a_burst_then_a_rate_and_a_count_of_the_others() {
        let (mut limits, begin) = (KindLimits::new(), Instant::now());
        let mut admitted = 0;
        for millis in 0..10_000 {
            let later = begin + Duration::from_millis(millis);
            admitted += u32::from(limits.admit(1, metadata(Level::INFO), later).is_some());
            if admitted == 1 {
                limits.note(1, "handshake failed: no key");
            }
        }
        assert!((58..=60).contains(&admitted), "{admitted}");
        assert_eq!(limits.admit(2, metadata(Level::INFO), begin), Some(2), "another kind is not concerned");
        let told = limits.left_out(begin + Duration::from_secs(10), false);
        let expected = LeftOut {
            level: Level::INFO,
            target: metadata(Level::INFO).target(),
            count: 10_000 - u64::from(admitted),
            sample: "handshake failed: no key".into(),
        };
        assert_eq!(told, [expected]);
        assert_eq!(limits.left_out(begin + Duration::from_secs(99), true), []);
    }

    #[test]
    fn what_was_left_out_is_told_when_it_is_quiet_or_all_ends() {
        let (mut limits, begin) = (KindLimits::new(), Instant::now());
        (0..51).for_each(|_| _ = limits.admit(1, metadata(Level::INFO), begin));
        assert_eq!(limits.left_out(begin + QUIET / 2, false), []);
        assert_eq!(limits.left_out(begin + QUIET, false).len(), 1);
        let later = begin + Duration::from_millis(1);
        (0..9).for_each(|_| _ = limits.admit(1, metadata(Level::INFO), later));
        assert_eq!(limits.left_out(later, true)[0].count, 9);
    }

    #[test]
    fn details_are_limited_too_and_generously() {
        let (mut limits, begin) = (KindLimits::new(), Instant::now());
        let admitted = (0..20_000).filter_map(|_| limits.admit(1, metadata(Level::DEBUG), begin)).count();
        assert_eq!(admitted, 5000);
    }

    #[test]
    fn kinds_without_end_take_no_memory_without_end() {
        let (mut limits, begin) = (KindLimits::new(), Instant::now());
        for kind in 0..100_000 {
            limits.admit(kind, metadata(Level::INFO), begin);
        }
        assert!(limits.kinds.len() <= KINDS + 1);
        let other = limits.admit(100_000, metadata(Level::DEBUG), begin);
        assert_eq!(other, Some(place(metadata(Level::DEBUG))), "another place in the code has a count of its own");
        let later = begin + Duration::from_secs(60);
        let quiet = limits.admit(7_777_777, metadata(Level::INFO), later);
        assert_eq!(quiet, Some(7_777_777), "what is quiet makes room");
    }
}
