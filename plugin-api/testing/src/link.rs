//! One client's end of a connection: what it sends, what it has got, and what a client's library does by itself.

use crate::frames::{Decoder, Encoder};
use crate::message::{Frame, Message, join};
use crate::rig::Peer;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use wshost_core::client::Closing;
use wshost_core::engine::Client;
use wshost_core::protocol::deflate::Agreed;

pub(crate) struct Link {
    pub(crate) peer: Peer,
    /// What the core has of it.
    pub(crate) client: Arc<Client>,
    state: RefCell<State>,
}

struct State {
    encoder: Encoder,
    decoder: Decoder,
    /// What came and the test has not asked for.
    taken: Vec<Frame>,
    /// What is to be sent in one piece, and how many frames that are.
    corked: Option<(Vec<u8>, usize)>,
    /// How many bytes were sent, and where each frame ended that may not have been read.
    sent: usize,
    ends: VecDeque<usize>,
    /// Whether it answers pings and close frames.
    answers: bool,
    /// It has sent a close frame.
    said_goodbye: bool,
    /// It sends nothing more.
    shut: bool,
}

impl Link {
    pub(crate) fn new(peer: Peer, client: Arc<Client>, agreed: Option<Agreed>) -> Link {
        let state = State {
            encoder: Encoder::new(agreed.is_some()),
            decoder: Decoder::new(agreed.map(|agreed| agreed.server.context_takeover)),
            taken: Vec::new(),
            corked: None,
            sent: 0,
            ends: VecDeque::new(),
            answers: true,
            said_goodbye: false,
            shut: false,
        };
        Link { peer, client, state: RefCell::new(state) }
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: &Frame) {
        let mut state = self.state.borrow_mut();
        state.said_goodbye |= matches!(frame.content, Message::Close { .. });
        let bytes = state.encoder.encode(frame);
        state.put(&self.peer, &bytes);
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&self, bytes: &[u8]) {
        self.state.borrow_mut().put(&self.peer, bytes);
    }

    /// What is sent from now on goes in one piece, with [`Link::uncork`].
    pub(crate) fn cork(&self) {
        self.state.borrow_mut().corked.get_or_insert_default();
    }

    pub(crate) fn uncork(&self) {
        let mut state = self.state.borrow_mut();
        if let Some((bytes, frames)) = state.corked.take() {
            state.put(&self.peer, &bytes);
            // Of these it is not known where each ends: they are read at once.
            let end = state.sent;
            state.ends.extend((1..frames).map(|_| end));
        }
    }

    pub(crate) fn disconnect(&self) {
        self.peer.reset();
    }

    pub(crate) fn fall_silent(&self) {
        self.state.borrow_mut().answers = false;
    }

    pub(crate) fn has_said_goodbye(&self) -> bool {
        self.state.borrow().said_goodbye
    }

    /// How many frames the host has not read.
    pub(crate) fn unread(&self) -> usize {
        let mut state = self.state.borrow_mut();
        let read = state.sent - self.peer.unread();
        while state.ends.front().is_some_and(|end| *end <= read) {
            state.ends.pop_front();
        }
        state.ends.len() + state.corked.as_ref().map_or(0, |(_, frames)| *frames)
    }

    /// What came, by messages.
    pub(crate) fn take_messages(&self) -> Vec<Message> {
        join(&mut self.state.borrow_mut().taken)
    }

    /// What came, frame by frame.
    pub(crate) fn take_frames(&self) -> Vec<Frame> {
        std::mem::take(&mut self.state.borrow_mut().taken)
    }

    /// Whether nothing will come any more, and the engine has its session back.
    pub(crate) fn is_over(&self) -> bool {
        self.peer.is_gone() && self.client.closing() == Closing::Gone
    }

    /// Takes what has come, and does what every client's library does by itself. Returns whether the host may have something
    /// to do after that.
    pub(crate) fn turn(&self) -> bool {
        let bytes = self.peer.received();
        let mut state = self.state.borrow_mut();
        let frames = state.decoder.decode(&bytes);
        let mut acted = false;
        for frame in frames {
            let answer = match &frame.content {
                Message::Ping(data) => Some(Message::Pong(data.clone())),
                Message::Close { code, .. } if !state.said_goodbye => Some(Message::close(*code, "")),
                _ => None,
            };
            if let Some(answer) = answer.filter(|_| state.answers) {
                state.said_goodbye |= matches!(answer, Message::Close { .. });
                let bytes = state.encoder.encode(&Frame::whole(answer));
                self.peer.append(&bytes);
                state.sent += bytes.len();
                acted = true;
            }
            state.taken.push(frame);
        }
        // RFC 6455 section 7.1.1: the server ends TCP first, and the client then.
        if state.answers && !state.shut && self.peer.is_ended() {
            state.shut = true;
            self.peer.shut();
            acted = true;
        }
        acted
    }
}

impl State {
    fn put(&mut self, peer: &Peer, bytes: &[u8]) {
        if let Some((corked, frames)) = &mut self.corked {
            corked.extend_from_slice(bytes);
            *frames += 1;
            return;
        }
        peer.append(bytes);
        self.sent += bytes.len();
        self.ends.push_back(self.sent);
    }
}
