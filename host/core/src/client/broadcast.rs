//! One message for many clients, encoded at most once for each form that any of them needs.
//!
//! It knows no clients, only their agreements on compression.

use crate::protocol::deflate::{Compression, Reach, encode_alone};
use crate::protocol::{Opcode, encode};
use bytes::Bytes;

/// The windows that some clients agreed on: bit n stands for 2^n bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Windows(u16);

impl Windows {
    /// Adds the window of a client.
    pub(crate) fn add(&mut self, agreed: Reach) {
        self.0 |= 1 << agreed.window_bits;
    }
}

/// A message, encoded for the wire.
#[derive(Debug)]
pub(crate) struct Broadcast {
    plain: Bytes,
    /// Its compressed forms by window bits, if they are smaller.
    deflated: Vec<(u8, Bytes)>,
}

impl Broadcast {
    /// Encodes a message plainly, and compressed for each of `windows`. The compressed forms refer to nothing before
    /// them, so they suit every client with that window, whatever else it was sent.
    pub(crate) fn new(opcode: Opcode, payload: &[u8], how: Option<(Compression, Windows)>) -> Broadcast {
        let mut plain = Vec::new();
        encode(&mut plain, opcode, true, payload);
        let mut deflated = Vec::new();
        if let Some((how, Windows(windows))) = how {
            for window_bits in (0..16).filter(|bits| windows & (1 << bits) != 0) {
                let mut frame = Vec::new();
                if encode_alone(&mut frame, &Compression { window_bits, ..how }, opcode, payload) {
                    deflated.push((window_bits, frame.into()));
                }
            }
        }
        Broadcast { plain: plain.into(), deflated }
    }

    /// The frame for a client with this agreement. A client that came after the windows were collected gets the plain
    /// message, which is always allowed (RFC 7692 section 6).
    pub(crate) fn frame_for(&self, agreed: Option<Reach>) -> &Bytes {
        let fitting = |agreed: Reach| self.deflated.iter().find(|(bits, _)| *bits == agreed.window_bits);
        agreed.and_then(fitting).map_or(&self.plain, |(_, frame)| frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(window_bits: u8) -> Reach {
        Reach { context_takeover: false, window_bits }
    }

    #[test]
    fn a_message_is_compressed_once_for_each_window() {
        let mut windows = Windows::default();
        [15, 9, 15].into_iter().for_each(|bits| windows.add(window(bits)));
        let broadcast = Broadcast::new(Opcode::Text, &[b'x'; 1000], Some((Compression::default(), windows)));
        assert_eq!(broadcast.deflated.len(), 2);
        let frame = |agreed| broadcast.frame_for(agreed);
        assert_eq!(frame(None).len(), 1004);
        assert!(frame(Some(window(15))).len() < 50);
        let takeover = Reach { context_takeover: true, window_bits: 15 };
        assert_eq!(frame(Some(window(15))).as_ptr(), frame(Some(takeover)).as_ptr(), "the same memory for all");
        assert_ne!(frame(Some(window(15))).as_ptr(), frame(Some(window(9))).as_ptr());
        assert_eq!(frame(Some(window(12))).as_ptr(), frame(None).as_ptr(), "who came later gets it as it is");
    }

    #[test]
    fn what_does_not_get_smaller_is_sent_as_it_is() {
        let mut windows = Windows::default();
        windows.add(window(15));
        let broadcast = Broadcast::new(Opcode::Binary, b"\x01\x02\x03", Some((Compression::default(), windows)));
        assert_eq!(&broadcast.frame_for(Some(window(15)))[..], b"\x82\x03\x01\x02\x03");
    }
}
