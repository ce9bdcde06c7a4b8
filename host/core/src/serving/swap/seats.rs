//! The meeting point of connections and a swap: connections hand in their sessions, and get them or their successors
//! back.

use crate::engine::{Client, HandedIn, Session, Step, Ticket};
use crate::lock::{Held, Lock};
use plugin_api::Sent;
use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, channel, unbounded_channel};
use tokio::time::timeout_at;

/// A client whose session the swap has.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) client: Arc<Client>,
    /// The session of the old generation, which may have to go on.
    pub(super) session: Session,
    pub(super) exported: Vec<u8>,
    /// The session of the new generation.
    pub(super) successor: Option<Session>,
}

impl Seat {
    fn of(HandedIn { client, session }: HandedIn) -> Self {
        Self { client, session, exported: Vec::new(), successor: None }
    }

    /// Lets the connection go on with its session or with the successor. Returns the other session, which is left
    /// behind.
    #[must_use]
    pub(super) fn resume(self, with_successor: bool) -> Option<Session> {
        let (session, left_behind) = match self.successor {
            Some(successor) if with_successor => (successor, Some(self.session)),
            other => (self.session, other),
        };
        // Set this now rather than when the connection goes on: a swap that begins in between must find the client
        // among its own.
        self.client.set_generation(session.engine().generation());
        // A connection cannot end while its session is here.
        tell(&self.client, Step::Resume(Some(session)));
        left_behind
    }
}

/// Tells a connection its next step. If the connection is gone, its ticket is dropped, which counts as an answer.
pub(super) fn tell(client: &Client, step: Step) {
    let _: Sent = client.take_part(step);
}

/// The answers of connections to a step.
#[derive(Debug)]
pub(super) struct Answers {
    sessions: UnboundedReceiver<HandedIn>,
    done: Receiver<Infallible>,
}

impl Answers {
    /// Sends a step to these clients' connections.
    pub(super) fn ask(clients: &[Arc<Client>], step: fn(Ticket) -> Step) -> Answers {
        let (hand_in, sessions) = unbounded_channel();
        let (say_nothing, done) = channel(1);
        clients.iter().for_each(|client| tell(client, step(Ticket::new(hand_in.clone(), say_nothing.clone()))));
        Answers { sessions, done }
    }

    /// Waits until everyone has answered, or until `until`, and then seats the sessions that are there: it is woken once,
    /// however many there are. Returns whether all had answered.
    pub(super) async fn wait_for_all(&mut self, seats: &Seats, until: Instant) -> bool {
        let all_answered = timeout_at(until.into(), self.done.recv()).await.is_ok();
        while let Ok(handed_in) = self.sessions.try_recv() {
            seats.add(Seat::of(handed_in));
        }
        all_answered
    }

    /// Waits until everyone has answered, and seats each session as soon as it is handed in. Returns whether all had
    /// answered at `until`; it may be called again.
    pub(super) async fn wait(&mut self, seats: &Seats, until: Instant) -> bool {
        let all = async {
            while let Some(handed_in) = self.sessions.recv().await {
                seats.add(Seat::of(handed_in));
            }
        };
        timeout_at(until.into(), all).await.is_ok()
    }
}

impl Drop for Answers {
    /// Stops waiting. A connection that has not handed in its session keeps it, or gets it back at once.
    fn drop(&mut self) {
        close(&mut self.sessions, |handed_in| {
            let _none_left_behind = Seat::of(handed_in).resume(false);
        });
    }
}

/// Closes a channel. Takes everything that was sent through it, and everything that a sender which found it open is
/// just about to send: that would be lost otherwise, and a session with it.
fn close<T>(channel: &mut UnboundedReceiver<T>, mut take: impl FnMut(T)) {
    channel.close();
    loop {
        match channel.try_recv() {
            Ok(sent) => take(sent),
            // It is closed for all but them, who are done in a moment.
            Err(TryRecvError::Empty) => thread::yield_now(),
            Err(TryRecvError::Disconnected) => return,
        }
    }
}

/// The sessions that were handed in.
#[derive(Debug, Default)]
pub(super) struct Seats(Lock<Taken>);

#[derive(Debug, Default)]
struct Taken {
    /// A place is empty while somebody works on its seat.
    seats: Vec<Option<Seat>>,
    /// The new generation imports. If the swap ends before that is finished, the new generation is useless.
    importing: bool,
    /// The swap has stopped waiting: sessions that come later are sent back.
    over: bool,
}

/// The end of a swap.
#[derive(Debug)]
pub(super) struct Ended {
    /// How many connections were told to go on with a session.
    pub resumed: usize,
    /// Whether imports had begun.
    pub importing: bool,
    /// Drop these when everyone has gone on.
    pub left_behind: Vec<Session>,
}

impl Seats {
    /// Takes a session, or lets its connection go on at once if the swap is over.
    fn add(&self, seat: Seat) {
        let mut taken = self.lock();
        if !taken.over {
            return taken.seats.push(Some(seat));
        }
        drop(taken);
        let _none_left_behind = seat.resume(false);
    }

    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.lock().seats.len()
    }

    /// Takes the last seat for good. `None` if there is none, or if the swap is over.
    pub(super) fn take(&self) -> Option<Seat> {
        self.lock().seats.pop().flatten()
    }

    /// Notes that the new generation imports from now on. Returns whether it may, which means that the swap is not
    /// over.
    pub(super) fn begin_imports(&self) -> bool {
        let mut taken = self.lock();
        taken.importing = !taken.over;
        taken.importing
    }

    /// Works on one seat without holding the lock. `None` if the swap is over or the seat is gone.
    pub(super) fn with_seat<R>(&self, index: usize, work: impl FnOnce(&mut Seat) -> R) -> Option<R> {
        let mut taken = self.lock();
        if taken.over {
            return None;
        }
        let mut seat = taken.seats.get_mut(index)?.take()?;
        drop(taken);
        let result = work(&mut seat);
        let mut taken = self.lock();
        if taken.over {
            drop(taken);
            // The others have gone on without waiting for this one.
            drop(seat.resume(false));
            return None;
        }
        taken.seats[index] = Some(seat);
        Some(result)
    }

    /// Ends the swap: lets every connection go on with its successor or with its old session.
    pub(super) fn end(&self, with_successors: bool) -> Ended {
        let mut taken = self.lock();
        taken.over = true;
        let importing = taken.importing;
        let seats = std::mem::take(&mut taken.seats);
        drop(taken);
        let (mut resumed, mut left_behind) = (0, Vec::with_capacity(seats.len()));
        for seat in seats.into_iter().flatten() {
            left_behind.extend(seat.resume(with_successors));
            resumed += 1;
        }
        Ended { resumed, importing, left_behind }
    }

    fn lock(&self) -> Held<'_, Taken> {
        self.0.hold()
    }
}

impl Drop for Seats {
    /// No connection stays without its session, even if the swap is given up in the middle.
    fn drop(&mut self) {
        self.end(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_is_closed_loses_nothing_that_was_sent() {
        for round in 0..500 {
            let (sender, mut receiver) = unbounded_channel();
            let sending = thread::spawn(move || (0..50_000).take_while(|number| sender.send(*number).is_ok()).count());
            while receiver.is_empty() {
                thread::yield_now();
            }
            let mut taken = 0;
            close(&mut receiver, |_: i32| taken += 1);
            assert_eq!(taken, sending.join().unwrap(), "in round {round}");
        }
    }
}
