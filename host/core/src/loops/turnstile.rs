//! The queue of connections that took too long: they go one at a time, between checks of all other sockets.
//!
//! tokio polls its sockets only when no task is ready, or after 61 tasks. A task that wakes itself is always ready, and
//! 61 turns of a client that floods are too long for everyone else. So a connection whose turn was too long waits here
//! before its next turn. In each round of the loop, the waiting connections together get as much time as all others had
//! in the round before, and at least one of them goes through.

use crate::clock;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::task::{Poll, Waker};
use std::time::Duration;

/// The most time that the waiting connections get in one round, after which no further one goes through.
const MOST_PER_ROUND: Duration = Duration::from_millis(1);

/// The queue of one event loop.
#[derive(Debug, Default)]
pub struct Turnstile {
    line: RefCell<VecDeque<Waker>>,
    /// How many have ever joined.
    joined: Cell<u64>,
    /// How many of them have gone through.
    admitted: Cell<u64>,
    /// The time that those which went through have taken in this round.
    taken: Cell<Duration>,
    /// Wakes [`Turnstile::serve`] when the queue is no longer empty.
    keeper: RefCell<Option<Waker>>,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(NonZeroU64);

impl Turnstile {
    /// Joins the queue. `waker` is woken when its turn has come.
    pub fn join(&self, waker: &Waker) -> Place {
        self.line.borrow_mut().push_back(waker.clone());
        let place = NonZeroU64::MIN.saturating_add(self.joined.get());
        self.joined.set(place.get());
        if let Some(keeper) = self.keeper.take() {
            keeper.wake();
        }
        Place(place)
    }

    /// Whether the connection with this place may go through.
    pub(crate) fn has_come(&self, place: Place) -> bool {
        place.0.get() <= self.admitted.get()
    }

    /// Notes how long a turn took.
    pub fn note(&self, took: Duration) {
        self.taken.set(self.taken.get() + took);
    }

    /// Lets waiting connections through, for ever. Run it as one of the loop's tasks.
    pub async fn serve(&self) {
        let mut allowed = Duration::ZERO;
        loop {
            self.somebody().await;
            let began = clock::now();
            self.taken.set(Duration::ZERO);
            while self.admit_one() {
                // Wait until the task that this has woken has run.
                behind_ready_tasks().await;
                if self.taken.get() >= allowed {
                    break;
                }
            }
            // Wait for a check of the sockets, and for the tasks that it wakes.
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

    /// Waits until the queue is not empty.
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

/// Continues after the tasks that are ready now.
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

    /// Runs a task whose turns take this long, each through the turnstile. It logs each turn.
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
                // This task stands for everyone else: it is ready in each round.
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
