//! The frames to send, prepared once, and the replies they must cause. This file knows no socket and no clock.
//!
//! A ring has one slot for each message in flight. Each slot holds a whole frame with a random mask of its own, ready
//! to be written, and beside it, in [`Replies`], the frame that a server must answer with. Sending again from a slot,
//! once its replies have arrived, takes nothing but a new sequence number in both. Slots lie next to each other, so that
//! messages sent together are one slice.
//!
//! RFC 6455 section 5.3 wants a fresh mask for each frame. Here a slot keeps its own for the whole run: drawing a new
//! one and masking again would be work for the generator alone; to the server it makes no difference.

use crate::Wire;
use crate::replies::{Replies, SEQUENCE_LEN};

/// First byte of a whole message: FIN and the opcode, RFC 6455 section 5.2.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// The frames that one connection sends, and the replies to them.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: usize,
    size: usize,
    raw: bool,
    /// The number of the next message, and the slot it will be sent from.
    sequence: u32,
    fill: usize,

    frames: Vec<u8>,
    frame_len: usize,
    /// What turns the sequence number in a reply into the one in the masked frame, by slot.
    sequence_masks: Vec<u64>,
    /// The position in `frames` of the bytes to write next, and their number.
    unsent_at: usize,
    unsent_len: usize,

    replies: Replies,
}

impl Ring {
    /// Prepares the frames of `slots` messages of `size` bytes, with random payload and random masks. A reply must be the
    /// message, and behind it `tail`.
    ///
    /// # Panics
    /// If `slots` is 0.
    pub(crate) fn new(slots: usize, size: usize, wire: Wire, tail: &[u8]) -> Ring {
        assert!(slots > 0, "at least one message must be in flight");
        let first = if wire == Wire::Binary { BINARY } else { TEXT };
        let payload = payload(size, wire);
        let mut frames = Vec::new();
        let mut replies = Vec::new();
        let mut sequence_masks = Vec::with_capacity(slots);
        for _ in 0..slots {
            let key: [u8; 4] = fastrand::u32(..).to_le_bytes();
            header(&mut frames, first, size, Some(key));
            frames.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            if wire != Wire::Raw {
                header(&mut replies, first, size + tail.len(), None);
                replies.extend_from_slice(&payload);
                replies.extend_from_slice(tail);
            }
            let key = u64::from(u32::from_le_bytes(key));
            sequence_masks.push(key | key << 32);
        }
        if wire == Wire::Raw {
            replies.clone_from(&frames);
        }
        let reply_len = replies.len() / slots;
        Ring {
            slots,
            size,
            raw: wire == Wire::Raw,
            sequence: 0,
            fill: 0,
            frame_len: frames.len() / slots,
            frames,
            sequence_masks,
            unsent_at: 0,
            unsent_len: 0,
            replies: Replies::new(replies, reply_len, size + tail.len(), wire != Wire::Raw),
        }
    }

    /// Gives the next `count` messages their numbers, and thereby makes them [`unsent`](Self::unsent).
    ///
    /// The caller keeps no more than `slots` messages between here and their last reply.
    pub(crate) fn stamp(&mut self, count: usize) {
        let width = self.size.min(SEQUENCE_LEN);
        for _ in 0..count {
            let in_payload = digits(self.sequence);
            let on_wire = in_payload ^ self.sequence_masks[self.fill];
            // A raw reply is the frame again, mask and all.
            let in_reply = if self.raw { on_wire } else { in_payload };
            let frame = (self.fill + 1) * self.frame_len - self.size;
            if width == SEQUENCE_LEN {
                self.frames[frame..frame + SEQUENCE_LEN].copy_from_slice(&on_wire.to_le_bytes());
                self.replies.expect(self.fill, &in_reply.to_le_bytes());
            } else {
                self.frames[frame..frame + width].copy_from_slice(&on_wire.to_le_bytes()[..width]);
                self.replies.expect(self.fill, &in_reply.to_le_bytes()[..width]);
            }
            self.sequence = self.sequence.wrapping_add(1);
            self.fill = if self.fill + 1 == self.slots { 0 } else { self.fill + 1 };
        }
        self.unsent_len += count * self.frame_len;
    }

