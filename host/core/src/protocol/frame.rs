//! The frame header that a client sends (RFC 6455 section 5.2), and all faults that the header alone can show.
//!
//! It knows nothing of payloads. A fault is found at the first byte that shows it, in the order of the bytes, so that
//! the verdict does not depend on how the header was split on its way.

use super::Fault;

/// The kinds of frame that RFC 6455 section 5.2 defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of a text or binary message.
    Continuation,
    /// A text message, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// The last frame of a connection, with an optional code and reason.
    Close,
    /// A question that a pong answers.
    Ping,
    /// The answer to a ping, or a sign of life.
    Pong,
}

impl Opcode {
    /// The opcode's four bits in the first byte of a frame.
    #[inline]
    pub(super) const fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    /// Whether frames of this kind may come between a message's fragments (RFC 6455 section 5.5).
    #[inline]
    pub(super) const fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    #[inline]
    const fn from_bits(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            _ => return None,
        })
    }
}

/// The reserved bit that says that a message is compressed (RFC 7692 section 6).
pub(super) const RSV1: u8 = 0x40;

/// The longest payload of a control frame, in bytes (RFC 6455 section 5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// The longest header that a client can send: two bytes, a 64-bit length and the masking key.
pub(super) const MAX_HEADER: usize = 14;

/// A client frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    /// Whether it begins a compressed message (RFC 7692 section 6).
    pub(super) compressed: bool,
    pub(super) key: [u8; 4],
    /// Bytes of payload behind the header.
    pub(super) length: usize,
    /// Bytes of the header itself.
    pub(super) size: usize,
}

/// The state before a frame, as far as it decides which frames are allowed.
#[derive(Clone, Copy)]
pub(super) struct Context {
    /// Bytes so far of the message in progress; `None` between messages.
    pub(super) assembled: Option<usize>,
    /// The most bytes that its message may have on the wire.
    pub(super) max_message: usize,
    /// Whether messages may be compressed.
    pub(super) deflate: bool,
}

impl Header {
    /// Reads the header at the front of `bytes`. Returns `None` if it is incomplete.
    #[inline]
    pub(super) fn parse(bytes: &[u8], context: Context) -> Result<Option<Header>, Fault> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let (fin, opcode) = parse_first(first, context)?;

        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        // RFC 6455 section 5.1: "The server MUST close the connection upon receiving a frame that is not masked."
        if second & 0x80 == 0 {
            return Err(Fault::Unmasked);
        }
        let short = second & 0x7F;
        if opcode.is_control() {
            check_control(opcode, short)?;
        }

        let (length, rest) = match short {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                (minimal(u64::from(u16::from_be_bytes(*length)), 126)?, rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                (minimal(u64::from_be_bytes(*length), 1 << 16)?, rest)
            }
            short => (u64::from(short), rest),
        };
        let compressed = first & RSV1 != 0;
        let length = fitting(length, opcode.is_control() || compressed, context)?;

        let Some((&key, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Header { fin, opcode, compressed, key, length, size: bytes.len() - rest.len() }))
    }
}

/// The header's first byte: FIN, three reserved bits, opcode.
#[inline]
fn parse_first(first: u8, context: Context) -> Result<(bool, Opcode), Fault> {
    // RFC 6455 section 5.2: a reserved bit "MUST be 0 unless an extension is negotiated that defines meanings".
    if first & 0x70 != 0 && !(context.deflate && begins_compressed(first)) {
        return Err(Fault::ReservedBit);
    }
    // RFC 6455 section 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
    // Connection_."
    let Some(opcode) = Opcode::from_bits(first & 0x0F) else {
        return Err(Fault::ReservedOpcode(first & 0x0F));
    };
    let fin = first & 0x80 != 0;
    // RFC 6455 section 5.4: fragments are one frame with an opcode, then continuations; messages do not interleave.
    match (opcode, context.assembled.is_some()) {
        (Opcode::Continuation, false) => Err(Fault::NothingToContinue),
        (Opcode::Text | Opcode::Binary, true) => Err(Fault::MessageUnfinished),
        // RFC 6455 section 5.5: control frames "MUST NOT be fragmented".
        (Opcode::Close | Opcode::Ping | Opcode::Pong, _) if !fin => Err(Fault::FragmentedControl),
        _ => Ok((fin, opcode)),
    }
}

/// Whether the bits behind FIN are those of a compressed message's first frame. RFC 7692 section 6.1: RSV1 MUST NOT be set
/// on control frames, nor on any fragment but the first.
#[cold]
fn begins_compressed(first: u8) -> bool {
    [Opcode::Text, Opcode::Binary].into_iter().any(|opcode| first & 0x7F == RSV1 | opcode.bits())
}

/// Checks the 7-bit length of a control frame.
fn check_control(opcode: Opcode, short: u8) -> Result<(), Fault> {
    // RFC 6455 section 5.5: "All control frames MUST have a payload length of 125 bytes or less".
    if usize::from(short) > MAX_CONTROL {
        return Err(Fault::LongControl);
    }
    // RFC 6455 section 5.5.1: a close frame's body, if there is one, begins with two bytes of code.
    if opcode == Opcode::Close && short == 1 {
        return Err(Fault::HalfCloseCode);
    }
    Ok(())
}

/// Refuses an extended length that a shorter form could have held, or that is too large for any length.
#[inline]
fn minimal(length: u64, least: u64) -> Result<u64, Fault> {
    // RFC 6455 section 5.2: "the most significant bit MUST be 0".
    if length >> 63 != 0 {
        return Err(Fault::LengthTopBit);
    }
    // RFC 6455 section 5.2: "the minimal number of bytes MUST be used to encode the length".
    if length < least {
        return Err(Fault::LengthNotMinimal);
    }
    Ok(length)
}

