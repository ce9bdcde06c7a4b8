//! A simulated client: it sends by chance, takes what comes when it likes, and checks every byte of it.

mod compose;

use crate::account::inbound::Due;
use crate::account::{TICK, note, with};
use crate::wire::{Read, Reader};
use compose::Composer;
use plugin_testing::rig::{Attempt, Outcome};
use std::collections::VecDeque;
use std::sync::Arc;
use wshost_core::engine;
use wshost_core::protocol::deflate::Agreed;

/// One client, from its request on.
pub struct Guest {
    pub index: usize,
    attempt: Attempt,
    pub client: Option<Arc<engine::Client>>,
    pub is_compressing: bool,
    reader: Reader,
    composer: Composer,
    /// Composed and not yet sent.
    unsent: VecDeque<u8>,
    /// How many bytes were sent.
    sent: usize,
    /// Where in what it composed something is whole, and what that is.
    marks: VecDeque<(usize, Option<Due>)>,
    /// Where its last whole message ends.
    whole_until: usize,
    /// It takes all that comes.
    pub is_reading: bool,
    /// There was a time at which it did not.
    pub has_stalled: bool,
    /// It has nothing more to say: its close frame, or what breaks the protocol, is composed.
    pub has_ended: bool,
    /// It answers pings and close frames.
    answers: bool,
    pub shut: bool,
    pub reset: bool,
    /// It does nothing any more.
    pub vanished: bool,
    pub rejected: bool,
    end_seen: bool,
    gone_seen: bool,
}

impl Guest {
    /// One that has just asked.
    pub fn new(index: usize, attempt: Attempt, deflate: Option<Agreed>) -> Guest {
        Guest {
            index,
            attempt,
            client: None,
            is_compressing: deflate.is_some(),
            reader: Reader::new(deflate.map(|agreed| agreed.server.context_takeover)),
            composer: Composer::new(deflate.map(|agreed| agreed.client.context_takeover)),
            unsent: VecDeque::new(),
            sent: 0,
            marks: VecDeque::new(),
            whole_until: 0,
            is_reading: true,
            has_stalled: false,
            has_ended: false,
            answers: with(|account| account.random.in_thousand(800)),
            shut: false,
            reset: false,
            vanished: false,
            rejected: false,
            end_seen: false,
            gone_seen: false,
        }
    }

    /// Whether it can do anything.
    pub fn is_there(&self) -> bool {
        self.client.is_some() && !self.reset && !self.vanished
    }

    /// Sees whether it is let in.
    pub fn look_for_answer(&mut self) {
        match self.attempt.take() {
            None => {}
            Some(Outcome::Open { client, .. }) => self.client = Some(client),
            Some(Outcome::Rejected { .. }) => self.rejected = true,
            Some(Outcome::Unsendable(why)) => {
                self.rejected = true;
                with(|account| account.violated(format!("client {}: its response cannot be sent: {why}", self.index)));
            }
        }
    }

    /// Makes up something to send.
    pub fn compose(&mut self) {
        if !self.has_ended && self.is_there() {
            let (bytes, marks) = self.composer.compose(self.index);
            self.append(bytes, marks);
        }
    }

    /// Says goodbye.
    pub fn close(&mut self) {
        if !self.has_ended && self.is_there() {
            let code = with(|account| account.random.one_of(&[1000, 1001, 1005, 3001, 4999]));
            self.has_ended = true;
            let (bytes, marks) = self.composer.close(code);
            self.append(bytes, marks);
        }
    }

    /// Breaks the protocol.
    pub fn misbehave(&mut self) {
        if !self.has_ended && self.is_there() {
            self.has_ended = true;
            let (bytes, marks) = self.composer.misbehave(self.index);
            self.append(bytes, marks);
        }
    }

    fn append(&mut self, bytes: Vec<u8>, marks: Vec<(usize, Option<Due>)>) {
        let start = self.sent + self.unsent.len();
        self.unsent.extend(bytes);
        self.marks.extend(marks.into_iter().map(|(end, due)| (start + end, due)));
    }

    /// Sends at most so many bytes of what it has composed, in one piece.
    pub fn deliver(&mut self, most: usize) {
        if !self.is_there() || self.shut || self.unsent.is_empty() {
            return;
        }
        let piece: Vec<u8> = self.unsent.drain(..most.min(self.unsent.len())).collect();
        self.sent += piece.len();
        with(|account| {
            note!(account, "client {}: {} bytes go out", self.index, piece.len());
            let now = account.now();
            let before = self.whole_until;
            while self.marks.front().is_some_and(|(end, _)| *end <= self.sent) {
                let Some((end, due)) = self.marks.pop_front() else { break };
                match due {
                    // A message is whole.
                    None => self.whole_until = end,
                    Some(due) => account.is_due(self.index, due),
                }
            }
            let finished = self.whole_until > before;
            let client = &mut account.clients[self.index];
            (client.quiet_for, client.ending_for) = (0, 0);
            if self.whole_until == self.sent {
                (client.unfinished_since, client.unfinished_for) = (None, 0);
            } else if finished || client.unfinished_since.is_none() {
                (client.unfinished_since, client.unfinished_for, client.read_for) = (Some(now), 0, 0);
            }
        });
        self.attempt.peer.send(piece);
    }