    /// How many messages may be in flight.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// The slot of the next message.
    pub(crate) fn next_slot(&self) -> usize {
        self.fill
    }

    /// Starts anew, for another connection: what was stamped is neither to be sent nor answered.
    pub(crate) fn forget(&mut self) {
        (self.sequence, self.fill, self.unsent_at, self.unsent_len) = (0, 0, 0, 0);
        self.replies.forget();
    }

    /// What must come back for what was stamped.
    pub(crate) fn replies(&self) -> &Replies {
        &self.replies
    }

    /// The bytes to write next; the second part is empty unless the first reaches the end of the ring.
    pub(crate) fn unsent(&self) -> (&[u8], &[u8]) {
        let end = self.unsent_at + self.unsent_len;
        match end.checked_sub(self.frames.len()) {
            None => (&self.frames[self.unsent_at..end], &[]),
            Some(wrapped) => (&self.frames[self.unsent_at..], &self.frames[..wrapped]),
        }
    }

    /// Notes that `len` bytes of [`unsent`](Self::unsent) have been written.
    pub(crate) fn sent(&mut self, len: usize) {
        debug_assert!(len <= self.unsent_len, "more was written than there was");
        self.unsent_len -= len;
        self.unsent_at += len;
        if self.unsent_at >= self.frames.len() {
            self.unsent_at -= self.frames.len();
        }
    }
}

/// Random bytes that may stand in a message.
pub(crate) fn payload(size: usize, wire: Wire) -> Vec<u8> {
    match wire {
        Wire::Text => (0..size).map(|_| fastrand::u8(b' '..=b'~')).collect(),
        Wire::Binary | Wire::Raw => (0..size).map(|_| fastrand::u8(..)).collect(),
    }
}

