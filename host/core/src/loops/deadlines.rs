//! Deadlines of connections: one coarse timer wheel per event loop instead of a timer per connection.
//!
//! A deadline is late by up to one [`TICK`]. A task that is woken checks its own deadlines again: a deadline beyond the
//! wheel's horizon wakes its task at the horizon, to be set anew. A task that no longer needs waking must say so, since
//! a waker keeps its memory.
//!
//! The wheel has a time of its own, in which all deadlines of its loop are set and judged. It stands still while the
//! loop is away, in a callback that blocks or because the process is stopped: a peer is not to blame for time in which
//! nothing was read.

use slab::Slab;
use std::cell::Cell;
use std::task::Waker;
use std::time::{Duration, Instant};

/// The resolution of the wheel.
pub const TICK: Duration = Duration::from_millis(250);
const TICK_NANOS: u64 = TICK.as_nanos() as u64;
/// Gives a horizon of 256 s, which is longer than the default times of keepalive.
const SLOTS: u32 = 1024;

/// Tasks to wake, by tick.
#[derive(Debug)]
pub struct Deadlines {
    slots: Vec<Slab<Waker>>,
    began: Instant,
    /// The start of `tick`, in the wheel's time.
    now: Instant,
    /// How far the wheel's time is behind the clock, which is how long the loop has been away.
    away: Duration,
    /// Ticks since the wheel began; the slot of this one comes next. A u32 lasts for 34 years.
    tick: u32,
}

/// A task that the wheel is to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    tick: u32,
    key: u32,
}

