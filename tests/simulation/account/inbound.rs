//! What the engine is due: everything whole that a client has sent, in order.

use crate::wire::Payload;
use std::collections::VecDeque;

/// Something that a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Message(Payload),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
    /// Bytes for which the server must close with this code.
    Fault(u16),
}

/// What has come of a callback.
#[derive(Clone, Copy, Debug)]
pub enum Came<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(u16),
}

/// All that the engine is due from one client.
#[derive(Default)]
pub struct Inbound {
    pub due: VecDeque<Due>,
}

impl Inbound {
    /// Compares what came with what was to come.
    ///
    /// # Errors
    ///
    /// In what they differ.
    pub fn check(&mut self, came: Came<'_>) -> Result<(), String> {
        let due = self.due.pop_front();
        let fits = match (&due, came) {
            (Some(Due::Message(payload)), Came::Text(text)) => {
                payload.kind == crate::wire::Kind::Text && payload.is(text.as_bytes())
            }
            (Some(Due::Message(payload)), Came::Binary(data)) => {
                payload.kind == crate::wire::Kind::Binary && payload.is(data)
            }
            (Some(Due::Ping(due)), Came::Ping(data)) | (Some(Due::Pong(due)), Came::Pong(data)) => due == data,
            (Some(Due::Close(due)), Came::Close(code)) => *due == code,
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("{} came, and {due:?} was to come", came.in_short())) }
    }
}

impl Came<'_> {
    /// For the trace.
    pub fn in_short(&self) -> String {
        match self {
            Came::Text(text) => format!("text of {} bytes", text.len()),
            Came::Binary(data) => format!("binary of {} bytes", data.len()),
            Came::Ping(data) => format!("ping of {} bytes", data.len()),
            Came::Pong(data) => format!("pong of {} bytes", data.len()),
            Came::Close(code) => format!("close {code}"),
        }
    }
}
