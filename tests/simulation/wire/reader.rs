//! Reads what the server sent, and says what of it the protocol forbids.

use super::{Kind, Opcode};
use flate2::{Decompress, FlushDecompress};

/// Something whole that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    Message {
        kind: Kind,
        payload: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// 1005 stands for no code.
    Close {
        code: u16,
    },
}

/// The bytes of one connection.
pub struct Reader {
    bytes: Vec<u8>,
    used: usize,
    /// All that ever came.
    pub total: usize,
    message: Option<Message>,
    inflate: Option<Inflate>,
    pub close_seen: bool,
}

struct Message {
    kind: Kind,
    compressed: bool,
    payload: Vec<u8>,
}

struct Inflate {
    stream: Decompress,
    takeover: bool,
}

/// A frame's header, and where its payload is.
struct Header {
    first: u8,
    start: usize,
    length: usize,
}

impl Reader {
    /// For a new connection. `inflate` says whether messages may be compressed, and then whether they may refer to those before.
    pub fn new(inflate: Option<bool>) -> Reader {
        let inflate = inflate.map(|takeover| Inflate { stream: Decompress::new(false), takeover });
        Reader { bytes: Vec::new(), used: 0, total: 0, message: None, inflate, close_seen: false }
    }

    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len();
        self.bytes.drain(..std::mem::take(&mut self.used));
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a frame or a message is unfinished.
    pub fn is_within(&self) -> bool {
        self.message.is_some() || self.used < self.bytes.len()
    }

    /// The next that is whole.
    ///
    /// # Errors
    ///
    /// What must not have come.
    pub fn next(&mut self) -> Result<Option<Read>, String> {
        while let Some(header) = self.header()? {
            if self.bytes.len() < header.start + header.length {
                return Ok(None);
            }
            let payload = self.bytes[header.start..header.start + header.length].to_vec();
            self.used = header.start + header.length;
            if let Some(read) = self.frame(&header, payload)? {
                return Ok(Some(read));
            }
        }
        Ok(None)
    }

    /// The next header, judged as soon as it is here.
    fn header(&self) -> Result<Option<Header>, String> {
        let [first, second, rest @ ..] = &self.bytes[self.used..] else { return Ok(None) };
        if self.close_seen {
            return Err("a frame came behind the close frame".to_owned());
        }
        if second & 0x80 != 0 {
            return Err("a frame of the server's is masked (RFC 6455 section 5.1)".to_owned());
        }
        let (size, length) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
            (126 | 127, _) => return Ok(None),
            (length, _) => (2, u64::from(length)),
        };
        let shortest = match length {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        if size != shortest || length > 1 << 30 {
            return Err(format!("a length of {length} bytes stands in a header of {size}"));
        }
        if first & 0x30 != 0 {
            return Err(format!("reserved bits are set: {first:#x}"));
        }
        let control = first & 0x08 != 0;
        if control && (first & 0xc0 != 0x80 || length > 125) {
            return Err(format!("a control frame is fragmented, compressed or long: {first:#x}, {length} bytes"));
        }
        Ok(Some(Header { first: *first, start: self.used + size, length: length as usize }))
    }

    fn frame(&mut self, header: &Header, payload: Vec<u8>) -> Result<Option<Read>, String> {
        let compressed = header.first & 0x40 != 0;
        let opcode = header.first & 0x0f;
        match opcode {
            1 | 2 => {
                if self.message.is_some() {
                    return Err("a message began within another (RFC 6455 section 5.4)".to_owned());
                }
                if compressed && self.inflate.is_none() {
                    return Err("a message is compressed, which was not agreed on".to_owned());
                }
                let kind = if opcode == Opcode::Text as u8 { Kind::Text } else { Kind::Binary };
                self.message = Some(Message { kind, compressed, payload });
            }
            0 => {
                let Some(message) = &mut self.message else {
                    return Err("a continuation came outside of a message".to_owned());
                };
                if compressed {
                    return Err("a continuation has the bit of compressed messages (RFC 7692 section 6.1)".to_owned());
                }
                message.payload.extend_from_slice(&payload);
            }
            8 => return self.close(&payload).map(Some),
            9 => return Ok(Some(Read::Ping(payload))),
            10 => return Ok(Some(Read::Pong(payload))),
            _ => return Err(format!("the opcode {opcode} is reserved")),
        }
        let whole = header.first & 0x80 != 0;
        let Some(message) = self.message.take_if(|_| whole) else { return Ok(None) };
        let payload = match &mut self.inflate {
            Some(inflate) if message.compressed => inflate.whole(&message.payload)?,
            _ => message.payload,
        };
        if message.kind == Kind::Text && std::str::from_utf8(&payload).is_err() {
            return Err("a text message is not UTF-8".to_owned());
        }
        Ok(Some(Read::Message { kind: message.kind, payload }))
    }

    fn close(&mut self, payload: &[u8]) -> Result<Read, String> {
        self.close_seen = true;
        let code = match payload {
            [] => 1005,
            [_] => return Err("a close frame holds half a code".to_owned()),
            [a, b, reason @ ..] if std::str::from_utf8(reason).is_ok() => u16::from_be_bytes([*a, *b]),
            _ => return Err("the reason of a close frame is not UTF-8".to_owned()),
        };
        if !payload.is_empty() && !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(format!("a close frame holds the code {code}"));
        }
        Ok(Read::Close { code })
    }
}

impl Inflate {
    /// A message of these bytes, behind which four are to be thought (RFC 7692 section 7.2.2).
    fn whole(&mut self, compressed: &[u8]) -> Result<Vec<u8>, String> {
        if !self.takeover {
            self.stream.reset(false);
        }
        let mut input = compressed.to_vec();
        input.extend_from_slice(&[0, 0, 0xff, 0xff]);
        let before = self.stream.total_in();
        let mut output = Vec::with_capacity(input.len() * 4 + 64);
        loop {
            let used = (self.stream.total_in() - before) as usize;
            self.stream
                .decompress_vec(&input[used..], &mut output, FlushDecompress::Sync)
                .map_err(|error| format!("a message cannot be inflated: {error}"))?;
            let used = (self.stream.total_in() - before) as usize;
            if output.len() < output.capacity() {
                return if used == input.len() {
                    Ok(output)
                } else {
                    Err("a message ends its stream early".to_owned())
                };
            }
            output.reserve(output.capacity());
        }
    }
}