thread_local! {
    /// The `away` of the wheel of this thread's loop.
    static AWAY: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// How long this thread's loop has been away in total.
pub fn away() -> Duration {
    AWAY.get()
}

impl Deadlines {
    /// An empty wheel that starts now.
    pub fn new(now: Instant) -> Self {
        Deadlines { slots: (0..SLOTS).map(|_| Slab::new()).collect(), began: now, now, away: Duration::ZERO, tick: 0 }
    }

    /// Wakes the task at `deadline`, or at the wheel's horizon if that is earlier.
    pub(crate) fn wake_at(&mut self, deadline: Instant, waker: &Waker) -> Alarm {
        // Rounded up to the nanosecond: a task that is woken before its deadline waits for one tick more.
        let ahead = u64::try_from(deadline.saturating_duration_since(self.now).as_nanos()).unwrap_or(u64::MAX);
        let ahead = u32::try_from(ahead.div_ceil(TICK_NANOS)).unwrap_or(u32::MAX).clamp(1, SLOTS - 1);
        let tick = self.tick + ahead;
        let key = self.slots[slot(tick)].insert(waker.clone());
        // Beyond 4,294,967,295 tasks, the alarm cannot be cancelled.
        Alarm { tick, key: u32::try_from(key).unwrap_or(u32::MAX) }
    }

    /// When this alarm wakes its task, or has woken it.
    pub(crate) fn time_of(&self, alarm: Alarm) -> Instant {
        self.began + TICK * alarm.tick
    }

    /// Cancels an alarm, unless it has already woken its task.
    pub fn cancel(&mut self, alarm: Alarm) {
        if alarm.tick >= self.tick {
            self.slots[slot(alarm.tick)].try_remove(alarm.key as usize);
        }
    }

    /// The wheel's time to within two ticks. It does not read the clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The wheel's time when the clock shows `clock`. If [`Deadlines::advance`] is late, it stands still until the next
    /// call.
    pub fn time(&self, clock: Instant) -> Instant {
        clock.checked_sub(self.away).unwrap_or(self.began).min(self.now)
    }

    /// Wakes every task whose time has come. Call it about every [`TICK`] with the clock's time: if a call is more than
    /// one tick late, the loop was away.
    pub fn advance(&mut self, clock: Instant) {
        let late = clock.checked_sub(self.away).unwrap_or(self.began).saturating_duration_since(self.now);
        if late > TICK {
            self.away += late;
            AWAY.set(self.away);
        }
        while self.now + self.away <= clock {
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
    use crate::loops::count::Count;
    use std::sync::Arc;

    /// Lets time pass on a loop that is never away.
    fn pass(wheel: &mut Deadlines, from: Instant, to: Instant) {
        let mut time = from;
        while time < to {
            time = (time + TICK).min(to);
            wheel.advance(time);
        }
    }

    #[test]
    fn wakes_once_and_not_before_the_deadline() {
        for micros in [0, 1, 1000, 249_000, 250_000, 250_001, 251_000, 1_000_000, 5_000_000, 5_000_500, 255_000_000] {
            let now = Instant::now();
            let count = Count::new();
            let mut wheel = Deadlines::new(now);
            let deadline = now + Duration::from_micros(micros);
            wheel.wake_at(deadline, &count.waker());
            let mut time = now;
            while count.get() == 0 {
                time += Duration::from_millis(100);
                wheel.advance(time);
                assert!(time <= deadline + 2 * TICK, "{micros} us: too late");
            }
            assert!(time >= deadline, "{micros} us: too early");
            pass(&mut wheel, time, time + 1100 * TICK);
            assert_eq!(count.get(), 1);
        }
    }

    /// FAULTS K2.
    #[test]
    fn time_stands_still_while_the_loop_is_away() {
        let now = Instant::now();
        let count = Count::new();
        let mut wheel = Deadlines::new(now);
        wheel.advance(now);
        let deadline = wheel.time(now) + 4 * TICK;
        wheel.wake_at(deadline, &count.waker());
        let back = now + 100 * TICK;
        assert!(wheel.time(back) <= now + TICK, "before anybody has noticed, too");
        wheel.advance(back);
        assert!(wheel.time(back) <= now + TICK);
        assert_eq!(away(), 99 * TICK);
        assert_eq!(count.get(), 0);
        pass(&mut wheel, back, back + 2 * TICK);
        assert!(wheel.time(back + 2 * TICK) < deadline);
        assert_eq!(count.get(), 0);
        pass(&mut wheel, back + 2 * TICK, back + 4 * TICK);
        assert!(wheel.time(back + 4 * TICK) >= deadline);
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn a_tick_that_is_a_little_late_is_made_up_for() {
        let now = Instant::now();
        let mut wheel = Deadlines::new(now);
        let mut time = now;
        for _ in 0..100 {
            wheel.advance(time);
            assert_eq!(wheel.time(time), time);
            time += TICK * 3 / 2;
        }
    }

    #[test]
    fn wakes_at_the_horizon_for_what_lies_beyond() {
        let now = Instant::now();
        let count = Count::new();
        let mut wheel = Deadlines::new(now);
        let alarm = wheel.wake_at(now + Duration::from_secs(600), &count.waker());
        let woken = wheel.time_of(alarm);
        assert!(woken < now + Duration::from_secs(600));
        pass(&mut wheel, now, woken);
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn a_task_that_needs_no_waking_any_more_is_let_go() {
        let now = Instant::now();
        let (gone, other) = (Count::new(), Count::new());
        let mut wheel = Deadlines::new(now);
        let alarm = wheel.wake_at(now + TICK, &gone.waker());
        wheel.wake_at(now + TICK, &other.waker());
        wheel.cancel(alarm);
        assert_eq!(Arc::strong_count(&gone), 1);
        pass(&mut wheel, now, now + 2 * TICK);
        assert_eq!((gone.get(), other.get()), (0, 1));
    }

    #[test]
    fn an_alarm_of_the_past_is_nobody_elses() {
        let now = Instant::now();
        let count = Count::new();
        let mut wheel = Deadlines::new(now);
        let past = wheel.wake_at(now + TICK, Waker::noop());
        pass(&mut wheel, now, now + 2 * TICK);
        // The same slot, one turn of the wheel later.
        wheel.wake_at(now + TICK * (SLOTS + 1), &count.waker());
        wheel.cancel(past);
        pass(&mut wheel, now + 2 * TICK, now + TICK * (SLOTS + 2));
        assert_eq!(count.get(), 1);
    }
}
