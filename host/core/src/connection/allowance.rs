//! The limit on a connection's work in one turn.
//!
//! A turn ends when nothing is left to do, or after [`TURN`]. Reading the clock costs about as much as a small message,
//! so it is read only after so much work that its cost does not matter.

use crate::clock;
use std::time::{Duration, Instant};

/// A turn that takes longer is cut short: the rest of the read waits, and the connection queues up (`turnstile`).
///
/// If this is shorter, large messages pay more for the checks of others; if it is longer, everyone waits longer for a
/// client that floods.
const TURN: Duration = Duration::from_micros(250);
/// The work until the clock is first read, in frames or KiB. It is more than a client with few messages under way
/// needs.
const FIRST_LOOK: u32 = 17;
/// The most work between two reads of the clock, about 20 us of the cheapest.
const MOST_BETWEEN: u32 = 256;
/// The bytes of unfinished messages until the clock is read. It is the largest message by default, since an unfinished
/// message takes memory of its own meanwhile.
const PARTS: usize = 1024 * 1024;
/// The least number of bytes that a read of a part counts as.
const LEAST_PART: usize = 64 * 1024;

/// The work of one turn so far.
#[derive(Debug)]
pub(super) struct Allowance {
    /// The time of the turn's first reading of the clock, which comes before its work.
    began: Option<Instant>,
    /// Frames, and KiB.
    done: u32,
    /// Bytes of unfinished messages since the clock was last read because of them.
    parts: usize,
    /// The amount of work at which the clock is read next.
    look_at: u32,
    spent: bool,
}

impl Allowance {
    /// An allowance for one turn. After a turn that took too long, the clock is read from the first message on.
    pub(super) fn new(heavy: bool) -> Allowance {
        Allowance { began: None, done: 0, parts: 0, look_at: if heavy { 1 } else { FIRST_LOOK }, spent: false }
    }

    /// Notes that the turn begins now, if it has not begun yet.
    #[inline]
    pub(super) fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// Notes that a message of this many bytes was handled. Returns whether the turn is over.
    #[inline]
    pub(super) fn note(&mut self, bytes: usize) -> bool {
        self.done = self.done.saturating_add(1 + u32::try_from(bytes / 1024).unwrap_or(u32::MAX));
        if self.done < self.look_at { self.spent } else { self.look() }
    }

    /// Notes that a read brought this many bytes without completing a message.
    pub(super) fn note_part(&mut self, bytes: usize) {
        self.parts += bytes.max(LEAST_PART);
        if self.parts >= PARTS {
            self.parts = 0;
            self.look();
        }
    }

    /// Reads the clock. Returns whether the turn is over.
    pub(super) fn look(&mut self) -> bool {
        let now = clock::now();
        self.spent |= now.duration_since(*self.began.get_or_insert(now)) >= TURN;
        // Twice the work takes twice the time, so the turn takes at most twice too long.
        self.look_at = self.done.saturating_add(self.done.clamp(1, MOST_BETWEEN));
        self.spent
    }

    /// Whether the turn is over, as far as the last reading of the clock shows.
    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }

    /// Returns at the end of a turn how long it took, if that was too long.
    pub(super) fn overrun(&mut self, heavy: bool) -> Option<Duration> {
        if !heavy && !self.spent && self.done < FIRST_LOOK {
            return None;
        }
        let took = clock::since(self.began?);
        (took >= TURN).then_some(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(before: Duration, heavy: bool) -> Allowance {
        let mut allowance = Allowance::new(heavy);
        allowance.begin(Instant::now().checked_sub(before).unwrap());
        allowance
    }

    #[test]
    fn few_small_messages_do_not_cost_a_look_at_the_clock() {
        let mut allowance = began(2 * TURN, false);
        assert!((1..FIRST_LOOK).all(|_| !allowance.note(20)));
        assert!(allowance.note(20));
    }

    #[test]
    fn a_large_message_counts_for_many() {
        let mut allowance = began(2 * TURN, false);
        assert!(allowance.note(1024 * 1024));
        assert!(allowance.overrun(false).is_some());
    }

    #[test]
    fn parts_of_a_message_count_too() {
        for (bytes, reads) in [(512 * 1024, 2), (1, 16)] {
            let mut allowance = began(2 * TURN, false);
            (1..reads).for_each(|_| allowance.note_part(bytes));
            assert!(!allowance.is_spent());
            allowance.note_part(bytes);
            assert!(allowance.is_spent());
        }
    }

    #[test]
    fn who_took_too_long_is_looked_at_from_the_first_message_on() {
        assert!(began(2 * TURN, true).note(0));
    }

    #[test]
    fn looks_become_rare_but_not_too_rare() {
        let mut allowance = began(Duration::ZERO, false);
        allowance.began = Some(Instant::now() + Duration::from_secs(60));
        let mut looks = 0;
        for _ in 0..10_000 {
            let before = allowance.look_at;
            allowance.note(0);
            looks += u32::from(allowance.look_at != before);
        }
        assert!((10_000 / MOST_BETWEEN..50).contains(&looks), "{looks}");
    }
}
