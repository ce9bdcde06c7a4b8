//! A connection's part in a swap: the steps that it is told, and the session that it hands in.

use super::{Client, Session};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc::{Sender, UnboundedSender};

/// The steps of a connection in a swap, one after another.
#[derive(Debug)]
pub enum Step {
    /// Show that no callback blocks the loop. Dropping the ticket is the answer.
    Answer(Ticket),
    /// Read nothing more, and call the engine only for events. Dropping the ticket is the answer.
    Freeze(Ticket),
    /// Hand in the session.
    HandIn(Ticket),
    /// Go on, with this session or with the one that was not handed in.
    Resume(Option<Session>),
}

/// The right and duty to answer once. Dropping it is an answer.
#[derive(Debug)]
pub struct Ticket {
    sessions: UnboundedSender<HandedIn>,
    /// It says nothing. It hangs up behind the session, so that one wake-up tells of all answers.
    _done: Sender<Infallible>,
}

impl Ticket {
    /// A ticket whose session goes to `sessions`. `done` hangs up when all tickets that have it are answered.
    pub(crate) fn new(sessions: UnboundedSender<HandedIn>, done: Sender<Infallible>) -> Self {
        Ticket { sessions, _done: done }
    }

    /// Hands a session in.
    ///
    /// # Errors
    ///
    /// The session, if nobody waits for it any more.
    pub(crate) fn hand_in(self, client: &Arc<Client>, session: Session) -> Result<(), Session> {
        let handed_in = HandedIn { client: Arc::clone(client), session };
        self.sessions.send(handed_in).map_err(|refused| refused.0.session)
    }
}

/// A session that a connection has handed in.
#[derive(Debug)]
pub(crate) struct HandedIn {
    /// The client of the session.
    pub(crate) client: Arc<Client>,
    /// The session of the old generation, which may have to go on.
    pub(crate) session: Session,
}
