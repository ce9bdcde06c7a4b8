//! What messages hold: bytes that follow from their kind and number, so that whoever knows those can tell each by its content.

use std::fmt;

/// Of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

/// The content of one message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    pub kind: Kind,
    /// Which message of all those that go this way over this connection.
    pub number: u32,
    /// In bytes.
    pub length: usize,
}

/// Text in which some characters take more than one byte.
const TEXT: &str = "What goes in must come out: größer, kürzer, schöner, 🦀 and ever so often the very same again. ";

impl Payload {
    /// All of its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.beginning(self.length);
        if self.kind == Kind::Text {
            // What is left of a character that is cut off is no text.
            let whole = self.boundary(self.length);
            bytes[whole..].fill(b'.');
        }
        bytes
    }

    /// Whether these are the bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length && bytes == self.bytes()
    }

    /// Where to cut it at the latest, to be no longer than this.
    pub fn boundary(&self, length: usize) -> usize {
        let bytes = self.beginning(length + 4);
        let is_within = |at: &usize| self.kind == Kind::Text && bytes[*at] & 0xc0 == 0x80;
        length - (0..4).take_while(|back| is_within(&(length - back))).count()
    }

    /// A part of it, cut at boundaries.
    pub fn part(&self, from: usize, to: usize) -> Vec<u8> {
        self.beginning(to).split_off(from)
    }

    /// The first bytes, whatever its length.
    fn beginning(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + TEXT.len());
        match self.kind {
            Kind::Text => {
                bytes.extend_from_slice(format!("{}:", self.number).as_bytes());
                while bytes.len() < length {
                    bytes.extend_from_slice(TEXT.as_bytes());
                }
            }
            Kind::Binary => {
                bytes.extend_from_slice(&self.number.to_le_bytes());
                let step = (self.number % 7) as u8;
                let first = self.number as u8;
                bytes.extend((bytes.len()..length).map(|at| first.wrapping_add(step.wrapping_mul(at as u8))));
            }
        }
        bytes.truncate(length);
        bytes
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} of {} bytes", self.kind, self.number, self.length)
    }
}
