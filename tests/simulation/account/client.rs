//! What is known of one client.

use super::inbound::Inbound;
use super::outbound::Outbound;
use plugin_testing::rig::Peer;
use std::collections::{BTreeSet, VecDeque};

/// One client, from its handshake on.
pub struct Client {
    pub life: Life,
    /// Which generation serves it.
    pub generation: usize,
    /// The callback that it is in.
    pub callback: Option<&'static str>,
    /// How many messages the engine has been given.
    pub messages: u64,
    pub inbound: Inbound,
    pub outbound: Outbound,
    /// What the engine's close frame says, once it is accepted.
    pub close: Option<u16>,
    /// Codes with which the core may close it of its own accord, since something happened for which it does.
    pub reasons: BTreeSet<u16>,
    /// The code of what broke the protocol.
    pub fault: Option<u16>,
    /// A callback or job of its panicked.
    pub failed: bool,
    /// The peer's close frame has come to the engine, or bytes at which the server ends the conversation were sent.
    pub ending: bool,
    /// Events that were accepted and are neither delivered nor dropped.
    pub events: VecDeque<u64>,
    /// Jobs that callbacks returned and that have not run.
    pub jobs: VecDeque<u64>,
    pub paused: bool,
    /// A message was refused, and `on_drain` has not come since.
    pub refused: bool,
    /// For how long nothing has come, though it would have been read.
    pub quiet_for: u64,
    /// Since when a message has been unfinished.
    pub unfinished_since: Option<u64>,
    /// For how long a message has been unfinished, though more would have been read.
    pub unfinished_for: u64,
    /// For how long at most something of it may have been read.
    pub read_for: u64,
    /// The core may have said by now that a message of its is late.
    pub may_be_late: bool,
    /// It was not read from when this was last looked at, since the engine does not want it.
    pub was_paused: bool,
    /// For how long its end has been under way.
    pub ending_for: u64,
    /// Its end of the connection.
    pub peer: Peer,
    /// When the engine accepted it.
    pub accepted_at: u64,
    /// When the engine had last been told to ping it.
    pub ping_due_at: Option<u64>,
    /// The engine was told of the peer's close frame.
    pub told_close: bool,
    /// What the peer's close frame says, once it is sent.
    pub peer_close: Option<u16>,
    /// Since when the core may have closed it, though that is not known.
    pub perhaps_since: Option<u64>,
    /// When its end began, by whichever close frame.
    pub end_began: Option<u64>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It asks to connect, or was not let in.
    Asking,
    /// The engine has accepted it.
    Connecting,
    Open,
    /// `on_closed` said this.
    Closed(u16),
}

impl Client {
    /// One that asks to connect.
    pub fn new(peer: Peer) -> Client {
        Client {
            life: Life::Asking,
            generation: 0,
            callback: None,
            messages: 0,
            inbound: Inbound::default(),
            outbound: Outbound::new(),
            close: None,
            reasons: BTreeSet::new(),
            fault: None,
            failed: false,
            ending: false,
            events: VecDeque::new(),
            jobs: VecDeque::new(),
            paused: false,
            refused: false,
            quiet_for: 0,
            unfinished_since: None,
            unfinished_for: 0,
            read_for: 0,
            may_be_late: false,
            was_paused: false,
            ending_for: 0,
            peer,
            accepted_at: 0,
            ping_due_at: None,
            told_close: false,
            peer_close: None,
            perhaps_since: None,
            end_began: None,
        }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.life, Life::Closed(_))
    }

    /// Whether its end has begun, or may have.
    pub fn may_be_ending(&self) -> bool {
        self.close.is_some()
            || self.perhaps_since.is_some()
            || self.ending
            || self.failed
            || !self.reasons.is_empty()
            || self.is_closed()
    }

    pub fn is_served_by(&self, generation: usize) -> bool {
        self.generation == generation && matches!(self.life, Life::Connecting | Life::Open)
    }

    /// The close codes that the peer may see.
    pub fn may_close_with(&self, code: u16) -> bool {
        match self.close {
            // The first close frame is the only one.
            Some(ours) => ours == code,
            None => self.reasons.contains(&code),
        }
    }
}
