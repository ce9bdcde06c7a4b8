//! Notices to a connection besides data to send: values for its session, and its part in a swap. A client carries them
//! without being able to read them.

use super::object::Event;
use super::step::Step;
use crate::client::{self, audience};
use plugin_api::Sent;

/// Something for a connection and its session.
#[derive(Debug)]
pub enum Notice {
    /// Deliver a value to the session.
    Event(Event),
    /// Take part in a swap.
    Step(Step),
}

/// A client of an engine.
pub type Client = client::Client<Notice>;

/// The clients of an engine.
pub type Audience = audience::Audience<Notice>;

impl Client {
    /// Posts a value to the session. If there is no room or no session, it is discarded here, without a lock held.
    pub fn post(&self, event: Event) -> Sent {
        match self.outbox().post(Notice::Event(event)) {
            Ok(()) => Sent::Sent,
            Err(refused) => {
                if let Notice::Event(event) = refused.notice {
                    event.discard_here();
                }
                refused.why
            }
        }
    }

    /// Tells the connection its next step in a swap, whatever waits.
    pub(crate) fn take_part(&self, step: Step) -> Sent {
        self.outbox().notify(Notice::Step(step))
    }
}
