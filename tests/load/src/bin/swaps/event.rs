//! What the run waits for: news of the host and of the traffic, in one channel.

use anyhow::{Result, bail};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long anything that is waited for may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A reload has ended.
    Outcome(Outcome),
    /// In this window every client has sent.
    RoundSent { window: usize },
    /// The window is over, and every message sent in it has been answered.
    Answered { window: usize, seen: Seen },
    /// All has been sent, answered and heard.
    Finished(Totals),
    /// A client saw what it must not see.
    Fault(String),
    /// The host's log has ended.
    HostEnded,
}

/// What came of a reload.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// A new generation has taken over.
    Reloaded { version: String, pause_ms: Option<f64> },
    /// The old one goes on.
    Refused { why: String },
}

/// What clients saw of a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// The longest time in which no client got an answer.
    pub(crate) longest_gap: Duration,
    /// From sending to the answer, of the message that waited longest.
    pub(crate) worst_round_trip: Duration,
}

/// What was sent and heard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    /// Chats that clients heard; each is heard by everyone in the room.
    pub(crate) heard: u64,
    pub(crate) took: Duration,
}

/// Events, and those among them that nobody has waited for yet.
pub(crate) struct Inbox {
    events: Receiver<Event>,
    early: Vec<Event>,
}

impl Inbox {
    pub(crate) fn new(events: Receiver<Event>) -> Inbox {
        Inbox { events, early: Vec::new() }
    }

    /// Waits for the event that `wanted` takes something from.
    ///
    /// # Errors
    ///
    /// A fault, the end of the host, or that nothing came in time.
    pub(crate) fn wait<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> Result<T> {
        if let Some((index, found)) = self.early.iter().enumerate().find_map(|(i, event)| Some((i, wanted(event)?))) {
            self.early.remove(index);
            return Ok(found);
        }
        let until = Instant::now() + DEADLINE;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::Fault(why)) => bail!("{why}"),
                Ok(Event::HostEnded) => bail!("wshost has ended while this was waited for: {what}"),
                Ok(event) => match wanted(&event) {
                    Some(found) => return Ok(found),
                    None => self.early.push(event),
                },
                Err(RecvTimeoutError::Timeout) => bail!("{what}: not in {DEADLINE:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("{what}: nobody is there to tell"),
            }
        }
    }
}
