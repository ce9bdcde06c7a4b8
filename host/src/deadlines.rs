//! Deadlines of connections: one coarse wheel per event loop in place of a timer per connection.
//!
//! A deadline is late by up to one [`TICK`]. Who is woken looks at its own deadlines again: an entry that was set and is
//! no longer wanted wakes its task in vain, and a deadline past the wheel's horizon wakes its task there to set it anew.

use std::task::Waker;
use std::time::{Duration, Instant};

/// How fine the wheel is.
pub const TICK: Duration = Duration::from_millis(250);
/// A horizon of 256 s, which is beyond what keepalive waits for by default.
const SLOTS: usize = 1024;

/// Tasks to wake, by tick.
#[derive(Debug)]
pub struct Deadlines {
    slots: Vec<Vec<Waker>>,
    /// The start of the slot that `next` names.
    start: Instant,
    next: usize,
}

impl Deadlines {
    /// An empty wheel that starts now.
    pub fn new(now: Instant) -> Self {
        Deadlines { slots: (0..SLOTS).map(|_| Vec::new()).collect(), start: now, next: 0 }
    }

    /// Wakes the task at `deadline`, or at the wheel's horizon if that is earlier. Returns when.
    pub fn wake_at(&mut self, deadline: Instant, waker: &Waker) -> Instant {
        let ahead = deadline.saturating_duration_since(self.start).as_millis().div_ceil(TICK.as_millis());
        let ahead = usize::try_from(ahead).unwrap_or(usize::MAX).clamp(1, SLOTS - 1);
        self.slots[(self.next + ahead) % SLOTS].push(waker.clone());
        self.start + TICK * u32::try_from(ahead).unwrap_or(u32::MAX)
    }

    /// The time to within two ticks, without a look at the clock.
    pub fn now(&self) -> Instant {
        self.start
    }

    /// Wakes everyone whose time has come. To be called about every [`TICK`].
    pub fn advance(&mut self, now: Instant) {
        while self.start <= now {
            self.slots[self.next].drain(..).for_each(Waker::wake);
            if self.slots[self.next].capacity() > 1024 {
                self.slots[self.next] = Vec::new();
            }
            self.next = (self.next + 1) % SLOTS;
            self.start += TICK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_once_and_not_before_the_deadline() {
        for millis in [0, 1, 249, 250, 251, 1000, 5000, 255_000] {
            let now = Instant::now();
            let count = Arc::new(Count::default());
            let mut wheel = Deadlines::new(now);
            let deadline = now + Duration::from_millis(millis);
            wheel.wake_at(deadline, &Arc::clone(&count).into());
            let mut time = now;
            while count.0.load(Ordering::Relaxed) == 0 {
                time += Duration::from_millis(100);
                wheel.advance(time);
                assert!(time <= deadline + 2 * TICK, "{millis} ms: too late");
            }
            assert!(time >= deadline, "{millis} ms: too early");
            wheel.advance(time + 1100 * TICK);
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn wakes_at_the_horizon_for_what_lies_beyond() {
        let now = Instant::now();
        let count = Arc::new(Count::default());
        let mut wheel = Deadlines::new(now);
        let woken = wheel.wake_at(now + Duration::from_secs(600), &Arc::clone(&count).into());
        assert!(woken < now + Duration::from_secs(600));
        wheel.advance(woken);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