    /// Whether there is anything to deliver.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes so many bytes more, or all.
    pub fn set_window(&mut self, window: Option<usize>) {
        self.is_reading = window.is_none();
        self.has_stalled |= window.is_some();
        self.attempt.peer.set_window(window);
        with(|account| note!(account, "client {}: takes {window:?}", self.index));
    }

    /// Sends nothing more.
    pub fn shut(&mut self) {
        if self.is_there() {
            self.shut = true;
            self.attempt.peer.shut();
            with(|account| {
                note!(account, "client {}: shuts its side", self.index);
                account.clients[self.index].ending = true;
            });
        }
    }

    /// Breaks the connection.
    pub fn reset(&mut self) {
        if self.is_there() {
            self.reset = true;
            self.attempt.peer.reset();
            with(|account| {
                note!(account, "client {}: resets", self.index);
                account.clients[self.index].ending = true;
            });
        }
    }

    /// Is not heard of any more. It has read what had come by then.
    pub fn vanish(&mut self) {
        if self.is_there() {
            self.read();
            self.set_window(Some(0));
            self.vanished = true;
            with(|account| note!(account, "client {}: vanishes", self.index));
        }
    }

    /// Reads what has come.
    pub fn read(&mut self) {
        if self.vanished || self.reset {
            return;
        }
        let bytes = self.attempt.peer.received();
        if !bytes.is_empty() {
            self.reader.push(&bytes);
        }
        loop {
            match self.reader.next() {
                Ok(None) => break,
                Ok(Some(read)) => self.take(&read),
                Err(what) => {
                    with(|account| account.violated(format!("client {}: {what}", self.index)));
                    break;
                }
            }
        }
        if self.attempt.peer.is_ended() && !std::mem::replace(&mut self.end_seen, true) {
            self.see_end();
        }
    }

    fn take(&mut self, read: &Read) {
        with(|account| {
            note!(account, "client {}: {}", self.index, in_short(read));
            if let Err(what) = account.clients[self.index].outbound.check(read) {
                account.violated(format!("client {}: {what}", self.index));
            }
        });
        match read {
            Read::Ping(data) if self.answers && !self.has_ended => {
                let (bytes, marks) = self.composer.pong(data);
                self.append(bytes, marks);
            }
            Read::Close { code } => {
                with(|account| account.see_close(self.index, *code));
                if self.answers && !self.has_ended {
                    self.has_ended = true;
                    let (bytes, marks) = self.composer.close(*code);
                    self.append(bytes, marks);
                }
            }
            _ => {}
        }
    }

    /// The server sends nothing more.
    fn see_end(&mut self) {
        if self.client.is_none() {
            return;
        }
        let within = self.reader.is_within() && !self.reader.close_seen;
        let peers = self.shut || self.has_stalled;
        with(|account| {
            note!(account, "client {}: the server has ended", self.index);
            let unanswered = account.clients[self.index].ending && account.clients[self.index].close.is_none();
            account.must(self.reader.close_seen || peers || unanswered, || {
                format!("client {}: the server ended without a close frame, within a message: {within}", self.index)
            });
        });
    }

    pub fn has_seen_close(&self) -> bool {
        self.reader.close_seen
    }

    /// The server has let go of the connection: whether it had a reason to do so by now.
    pub fn check_end(&mut self, now: u64, close_deadline: u64, linger: u64) {
        if std::mem::replace(&mut self.gone_seen, true) || self.shut || self.reset {
            return;
        }
        with(|account| {
            note!(account, "client {}: the server has let go", self.index);
            let known = &account.clients[self.index];
            let least = if known.peer_close.is_some() { linger } else { close_deadline };
            let began = known.end_began.into_iter().chain(known.perhaps_since).min();
            // The wheel's time may be behind by up to a tick.
            let legal = began.is_some_and(|began| now + TICK + 1 >= began + least);
            account.must(legal, || {
                format!("client {}: its connection is gone at {now}, and its end began at {began:?}", self.index)
            });
        });
    }

    /// All bytes that came.
    pub fn received(&self) -> usize {
        self.reader.total
    }

    /// How much the server has not read.
    pub fn unread(&self) -> usize {
        self.attempt.peer.unread()
    }

    /// Whether the server has let go of it.
    pub fn is_gone(&self) -> bool {
        self.attempt.peer.is_gone()
    }
}

fn in_short(read: &Read) -> String {
    match read {
        Read::Message { kind, payload } => format!("gets {kind:?} of {} bytes", payload.len()),
        Read::Ping(data) => format!("gets ping {data:?}"),
        Read::Pong(data) => format!("gets pong {data:?}"),
        Read::Close { code } => format!("gets close {code}"),
    }
}
