//! How much one connection may send, so that nobody can flood a room.

use crate::settings::RateLimit;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often the limit's messages may be refused in a row before it is enough.
const PATIENCE: u32 = 3;

/// What one connection has sent of late.
#[derive(Debug, Default)]
pub struct Rate {
    /// When the last messages were let through; at most as many as the limit has.
    passed: VecDeque<Instant>,
    refused: u32,
}

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it through.
    Pass,
    /// Refuse it; after this long one will pass.
    Wait(Duration),
    /// Refuse it and close: this is no person any more.
    Enough,
}

impl Rate {
    /// Judges a message that comes now.
    pub fn judge(&mut self, now: Instant, limit: &RateLimit) -> Verdict {
        let span = Duration::from_secs(limit.seconds.get().into());
        let messages = limit.messages.get();
        if let Some(first) = self.passed.front().filter(|_| self.passed.len() >= messages as usize) {
            let wait = span.saturating_sub(now.saturating_duration_since(*first));
            if !wait.is_zero() {
                self.refused += 1;
                return if self.refused > messages.saturating_mul(PATIENCE) {
                    Verdict::Enough
                } else {
                    Verdict::Wait(wait)
                };
            }
            self.passed.pop_front();
        }
        self.passed.push_back(now);
        self.refused = 0;
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn limit() -> RateLimit {
        RateLimit { messages: NonZeroU32::new(3).unwrap(), seconds: NonZeroU32::new(10).unwrap() }
    }

    #[test]
    fn so_many_pass_in_any_span() {
        let (mut rate, limit, start) = (Rate::default(), limit(), Instant::now());
        let mut at = |seconds| rate.judge(start + Duration::from_secs(seconds), &limit);
        assert_eq!((at(0), at(1), at(2)), (Verdict::Pass, Verdict::Pass, Verdict::Pass));
        assert_eq!(at(4), Verdict::Wait(Duration::from_secs(6)));
        assert_eq!(at(9), Verdict::Wait(Duration::from_secs(1)));
        assert_eq!(at(10), Verdict::Pass, "the first is 10 s old");
        assert_eq!(at(10), Verdict::Wait(Duration::from_secs(1)), "the second is not");
        assert_eq!((at(11), at(12)), (Verdict::Pass, Verdict::Pass));
    }

    #[test]
    fn who_does_not_stop_is_closed() {
        let (mut rate, limit, now) = (Rate::default(), limit(), Instant::now());
        let verdicts: Vec<_> = (0..13).map(|_| rate.judge(now, &limit)).collect();
        assert!(verdicts[..3].iter().all(|verdict| *verdict == Verdict::Pass));
        assert!(verdicts[3..12].iter().all(|verdict| matches!(verdict, Verdict::Wait(_))));
        assert_eq!(verdicts[12], Verdict::Enough);
    }

    #[test]
    fn a_pause_is_forgiveness() {
        let (mut rate, limit, now) = (Rate::default(), limit(), Instant::now());
        for round in 0..10 {
            let now = now + Duration::from_secs(11 * round);
            let verdicts: Vec<_> = (0..12).map(|_| rate.judge(now, &limit)).collect();
            assert!(!verdicts.contains(&Verdict::Enough), "round {round}");
        }
        assert_eq!(rate.passed.len(), 3, "nothing piles up");
    }
}
