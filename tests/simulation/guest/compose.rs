//! What a simulated client sends: whole messages in every form, and what breaks the protocol.

use crate::account::inbound::Due;
use crate::account::{note, with};
use crate::wire::{Frame, Kind, Opcode, Payload};
use flate2::{Compress, Compression, FlushCompress, Status};

/// Bytes, and where in them something is whole: what that is, or `None` for the end of all that was begun.
type Composed = (Vec<u8>, Vec<(usize, Option<Due>)>);

/// Makes frames.
pub struct Composer {
    /// Of those that agreed on compression.
    deflate: Option<Deflate>,
}

struct Deflate {
    stream: Compress,
    takeover: bool,
}

impl Composer {
    /// For a client that agreed on compression or not, and then on whether messages refer to those before.
    pub fn new(deflate: Option<bool>) -> Composer {
        let deflate = deflate.map(|takeover| Deflate { stream: Compress::new(Compression::fast(), false), takeover });
        Composer { deflate }
    }

    /// A message in one frame or in several, or a ping or a pong.
    pub fn compose(&mut self, client: usize) -> Composed {
        let (what, number, most) = with(|account| {
            let number = account.id() as u32;
            (account.random.among(0..=99), number, account.plan.setup.limits.max_message)
        });
        let data = number.to_le_bytes();
        match what {
            0..=7 => return control(Opcode::Ping, &data, Due::Ping(data.to_vec())),
            8..=11 => return control(Opcode::Pong, &data, Due::Pong(data.to_vec())),
            _ => {}
        }
        let (payload, fragments) = with(|account| {
            let kind = if account.random.coin() { Kind::Text } else { Kind::Binary };
            let payload = Payload { kind, number, length: account.random.length(most) };
            note!(account, "client {client}: composes {payload:?}");
            let fragments = if account.random.in_thousand(250) { account.random.among(2..=6) } else { 1 };
            (payload, fragments)
        });
        self.message(payload, fragments)
    }

    fn message(&mut self, payload: Payload, fragments: usize) -> Composed {
        let mut bytes = payload.bytes();
        let compresses = with(|account| account.random.in_thousand(700));
        let deflate = self.deflate.as_mut().filter(|_| compresses);
        let compressed = deflate.is_some();
        if let Some(deflate) = deflate {
            bytes = deflate.whole(&bytes);
        }
        let (mut out, mut marks) = (Vec::new(), Vec::new());
        let mut rest = &bytes[..];
        for fragment in 1..=fragments {
            let last = fragment == fragments;
            let length = if last { rest.len() } else { with(|account| account.random.among(0..=rest.len())) };
            let (part, behind) = rest.split_at(length);
            rest = behind;
            let first = fragment == 1;
            let opcode = match payload.kind {
                _ if !first => Opcode::Continuation,
                Kind::Text => Opcode::Text,
                Kind::Binary => Opcode::Binary,
            };
            append(&mut out, &Frame { last, compressed: compressed && first, opcode, payload: part });
            if !last && with(|account| account.random.in_thousand(300)) {
                let data = with(|account| account.id() as u32).to_le_bytes();
                append(&mut out, &Frame { last: true, compressed: false, opcode: Opcode::Ping, payload: &data });
                marks.push((out.len(), Some(Due::Ping(data.to_vec()))));
            }
        }
        marks.push((out.len(), Some(Due::Message(payload))));
        marks.push((out.len(), None));
        (out, marks)
    }

    /// The answer to a ping.
    pub fn pong(&mut self, data: &[u8]) -> Composed {
        control(Opcode::Pong, data, Due::Pong(data.to_vec()))
    }

    /// A close frame with this code; 1005 for none.
    pub fn close(&mut self, code: u16) -> Composed {
        let payload = if code == 1005 { Vec::new() } else { [&code.to_be_bytes()[..], b"bye"].concat() };
        control(Opcode::Close, &payload, Due::Close(code))
    }

    /// Something for which the server must close.
    pub fn misbehave(&mut self, client: usize) -> Composed {
        let most = with(|account| account.plan.setup.limits.max_message);
        let way = with(|account| account.random.among(0..=8));
        let mut out = Vec::new();
        let text = Frame { last: true, compressed: false, opcode: Opcode::Text, payload: b"\xc3\x28" };
        let code = match way {
            0 => {
                out.extend_from_slice(&[0x81, 0x01, b'a']);
                1002
            }
            1 => {
                append(&mut out, &Frame { opcode: Opcode::Binary, ..text });
                out[0] |= 0x20;
                1002
            }
            2 => {
                append(&mut out, &text);
                out[0] = 0x83;
                1002
            }
            3 => {
                append(&mut out, &Frame { last: false, opcode: Opcode::Ping, ..text });
                1002
            }
            4 => {
                append(&mut out, &text);
                1007
            }
            5 => {
                append(&mut out, &Frame { opcode: Opcode::Continuation, ..text });
                1002
            }
            6 => {
                append(&mut out, &Frame { opcode: Opcode::Binary, payload: &vec![0; most + 1], ..text });
                1009
            }
            7 => {
                append(&mut out, &Frame { opcode: Opcode::Close, payload: &1006u16.to_be_bytes(), ..text });
                1002
            }
            _ => {
                append(&mut out, &Frame { opcode: Opcode::Close, payload: b"\x03", ..text });
                1002
            }
        };
        with(|account| note!(account, "client {client}: breaks the protocol in way {way}, for which it is {code}"));
        // It may be seen before the last byte has come.
        let marks = vec![(1, Some(Due::Fault(code)))];
        (out, marks)
    }
}

fn control(opcode: Opcode, payload: &[u8], due: Due) -> Composed {
    let mut out = Vec::new();
    append(&mut out, &Frame { last: true, compressed: false, opcode, payload });
    let end = out.len();
    (out, vec![(end, Some(due)), (end, None)])
}

fn append(out: &mut Vec<u8>, frame: &Frame<'_>) {
    frame.append(out, with(|account| account.random.key()));
}

impl Deflate {
    /// A message, without the four bytes that end it (RFC 7692 section 7.2.1).
    fn whole(&mut self, message: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.stream.reset();
        }
        let mut out = Vec::with_capacity(message.len() + 64);
        let before = self.stream.total_in();
        loop {
            let used = (self.stream.total_in() - before) as usize;
            let status = self.stream.compress_vec(&message[used..], &mut out, FlushCompress::Sync);
            let used = (self.stream.total_in() - before) as usize;
            match status {
                Ok(Status::Ok | Status::BufError) if used == message.len() && out.len() < out.capacity() => break,
                Ok(_) => out.reserve(out.capacity()),
                Err(error) => unreachable!("compressing fails for nobody: {error}"),
            }
        }
        if out.is_empty() {
            // Nothing was to be flushed (RFC 7692 section 7.2.3.6).
            return vec![0];
        }
        let end = out.len().saturating_sub(4);
        if out[end..] == [0, 0, 0xff, 0xff] {
            out.truncate(end);
        }
        out
    }
}
