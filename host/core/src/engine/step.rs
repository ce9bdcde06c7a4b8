//! The part of a connection in a swap: what it is told, and what it hands in.

use super::{Client, Session};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

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

/// The right and duty to answer once. Dropped, it is an answer.
#[derive(Debug)]
pub struct Ticket(UnboundedSender<HandedIn>);

impl Ticket {
    /// Has the answer go there.
    pub(crate) fn new(answer: UnboundedSender<HandedIn>) -> Self {
        Self(answer)
    }

    /// Hands a session in.
    ///
    /// # Errors
    ///
    /// The session, if nobody waits for it any more.
    pub fn hand_in(self, client: &Arc<Client>, session: Session) -> Result<(), Session> {
        let handed_in = HandedIn { client: Arc::clone(client), session };
        self.0.send(handed_in).map_err(|refused| refused.0.session)
    }
}

/// A session that a connection has handed in.
#[derive(Debug)]
pub(crate) struct HandedIn {
    /// Whose it is.
    pub(crate) client: Arc<Client>,
    /// Of the generation that may have to go on.
    pub(crate) session: Session,
}
