//! Where connections and a swap meet: the connections hand in their sessions, and get them or their successors back.

use crate::client::Client;
use crate::client::order::Order;
use crate::clock;
use crate::engine::Session;
use crate::lock::{Held, Lock};
use std::sync::{Arc, Condvar};
use std::time::Instant;

/// What a connection is told, one after the other.
#[derive(Debug)]
pub enum Step {
    /// Show that no callback holds up the loop. Answered by dropping the ticket.
    Answer(Ticket),
    /// Read nothing more, and call the engine for nothing but events. Answered by dropping the ticket.
    Freeze(Ticket),
    /// Hand in the session.
    HandIn(Ticket),
    /// Go on: with this session, or the one that was not handed in.
    Resume(Option<Session>),
}

/// A client whose session is with the swap.
#[derive(Debug)]
pub struct Seat {
    pub client: Arc<Client>,
    /// Of the generation that may have to go on.
    pub session: Session,
    pub exported: Vec<u8>,
    /// Of the new generation.
    pub successor: Option<Session>,
}

impl Seat {
    /// Lets the connection go on with its session, or with the successor. Returns the session that is left behind.
    #[must_use]
    pub fn resume(self, with_successor: bool) -> Option<Session> {
        let (session, left_behind) = match self.successor {
            Some(successor) if with_successor => (successor, Some(self.session)),
            other => (self.session, other),
        };
        // Now, and not when the connection gets to go on: a swap that begins before that must know it for one of its own.
        self.client.set_generation(session.instance().generation());
        // A connection is never over while its session is here.
        self.client.outbox().enqueue(Order::Swap(Step::Resume(Some(session))));
        left_behind
    }
}

/// The sessions that were handed in, and how many answers are missing.
#[derive(Debug, Default)]
pub struct Seats {
    state: Lock<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    missing: usize,
    /// A place is empty while somebody works on the seat.
    seats: Vec<Option<Seat>>,
    /// The new generation imports: it is of no use any more if the swap is over before that is.
    importing: bool,
    /// Nobody waits any more: what comes is sent back.
    over: bool,
}

/// How a swap ended.
#[derive(Debug)]
pub struct Ended {
    /// How many connections were told to go on with a session.
    pub resumed: usize,
    /// Imports had begun.
    pub importing: bool,
    /// To be dropped when everyone has gone on.
    pub left_behind: Vec<Session>,
}

/// The right and duty to answer once. Dropped, it is an answer.
#[derive(Debug)]
pub struct Ticket(Arc<Seats>);

impl Seats {
    /// Tickets for this many connections.
    pub fn tickets(self: &Arc<Self>, count: usize) -> impl Iterator<Item = Ticket> + use<'_> {
        self.lock().missing += count;
        (0..count).map(|_| Ticket(Arc::clone(self)))
    }

    /// Waits for every answer. Returns whether all were there when `until` came.
    pub fn wait(&self, until: Instant) -> bool {
        let mut state = self.lock();
        while state.missing > 0 {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return false;
            }
            state = state.wait_timeout(&self.changed, left).0;
        }
        true
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.lock().seats.len()
    }

    /// Takes the seat of whoever handed in last, for good. `None`: there is none, or the swap is over.
    pub fn take(&self) -> Option<Seat> {
        self.lock().seats.pop().flatten()
    }

    /// Notes that the new generation imports from now on. Returns whether it may: the swap is not over.
    pub fn begin_imports(&self) -> bool {
        let mut state = self.lock();
        state.importing = !state.over;
        state.importing
    }

    /// Works on one seat, outside of the lock. `None`: the swap is over, or the seat is.
    pub fn with_seat<R>(&self, index: usize, work: impl FnOnce(&mut Seat) -> R) -> Option<R> {
        let mut state = self.lock();
        if state.over {
            return None;
        }
        let mut seat = state.seats.get_mut(index)?.take()?;
        drop(state);
        let result = work(&mut seat);
        let mut state = self.lock();
        if state.over {
            drop(state);
            // The others have gone on without waiting for this one.
            drop(seat.resume(false));
            return None;
        }
        state.seats[index] = Some(seat);
        Some(result)
    }

    /// Ends the swap: lets every connection go on, with its successor or with the session it had.
    pub fn end(&self, with_successors: bool) -> Ended {
        let mut state = self.lock();
        state.over = true;
        let importing = state.importing;
        let seats = std::mem::take(&mut state.seats);
        drop(state);
        let (mut resumed, mut left_behind) = (0, Vec::with_capacity(seats.len()));
        for seat in seats.into_iter().flatten() {
            left_behind.extend(seat.resume(with_successors));
            resumed += 1;
        }
        Ended { resumed, importing, left_behind }
    }

    fn lock(&self) -> Held<'_, State> {
        self.state.hold()
    }
}

impl Ticket {
    /// Hands a session in.
    ///
    /// # Errors
    ///
    /// The session, where the swap is over.
    pub fn hand_in(self, client: &Arc<Client>, session: Session) -> Result<(), Session> {
        let mut state = self.0.lock();
        if state.over {
            return Err(session);
        }
        let seat = Seat { client: Arc::clone(client), session, exported: Vec::new(), successor: None };
        state.seats.push(Some(seat));
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.missing -= 1;
        if state.missing == 0 {
            self.0.changed.notify_all();
        }
    }
}