/// Appends a frame header, RFC 6455 section 5.2.
fn header(out: &mut Vec<u8>, first: u8, size: usize, key: Option<[u8; 4]>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(first);
    match (u8::try_from(size), u16::try_from(size)) {
        (Ok(size @ 0..=125), _) => out.push(masked | size),
        (_, Ok(size)) => {
            out.push(masked | 126);
            out.extend_from_slice(&size.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    out.extend(key.into_iter().flatten());
}

/// The number as eight of the letters `@` to `O`, so that it may stand in text; the lowest digit first, so that a short
/// payload has those that change.
fn digits(number: u32) -> u64 {
    let mut spread = u64::from(number);
    spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF;
    spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF;
    spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    spread | 0x4040_4040_4040_4040
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replies::{Cursor, Mismatch};

    const CLOSE: u8 = 0x88;
    const PING: u8 = 0x89;
    const PONG: u8 = 0x8A;

    /// What an independent echo server answers to the bytes in `ring.unsent()`: unmasked, same opcode.
    fn echo(mut wire: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        while !wire.is_empty() {
            let (len, at) = match wire[1] & 0x7F {
                126 => (usize::from(u16::from_be_bytes([wire[2], wire[3]])), 4),
                127 => (usize::try_from(u64::from_be_bytes(wire[2..10].try_into().unwrap())).unwrap(), 10),
                len => (usize::from(len), 2),
            };
            assert_eq!(wire[1] & 0x80, 0x80, "RFC 6455 section 5.3: a client MUST mask all frames");
            answer.push(wire[0]);
            answer.push(wire[1] & 0x7F);
            answer.extend_from_slice(&wire[2..at]);
            let key = &wire[at..at + 4];
            let payload = &wire[at + 4..at + 4 + len];
            answer.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            wire = &wire[at + 4 + len..];
        }
        answer
    }

    /// A ring and the one connection that gets its replies.
    struct Pair(Ring, Cursor);

    impl Pair {
        fn new(slots: usize, size: usize, wire: Wire) -> Pair {
            Pair(Ring::new(slots, size, wire, b""), Cursor::new())
        }

        fn check(&mut self, received: &[u8]) -> Result<usize, Mismatch> {
            self.0.replies().check(&mut self.1, received)
        }
    }

    fn send_all(ring: &mut Ring) -> Vec<u8> {
        let (first, second) = ring.unsent();
        let wire = [first, second].concat();
        ring.sent(wire.len());
        wire
    }

    #[test]
    fn replies_are_accepted_in_any_pieces() {
        for size in [0, 1, 7, 8, 20, 125, 126, 65535, 65536] {
            for wire in [Wire::Text, Wire::Binary, Wire::Raw] {
                let mut pair = Pair::new(3, size, wire);
                let mut answered = 0;
                let mut owed = Vec::new();
                pair.0.stamp(3);
                for round in 0..20 {
                    let sent = send_all(&mut pair.0);
                    owed.extend(if wire == Wire::Raw { sent } else { echo(&sent) });
                    let piece = owed.len().min(1 + fastrand::usize(..owed.len()) + round % 2);
                    let completed = pair.check(&owed[..piece]).unwrap();
                    owed.drain(..piece);
                    answered += completed;
                    pair.0.stamp(completed);
                }
                let sent = send_all(&mut pair.0);
                owed.extend(if wire == Wire::Raw { sent } else { echo(&sent) });
                answered += pair.check(&owed).unwrap();
                assert!(pair.0.replies().is_idle(&pair.1));
                assert_eq!(answered, usize::try_from(pair.0.sequence).unwrap());
            }
        }
    }

    #[test]
    fn each_message_is_new_and_text_is_ascii() {
        let mut pair = Pair::new(2, 8, Wire::Text);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            pair.0.stamp(2);
            let reply = echo(&send_all(&mut pair.0));
            assert!(reply[2..10].is_ascii());
            assert!(seen.insert(reply[2..10].to_vec()));
            assert_eq!(pair.check(&reply), Ok(2));
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let fault = |spoil: fn(&mut Vec<u8>)| {
            let mut pair = Pair::new(4, 20, Wire::Text);
            pair.0.stamp(4);
            let mut reply = echo(&send_all(&mut pair.0));
            spoil(&mut reply);
            pair.check(&reply)
        };
        assert_eq!(fault(|_| ()), Ok(4));
        assert_eq!(fault(|reply| reply[22 + 15] ^= 1), Err(Mismatch::Payload { sequence: 1, at: 13 }));
        // Lost.
        assert_eq!(fault(|reply| drop(reply.drain(22..44))), Err(Mismatch::Order { sequence: 1, at: 0 }));
        // Swapped.
        assert_eq!(fault(|reply| reply[22..66].rotate_left(22)), Err(Mismatch::Order { sequence: 1, at: 0 }));
        // Repeated, within what is owed and beyond it.
        assert_eq!(fault(|reply| reply.extend_from_within(..22)), Err(Mismatch::Unasked));
        assert_eq!(
            fault(|reply| {
                let again = reply[..22].to_vec();
                reply.splice(22..22, again);
            }),
            Err(Mismatch::Order { sequence: 1, at: 0 })
        );
        assert_eq!(
            fault(|reply| reply[22] = BINARY),
            Err(Mismatch::Header { sequence: 1, at: 0, got: BINARY, expected: TEXT })
        );
        assert_eq!(fault(|reply| reply[23] += 1), Err(Mismatch::Header { sequence: 1, at: 1, got: 21, expected: 20 }));
        assert_eq!(fault(|reply| drop(reply.splice(22.., [CLOSE, 2, 3, 0xF0]))), Err(Mismatch::Close(Some(1008))));
    }

    #[test]
    fn pings_and_pongs_are_skipped() {
        let mut pair = Pair::new(2, 20, Wire::Text);
        pair.0.stamp(2);
        let mut reply = echo(&send_all(&mut pair.0));
        reply.splice(22..22, [PING, 3, 1, 2, 3, PONG, 0]);
        reply.extend([PING, 0]);
        let completed: usize = reply.chunks(1).map(|byte| pair.check(byte).unwrap()).sum();
        assert_eq!(completed, 2);
        assert_eq!(pair.check(&[PONG, 1, b'x']), Ok(0));
    }

    #[test]
    fn a_late_repeat_is_not_taken_for_the_slots_next_reply() {
        let mut pair = Pair::new(1, 20, Wire::Binary);
        pair.0.stamp(1);
        let first = echo(&send_all(&mut pair.0));
        assert_eq!(pair.check(&first), Ok(1));
        pair.0.stamp(1);
        send_all(&mut pair.0);
        assert_eq!(pair.check(&first), Err(Mismatch::Order { sequence: 1, at: 0 }));
    }
}
