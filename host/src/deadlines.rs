//! Deadlines of connections: one coarse wheel per event loop in place of a timer per connection.
//!
//! A deadline is late by up to one [`TICK`]. Who is woken looks at its own deadlines again: a deadline past the wheel's
//! horizon wakes its task there to set it anew. Who needs no waking any more says so: a waker keeps the memory of its task.

use slab::Slab;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How fine the wheel is.
pub const TICK: Duration = Duration::from_millis(250);
/// A horizon of 256 s, which is beyond what keepalive waits for by default.
const SLOTS: u32 = 1024;

/// Tasks to wake, by tick.
#[derive(Debug)]
pub struct Deadlines {
    slots: Vec<Slab<Waker>>,
    began: Instant,
    /// The start of `tick`.
    now: Instant,
    /// Ticks since the wheel began; the slot of this one is the next to come. A u32 does for 34 years.
    tick: u32,
}

/// A task that the wheel is to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    tick: u32,
    key: u32,
}

impl Deadlines {
    /// An empty wheel that starts now.
    pub fn new(now: Instant) -> Self {
        Deadlines { slots: (0..SLOTS).map(|_| Slab::new()).collect(), began: now, now, tick: 0 }
    }

    /// Wakes the task at `deadline`, or at the wheel's horizon if that is earlier.
    pub fn wake_at(&mut self, deadline: Instant, waker: &Waker) -> Alarm {
        let ahead = deadline.saturating_duration_since(self.now).as_millis().div_ceil(TICK.as_millis());
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX).clamp(1, SLOTS - 1);
        let tick = self.tick + ahead;
        let key = self.slots[slot(tick)].insert(waker.clone());
        // Past 4,294,967,295 tasks there is no alarm to cancel.
        Alarm { tick, key: u32::try_from(key).unwrap_or(u32::MAX) }
    }

    /// When this wakes its task, or has woken it.
    pub fn time_of(&self, alarm: Alarm) -> Instant {
        self.began + TICK * alarm.tick
    }

    /// Does not wake the task, unless that has happened.
    pub fn cancel(&mut self, alarm: Alarm) {
        if alarm.tick >= self.tick {
            self.slots[slot(alarm.tick)].try_remove(alarm.key as usize);
        }
    }

    /// The time to within two ticks, without a look at the clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Wakes everyone whose time has come. To be called about every [`TICK`].
    pub fn advance(&mut self, now: Instant) {
        while self.now <= now {
            let due = &mut self.slots[slot(self.tick)];
            due.drain().for_each(Waker::wake);
            if due.capacity() > 1024 {
                *due = Slab::new();
            }
            self.tick += 1;
            self.now += TICK;
        }
    }
}

fn slot(tick: u32) -> usize {
    (tick % SLOTS) as usize
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
        let alarm = wheel.wake_at(now + Duration::from_secs(600), &Arc::clone(&count).into());
        let woken = wheel.time_of(alarm);
        assert!(woken < now + Duration::from_secs(600));
        wheel.advance(woken);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
    #[test]
    fn a_task_that_needs_no_waking_any_more_is_let_go() {
        let now = Instant::now();
        let (gone, other) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut wheel = Deadlines::new(now);
        let alarm = wheel.wake_at(now + TICK, &Arc::clone(&gone).into());
        wheel.wake_at(now + TICK, &Arc::clone(&other).into());
        wheel.cancel(alarm);
        assert_eq!(Arc::strong_count(&gone), 1);
        wheel.advance(now + 2 * TICK);
        assert_eq!((gone.0.load(Ordering::Relaxed), other.0.load(Ordering::Relaxed)), (0, 1));
    }

    #[test]
    fn an_alarm_of_the_past_is_nobody_elses() {
        let now = Instant::now();
        let count = Arc::new(Count::default());
        let mut wheel = Deadlines::new(now);
        let past = wheel.wake_at(now + TICK, Waker::noop());
        wheel.advance(now + 2 * TICK);
        // The same slot, one turn of the wheel later.
        wheel.wake_at(now + TICK * (SLOTS + 1), &Arc::clone(&count).into());
        wheel.cancel(past);
        wheel.advance(now + TICK * (SLOTS + 2));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
