//! A connection's part in a swap of its engine.

use super::Connection;
use crate::connection::wire::Wire;
use crate::engine::Step;
use crate::protocol::close;
use std::sync::Arc;

/// The connection's state in a swap of its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    /// There is no swap.
    None,
    /// Nothing is read, and the engine gets only events: the connection cannot end.
    Frozen,
    /// The swap has the session: the engine gets nothing, and the connection cannot end.
    SessionAway,
}

impl<S: Wire> Connection<S> {
    /// Takes part in a swap of the engine. No callback is under way here: the connection is between two messages, or
    /// the receiver holds the start of one. The generation that has the session afterwards gets the unanswered input.
    pub(super) fn take_step(&mut self, step: Step) {
        match step {
            Step::Answer(_answered) => {}
            Step::Freeze(_answered) => self.swap = Swap::Frozen,
            Step::HandIn(ticket) => {
                if let Some(session) = self.session.take() {
                    match ticket.hand_in(&self.client, session) {
                        Ok(()) => self.swap = Swap::SessionAway,
                        Err(session) => self.session = Some(session),
                    }
                }
            }
            // The engine is still at work on the session, for too long. The session comes back with a step of its own.
            Step::Resume(None) if self.swap == Swap::SessionAway => {}
            Step::Resume(session) => {
                if let Some(session) = session {
                    // Whoever has begun it reaches nobody any more, and all other messages wait for its end.
                    let cut_off = !Arc::ptr_eq(session.engine(), &self.instance)
                        && self.batch.as_ref().is_some_and(|batch| batch.is_within_message());
                    if cut_off {
                        self.client.close(close::SERVICE_RESTART, "a new version has taken over: connect again");
                    }
                    self.instance = Arc::clone(session.engine());
                    self.session = Some(session);
                }
                self.swap = Swap::None;
                self.plan_idle_check();
            }
        }
    }
}
