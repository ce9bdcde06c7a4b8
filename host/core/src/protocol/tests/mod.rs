//! The frame layer as a whole, by behaviour. Client frames are encoded by tungstenite, which shares no code with it.

mod control;
mod deflate;
mod faults;
mod inflate;
mod limits;
mod memory;
mod messages;
mod negotiation;
mod splitting;
mod write_buffer;

use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader, coding::OpCode};

use super::{Fault, Limits, Opcode, Received, Receiver};

/// A limit that most tests do not reach, and a deadline that none waits for.
const LIMITS: Limits = Limits { max_message: 1 << 20, assembly_timeout: Duration::from_secs(10) };

const KEY: [u8; 4] = [0x9A, 0x01, 0xC3, 0x5F];

/// An owned copy of an event from a [`Receiver`].
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    Fault(Fault),
}

impl From<Received<'_>> for Event {
    fn from(received: Received<'_>) -> Event {
        match received {
            Received::Text(text) => Event::Text(text.to_owned()),
            Received::Binary(bytes) => Event::Binary(bytes.to_vec()),
            Received::Ping(payload) => Event::Ping(payload.to_vec()),
            Received::Pong(payload) => Event::Pong(payload.to_vec()),
            Received::Close { code, reason } => Event::Close(code, reason.to_owned()),
        }
    }
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

/// A client's frame, masked with `key`.
fn frame_with(key: [u8; 4], opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let header =
        FrameHeader { is_final: fin, opcode: OpCode::from(opcode.bits()), mask: Some(key), ..FrameHeader::default() };
    let mut bytes = Vec::new();
    Frame::from_payload(header, payload.to_vec().into()).format(&mut bytes).unwrap();
    bytes
}

fn frame(opcode: Opcode, fin: bool, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_with(KEY, opcode, fin, payload.as_ref())
}

/// Passes one read to the receiver as a connection does: until it asks for more.
fn pass(receiver: &mut Receiver, now: Instant, read: &[u8]) -> Vec<Event> {
    let mut buffer = read.to_vec();
    let mut rest = &mut buffer[..];
    let mut events = Vec::new();
    loop {
        let left = rest.len();
        match receiver.receive(now, rest) {
            Ok((consumed, Some(event))) => {
                events.push(event.into());
                rest = &mut rest[consumed..];
            }
            Ok((consumed, None)) if consumed == left => return events,
            Ok((consumed, None)) => {
                assert!(consumed > 0, "it goes on");
                rest = &mut rest[consumed..];
            }
            Err(fault) => {
                events.push(Event::Fault(fault));
                return events;
            }
        }
    }
}

/// All events of a conversation that arrives in these reads.
fn converse<'a>(limits: Limits, reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut receiver = Receiver::new(limits);
    let now = Instant::now();
    reads.into_iter().flat_map(|read| pass(&mut receiver, now, read)).collect()
}

/// All events of a conversation, checked to be the same in one read and byte by byte.
fn events(bytes: &[u8]) -> Vec<Event> {
    let whole = converse(LIMITS, [bytes]);
    assert_eq!(converse(LIMITS, bytes.chunks(1)), whole, "byte by byte");
    whole
}
