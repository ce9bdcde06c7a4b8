//! Jobs: an echo whose replies have more behind the message, because a job has made something of it.
//!
//! What stands there is learned from one reply, before the run; from then on all replies must have the same, so that they
//! can be compared as an echo's. The messages of a connection are numbered: replies out of order are found.

use crate::fault::Fault;
use crate::opening::{self, OPENING_DEADLINE, Opener};
use crate::replies::Mismatch;
use crate::{Wire, Workload, ring};
use std::io::ErrorKind;
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

/// Sends one message on a connection of its own, and returns what the reply has behind it.
pub(crate) fn learn_tail(work: &Workload) -> Result<Vec<u8>, Fault> {
    let stream = Opener::new(&work.target)?.open()?;
    let payload = ring::payload(work.size, work.wire);
    let message = match work.wire {
        Wire::Text => Message::text(&*String::from_utf8_lossy(&payload)),
        Wire::Binary | Wire::Raw => Message::binary(payload.clone()),
    };
    let is_text = message.is_text();
    let mut socket = WebSocket::from_raw_socket(stream, Role::Client, None);
    socket.send(message).map_err(fault)?;
    let reply = loop {
        match socket.read().map_err(fault)? {
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(frame) => return Err(Mismatch::Close(frame.map(|frame| frame.code.into())).into()),
            reply => break reply,
        }
    };
    let same_kind = reply.is_text() == is_text;
    let reply = reply.into_data();
    let tail = reply.strip_prefix(&payload[..]).filter(|_| same_kind).ok_or(Mismatch::NotRepeated)?.to_vec();
    opening::close(vec![socket.into_inner()], &work.target);
    Ok(tail)
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Io(error) if error.kind() == ErrorKind::WouldBlock => Fault::Silent(OPENING_DEADLINE),
        Error::Io(error) => Fault::Broken(error),
        Error::ConnectionClosed | Error::AlreadyClosed => Fault::Ended,
        other => Fault::Broken(std::io::Error::new(ErrorKind::InvalidData, other)),
    }
}
