//! The line of those who took too long: one of them at a time, between looks at the sockets of all others.
//!
//! tokio polls its sockets only when no task is ready, or after 61 tasks. A task that wakes itself is always ready, and 61
//! turns of a client that floods are too long for everyone else. So a connection whose turn was too long stands in line
//! here before its next: in each round of the loop, those in line together get as much time as everyone else had in the
//! round before, and one of them is let through in any case.

use crate::clock;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What those in line get in one round at most, beyond which no further one is let through.
const MOST_PER_ROUND: Duration = Duration::from_millis(1);

/// The line of one event loop.
#[derive(Debug, Default)]
pub struct Turnstile {
    line: RefCell<VecDeque<Waker>>,
    /// How many have ever stood in line.
    joined: Cell<u64>,
    /// How many of them have been let through.
    admitted: Cell<u64>,
    /// What those who were let through have taken in this round.
    taken: Cell<Duration>,
    /// Wakes [`Turnstile::serve`] when the line is not empty any more.
    keeper: RefCell<Option<Waker>>,
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(NonZeroU64);

impl Turnstile {
    /// Joins the line. `waker` is woken when its place has come.
    pub fn join(&self, waker: &Waker) -> Place {
        self.line.borrow_mut().push_back(waker.clone());
        let place = NonZeroU64::MIN.saturating_add(self.joined.get());
        self.joined.set(place.get());
        if let Some(keeper) = self.keeper.take() {
            keeper.wake();
        }
        Place(place)
    }

    /// Whether whoever has this place has been let through.
    pub fn has_come(&self, place: Place) -> bool {
        place.0.get() <= self.admitted.get()
    }

    /// Notes what somebody took for a turn.
    pub fn note(&self, took: Duration) {
        self.taken.set(self.taken.get() + took);
    }

    /// Lets through whose place has come, for ever. To be run as one of the loop's tasks.
    pub async fn serve(&self) {
        let mut allowed = Duration::ZERO;
        loop {
            self.somebody().await;
            let began = clock::now();
            self.taken.set(Duration::ZERO);
            while self.admit_one() {
                // Behind the task that this has woken.
                behind_ready_tasks().await;
                if self.taken.get() >= allowed {
                    break;
                }
            }
            // Behind a look at the sockets, and behind those that it wakes.
            tokio::task::yield_now().await;
            allowed = clock::since(began).saturating_sub(self.taken.get()).min(MOST_PER_ROUND);
        }
    }

    fn admit_one(&self) -> bool {
        let Some(next) = self.line.borrow_mut().pop_front() else { return false };
        self.admitted.set(self.admitted.get() + 1);
        next.wake();
        true
    }

    /// Waits until somebody stands in line.
    async fn somebody(&self) {
        poll_fn(|cx| {
            if !self.line.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.keeper.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// Goes on after the tasks that are ready now.
async fn behind_ready_tasks() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    /// Has a task take so long for each of its turns, through the turnstile; it tells of each.
    async fn take_long(turnstile: Rc<Turnstile>, turns: u32, log: Rc<RefCell<Vec<char>>>) {
        for _ in 0..turns {
            let mut place = None;
            poll_fn(|cx| match *place.get_or_insert_with(|| turnstile.join(cx.waker())) {
                place if turnstile.has_come(place) => Poll::Ready(()),
                _ => Poll::Pending,
            })
            .await;
            log.borrow_mut().push('L');
            turnstile.note(Duration::from_secs(1));
        }
    }

    #[tokio::test]
    async fn one_at_a_time_between_the_turns_of_others() {
        let (turnstile, log) = (Rc::<Turnstile>::default(), Rc::<RefCell<Vec<char>>>::default());
        let tasks = LocalSet::new();
        let keeper = Rc::clone(&turnstile);
        tasks.spawn_local(async move { keeper.serve().await });
        tasks
            .run_until(async {
                let heavy: Vec<_> =
                    (0..10).map(|_| spawn_local(take_long(Rc::clone(&turnstile), 3, Rc::clone(&log)))).collect();
                // The task of everyone else: it is ready in each round.
                while !heavy.iter().all(tokio::task::JoinHandle::is_finished) {
                    log.borrow_mut().push('.');
                    yield_now().await;
                }
            })
            .await;
        let log: String = log.borrow().iter().collect();
        assert_eq!(log.matches('L').count(), 30);
        assert!(!log.contains("LLL"), "{log}");
    }

    #[tokio::test]
    async fn an_empty_line_wakes_nobody_and_a_new_one_is_served() {
        let (turnstile, log) = (Rc::<Turnstile>::default(), Rc::<RefCell<Vec<char>>>::default());
        let tasks = LocalSet::new();
        let keeper = Rc::clone(&turnstile);
        tasks.spawn_local(async move { keeper.serve().await });
        for _ in 0..3 {
            tasks.run_until(take_long(Rc::clone(&turnstile), 2, Rc::clone(&log))).await;
            tasks.run_until(tokio::time::sleep(Duration::from_millis(1))).await;
        }
        assert_eq!(log.borrow().len(), 6);
    }
}