/// Refuses a data frame that would take its message over the limit. The lengths of control frames and of compressed
/// data do not count here: for compressed data, the inflated size counts.
#[inline]
fn fitting(length: u64, uncounted: bool, context: Context) -> Result<usize, Fault> {
    let room = context.max_message.saturating_sub(context.assembled.unwrap_or(0));
    match usize::try_from(length) {
        Ok(length) if length <= room || uncounted => Ok(length),
        _ => Err(Fault::MessageTooBig(context.max_message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BETWEEN: Context = Context { assembled: None, max_message: 1 << 20, deflate: false };
    const INSIDE: Context = Context { assembled: Some(1000), ..BETWEEN };

    #[test]
    fn each_length_form_is_read() {
        let short = [0x81, 0x85, 1, 2, 3, 4, 9, 9];
        let header = Header::parse(&short, BETWEEN).unwrap().unwrap();
        let expected =
            Header { fin: true, opcode: Opcode::Text, compressed: false, key: [1, 2, 3, 4], length: 5, size: 6 };
        assert_eq!(header, expected);

        let medium = [0x02, 0xFE, 1, 0, 1, 2, 3, 4];
        let header = Header::parse(&medium, BETWEEN).unwrap().unwrap();
        assert_eq!(header, Header { fin: false, opcode: Opcode::Binary, length: 256, size: 8, ..expected });

        let long = [0x80, 0xFF, 0, 0, 0, 0, 0, 1, 0, 2, 1, 2, 3, 4];
        let header = Header::parse(&long, INSIDE).unwrap().unwrap();
        assert_eq!((header.length, header.size), (65538, MAX_HEADER));
    }

    #[test]
    fn an_unfinished_header_is_no_fault() {
        let long = [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        for end in 0..long.len() {
            assert_eq!(Header::parse(&long[..end], BETWEEN), Ok(None));
        }
    }

    #[test]
    fn a_fault_shows_at_the_first_byte_that_has_it() {
        for (bytes, context, fault) in [
            (&[0xC1][..], BETWEEN, Fault::ReservedBit),
            (&[0x83], BETWEEN, Fault::ReservedOpcode(3)),
            (&[0x8F], BETWEEN, Fault::ReservedOpcode(15)),
            (&[0x80], BETWEEN, Fault::NothingToContinue),
            (&[0x81], INSIDE, Fault::MessageUnfinished),
            (&[0x09], INSIDE, Fault::FragmentedControl),
            (&[0x81, 0x05], BETWEEN, Fault::Unmasked),
            (&[0x89, 0xFE], BETWEEN, Fault::LongControl),
            (&[0x88, 0x81], BETWEEN, Fault::HalfCloseCode),
            (&[0x81, 0xFE, 0, 125], BETWEEN, Fault::LengthNotMinimal),
            (&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 255, 255], BETWEEN, Fault::LengthNotMinimal),
            (&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], BETWEEN, Fault::LengthTopBit),
            (&[0x81, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0], BETWEEN, Fault::MessageTooBig(1 << 20)),
        ] {
            assert_eq!(Header::parse(bytes, context), Err(fault));
            assert_eq!(Header::parse(&bytes[..bytes.len() - 1], context), Ok(None));
        }
    }

    #[test]
    fn the_limit_counts_the_fragments_before() {
        let at_the_limit = [0x80, 0xFE, 0x03, 0xE8, 0, 0, 0, 0];
        let context = |assembled| Context { assembled: Some(assembled), max_message: 2000, deflate: false };
        assert_eq!(Header::parse(&at_the_limit, context(1000)).unwrap().unwrap().length, 1000);
        assert_eq!(Header::parse(&at_the_limit, context(1001)), Err(Fault::MessageTooBig(2000)));
    }

    /// RFC 7692 section 6.1: only a text or binary frame can begin a compressed message.
    #[test]
    fn the_first_frame_of_a_message_may_say_that_it_is_compressed() {
        let between = Context { deflate: true, ..BETWEEN };
        for first in [0xC1, 0xC2, 0x41, 0x42] {
            let header = Header::parse(&[first, 0x85, 1, 2, 3, 4], between).unwrap().unwrap();
            assert!(header.compressed);
            assert_eq!(Header::parse(&[first], BETWEEN), Err(Fault::ReservedBit));
        }
        assert!(!Header::parse(&[0x81, 0x85, 1, 2, 3, 4], between).unwrap().unwrap().compressed);
        for first in [0xE1, 0xD1, 0xA1, 0x91, 0xC0, 0x40, 0xC3, 0xC7, 0xC8, 0xC9, 0xCA, 0xCF] {
            assert_eq!(Header::parse(&[first], between), Err(Fault::ReservedBit), "{first:x}");
            assert_eq!(Header::parse(&[first], Context { deflate: true, ..INSIDE }), Err(Fault::ReservedBit));
        }
        assert_eq!(Header::parse(&[0xC1], Context { deflate: true, ..INSIDE }), Err(Fault::MessageUnfinished));
    }

    #[test]
    fn control_frames_are_not_part_of_the_message() {
        let full = Context { assembled: Some(2000), max_message: 2000, deflate: false };
        assert_eq!(Header::parse(&[0x89, 0xFD, 0, 0, 0, 0], full).unwrap().unwrap().length, 125);
    }
}
