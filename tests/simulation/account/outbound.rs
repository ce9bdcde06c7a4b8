//! What a client is owed: everything that the engine was told is sent, in the order in which it must come.

use crate::wire::{Kind, Payload, Read};
use std::collections::VecDeque;

/// A message that the engine has sent, or begun to.
#[derive(Clone, Debug)]
pub struct Owed {
    pub payload: Payload,
    /// All of its parts are sent.
    pub finished: bool,
    /// The engine has had what waits dropped, or it is not known whether this client was among those that a broadcast reached.
    pub may_be_missing: bool,
    pub wire_bytes: usize,
}

/// All that one client is owed.
#[derive(Default)]
pub struct Outbound {
    pub owed: VecDeque<Owed>,
    pings: VecDeque<Vec<u8>>,
    pongs: VecDeque<Vec<u8>>,
    /// The pong that came last may have been the one that was sent last: they say the same.
    newest_may_have_come: bool,
    /// Bytes that were accepted since the last time at which nothing waited.
    accepted: usize,
    /// Bytes that had come by then.
    come_before: usize,
    /// Whether it is known to the byte what waits.
    pub exact: bool,
    /// The largest message that was sent.
    pub largest: usize,
}

impl Outbound {
    /// Nothing yet.
    pub fn new() -> Outbound {
        Outbound { exact: true, ..Outbound::default() }
    }

    /// A whole message, or the first part of one, was accepted.
    pub fn add(&mut self, owed: Owed) {
        self.largest = self.largest.max(owed.wire_bytes);
        self.accepted += owed.wire_bytes;
        self.owed.push_back(owed);
    }

    /// A further part of the message of this number was accepted.
    pub fn add_part(&mut self, number: u32, bytes: usize, last: bool) {
        if let Some(owed) = self.owed.iter_mut().rev().find(|owed| owed.payload.number == number) {
            owed.payload.length += bytes;
            owed.finished = last;
            let wire_bytes = wire_length(bytes);
            owed.wire_bytes += wire_bytes;
            self.accepted += wire_bytes;
            self.largest = self.largest.max(wire_bytes);
        }
    }

    /// A ping was accepted.
    pub fn add_ping(&mut self, data: &[u8]) {
        self.accepted += 2 + data.len();
        self.pings.push_back(data.to_vec());
    }

    /// A pong was accepted behind so many bytes. Of several that wait, only the newest may come, and it may not count.
    pub fn add_pong(&mut self, data: &[u8], before: usize) {
        self.accepted += 2 + data.len();
        self.exact &= self.pongs.is_empty() && before == 0;
        self.pongs.push_back(data.to_vec());
        self.newest_may_have_come = false;
    }

    /// Whole messages that wait may have been dropped.
    pub fn may_drop_whole(&mut self) {
        self.exact = false;
        let waiting = self.owed.iter_mut().filter(|owed| owed.finished);
        waiting.for_each(|owed| owed.may_be_missing = true);
    }

    /// Everything that waits may have been dropped.
    pub fn may_drop_all(&mut self) {
        self.exact = false;
        self.owed.iter_mut().for_each(|owed| owed.may_be_missing = true);
    }

    /// A close frame was put behind all that waits. A message in parts is cut off there, and what waits for its end with it.
    pub fn cut_off(&mut self) {
        self.exact = false;
        let unfinished = self.owed.iter().position(|owed| !owed.finished).unwrap_or(self.owed.len());
        self.owed.iter_mut().skip(unfinished).for_each(|owed| owed.may_be_missing = true);
    }

    /// Whether a message in parts is not finished.
    pub fn is_within_message(&self) -> bool {
        self.owed.iter().any(|owed| !owed.finished)
    }

    /// Compares something that came with what was to come.
    ///
    /// # Errors
    ///
    /// In what they differ.
    pub fn check(&mut self, read: &Read) -> Result<(), String> {
        match read {
            Read::Message { kind, payload } => self.check_message(*kind, payload),
            Read::Ping(data) => match self.pings.pop_front() {
                Some(ping) if ping == *data => Ok(()),
                other => Err(format!("the ping {data:?} came, and {other:?} was sent")),
            },
            Read::Pong(data) => {
                while let Some(pong) = self.pongs.pop_front() {
                    if pong == *data {
                        self.newest_may_have_come = self.pongs.back() == Some(data);
                        return Ok(());
                    }
                }
                Err(format!("the pong {data:?} came, which was not sent or not in this place"))
            }
            // One that is not finished is cut off, and with it what waits for its end.
            Read::Close { .. } => match self.owed.iter().find(|owed| !(owed.may_be_missing && owed.finished)) {
                Some(owed) if owed.finished => Err(format!("the close frame came, and {:?} had not", owed.payload)),
                _ => Ok(()),
            },
        }
    }

    fn check_message(&mut self, kind: Kind, payload: &[u8]) -> Result<(), String> {
        while let Some(owed) = self.owed.pop_front() {
            if owed.finished && owed.payload.kind == kind && owed.payload.is(payload) {
                return Ok(());
            }
            if !owed.may_be_missing {
                let began = String::from_utf8_lossy(&payload[..payload.len().min(24)]).into_owned();
                let due = if owed.finished { "was to come" } else { "is unfinished" };
                let came = format!("{kind:?} of {} bytes came ({began:?})", payload.len());
                return Err(format!("{came}, and {:?} {due}", owed.payload));
            }
        }
        Err(format!("a message of {} bytes came, and none was sent", payload.len()))
    }

    /// Nothing waits, and so many bytes have come.
    pub fn nothing_waits(&mut self, come: usize) {
        (self.accepted, self.come_before, self.exact) = (0, come, true);
    }

    /// How many bytes wait when so many have come, if that is known.
    pub fn waits(&self, come: usize) -> Option<usize> {
        self.exact.then(|| self.accepted.saturating_sub(come - self.come_before))
    }

    /// What has not come, and must have if nothing waits any more.
    pub fn missing(&self) -> Option<String> {
        if let Some(ping) = self.pings.front() {
            return Some(format!("the ping {ping:?}"));
        }
        if let Some(pong) = self.pongs.back().filter(|_| !self.newest_may_have_come) {
            return Some(format!("the pong {pong:?}"));
        }
        let finished = self.owed.iter().take_while(|owed| owed.finished);
        finished.filter(|owed| !owed.may_be_missing).map(|owed| format!("{:?}", owed.payload)).next()
    }
}

/// What a frame of so many bytes takes on the wire.
pub fn wire_length(bytes: usize) -> usize {
    bytes
        + match bytes {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        }
}
