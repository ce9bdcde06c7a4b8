//! Frames on their way to the socket.
//!
//! It finds the boundaries between frames in the frames' own headers, and only if something must go between them, so
//! the ordinary way needs no bookkeeping. Frames that go in between have a buffer of their own, so the data after them
//! is never moved. It knows no limit: the connection handles the backlog's limit.

use std::ops::Range;

use super::Opcode;
use super::deflate::Deflater;
use super::encode::{append, encode, encode_close, frame_length, long_header};

/// The largest capacity, in bytes, that an empty buffer keeps: answers to a read of the largest messages, by default.
const KEPT_CAPACITY: usize = 4 * 1024 * 1024;
/// Unused capacity, in bytes, that a buffer with something in it keeps when its memory is asked for.
const SPARE_CAPACITY: usize = 4096;
/// The largest capacity, in bytes, that is kept for control frames when none waits.
const KEPT_FOR_CONTROL: usize = 1024;

/// Bytes on their way to the socket: whole server frames, of which the first may be partly written.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    bytes: Vec<u8>,
    /// How many of `bytes` are on the wire.
    written: usize,
    /// A boundary between frames. All frames before it are on the wire, at least in part.
    boundary: usize,
    /// Where `control` goes within `bytes`: after everything written, as long as `control` is not empty. Otherwise, the
    /// end of the control frames that were put ahead last, if any of them is still unwritten.
    ahead: usize,
    /// Control frames that go ahead of data in `bytes`.
    control: Vec<u8>,
    /// How many bytes of `control` are on the wire.
    control_written: usize,
    /// Bytes moved from one place to another.
    #[cfg(test)]
    pub moved: usize,
}

impl WriteBuffer {
    /// An empty buffer, which holds no memory.
    pub const fn new() -> Self {
        WriteBuffer {
            bytes: Vec::new(),
            written: 0,
            boundary: 0,
            ahead: 0,
            control: Vec::new(),
            control_written: 0,
            #[cfg(test)]
            moved: 0,
        }
    }

    /// Appends a frame behind everything.
    #[inline]
    pub fn push(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        encode(&mut self.bytes, opcode, fin, payload);
    }

    /// Offers a whole message of 65,536 bytes or more to the socket without copying it, and keeps a copy of the bytes
    /// that the socket does not take. `send` gets the frame's header and payload, and returns how many of their bytes
    /// are on the wire.
    ///
    /// Nothing may wait, since the message would overtake it.
    pub(crate) fn write_through(&mut self, opcode: Opcode, message: &[u8], send: impl FnOnce(&[u8], &[u8]) -> usize) {
        debug_assert!(self.is_empty());
        self.clear();
        let header = long_header(0x80 | opcode.bits(), message.len());
        let sent = send(&header, message);
        append(&mut self.bytes, header.get(sent..).unwrap_or_default());
        append(&mut self.bytes, &message[sent.saturating_sub(header.len())..]);
        // The rest of a frame has no header to measure it by.
        self.boundary = if sent == 0 { 0 } else { self.bytes.len() };
    }

    /// Appends a whole message behind everything, compressed if that makes it smaller.
    pub(crate) fn push_deflated(&mut self, deflater: &mut Deflater, opcode: Opcode, message: &[u8]) {
        deflater.encode(&mut self.bytes, opcode, message);
    }

    /// Appends encoded frames, which must be whole.
    #[inline]
    pub(crate) fn push_encoded(&mut self, frames: &[u8]) {
        append(&mut self.bytes, frames);
    }

    /// Appends a close frame behind everything; code and reason as for [`encode_close`].
    pub(crate) fn push_close(&mut self, code: u16, reason: &str) {
        encode_close(&mut self.bytes, code, reason);
    }

    /// Puts a control frame ahead of all data that is not yet on the wire, but behind the frame in flight, if there is
    /// one, and behind pings and pongs that already wait.
    ///
    /// Takes constant time, whatever waits.
    pub(crate) fn push_control_ahead(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.control.is_empty() {
            self.ahead = self.place_for_control();
            if self.ahead == self.bytes.len() {
                encode(&mut self.bytes, opcode, true, payload);
                self.ahead = self.bytes.len();
                return;
            }
        }
        encode(&mut self.control, opcode, true, payload);
    }

    /// The place of a control frame that is put ahead. RFC 6455 section 5.4: control frames "MAY be injected in the
    /// middle of a fragmented message".
    fn place_for_control(&mut self) -> usize {
        let mut place = self.unstarted().max(self.ahead);
        while self.bytes.get(place).is_some_and(|first| is_ping_or_pong(*first)) {
            place += frame_length(&self.bytes[place..]);
        }
        place
    }

    /// The bytes to write, in the order of the wire.
    #[inline]
    pub fn unwritten(&self) -> [&[u8]; 3] {
        if self.control.is_empty() {
            return [&self.bytes[self.written..], &[], &[]];
        }
        let (before, behind) = self.bytes[self.written..].split_at(self.ahead - self.written);
        [before, &self.control[self.control_written..], behind]
    }

    /// Notes that the first `written` bytes of [`WriteBuffer::unwritten`] are on the wire.
    ///
    /// If nothing is left, memory beyond 4 MiB is given back.
    #[inline]
    pub fn advance(&mut self, written: usize) {
        debug_assert!(written <= self.len());
        if written >= self.len() {
            self.clear();
        } else if self.control.is_empty() {
            self.written += written;
            self.compact();
        } else {
            self.advance_with_control(written);
        }
    }

    fn advance_with_control(&mut self, written: usize) {
        let before = written.min(self.ahead - self.written);
        let control = (written - before).min(self.control.len() - self.control_written);
        self.control_written += control;
        self.written += written - control;
        if self.control_written == self.control.len() {
            self.clear_control();
        } else if self.control_written >= self.control.len() / 2 {
            self.forget_written_control();
        }
        self.compact();
    }

    /// Drops all messages that have not begun and keeps the rest of the one in flight. Pings and pongs that were put
    /// ahead stay, since a ping expects an answer and a pong is one. Returns the bytes dropped.
    pub(crate) fn discard_unstarted(&mut self) -> usize {
        let before = self.len();
        // Between the frame in flight and `ahead` there is nothing but pings and pongs.
        let begun = self.unstarted().max(self.ahead);
        let keep = self.end_of_message(begun);
        self.bytes.truncate(keep);
        if self.is_empty() {
            self.clear();
        }
        before - self.len()
    }

    /// The end of the message that goes on at `place`, a boundary between frames; `place` itself if none does. The rest
    /// of a message whose first frames are on the wire must follow (RFC 6455 section 5.4).
    fn end_of_message(&self, place: usize) -> usize {
        let (mut end, mut next) = (place, place);
        while let Some(first) = self.bytes.get(next) {
            let continues = first & 0x0F == Opcode::Continuation.bits();
            if !continues && !is_ping_or_pong(*first) {
                break;
            }
            next += frame_length(&self.bytes[next..]);
            if continues {
                end = next;
                if first & 0x80 != 0 {
                    break;
                }
            }
        }
        end
    }

    /// The control frame that is partly on the wire, or an empty range after those that are wholly on it.
    fn control_in_flight(&self) -> Range<usize> {
        let (mut start, mut end) = (0, 0);
        while end < self.control_written {
            start = end;
            end += frame_length(&self.control[start..]);
        }
        if end == self.control_written { end..end } else { start..end }
    }

    /// Moves the control frames that are not wholly on the wire to the front.
    fn forget_written_control(&mut self) {
        let start = self.control_in_flight().start;
        self.control.drain(..start);
        self.control_written -= start;
        #[cfg(test)]
        {
            self.moved += self.control.len();
        }
    }

    /// Bytes that wait to be written.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written + self.control.len() - self.control_written
    }

    /// Whether nothing waits to be written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap.
    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.control.capacity()
    }

    /// Whether it has memory for frames.
    pub(crate) fn has_memory(&self) -> bool {
        self.bytes.capacity() > 0
    }

    /// Lends memory to a buffer that has none. Whatever is in `memory` is dropped.
    #[inline]
    pub fn lend(&mut self, mut memory: Vec<u8>) {
        if self.bytes.capacity() == 0 {
            memory.clear();
            self.bytes = memory;
        }
    }

    /// Gives up memory that is not needed: all of it if nothing waits; if little waits in much memory, it exchanges
    /// that for memory that fits. `None` if all of it is needed.
    #[inline]
    pub(crate) fn take_memory(&mut self) -> Option<Vec<u8>> {
        if self.is_empty() {
            self.clear();
            self.control = Vec::new();
            return Some(std::mem::take(&mut self.bytes));
        }
        let unwritten = self.bytes.len() - self.written;
        let spare = self.bytes.capacity() - unwritten;
        (spare > unwritten + SPARE_CAPACITY).then(|| {
            self.forget_written();
            let fitting = self.bytes.clone();
            std::mem::replace(&mut self.bytes, fitting)
        })
    }

    /// The first boundary between frames after which nothing is on the wire.
    fn unstarted(&mut self) -> usize {
        while self.boundary < self.written {
            self.boundary += frame_length(&self.bytes[self.boundary..]);
        }
        self.boundary
    }

    #[inline]
    fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
        self.written = 0;
        self.boundary = 0;
        self.ahead = 0;
        self.clear_control();
    }

    #[inline]
    fn clear_control(&mut self) {
        self.control_written = 0;
        self.control.clear();
        if self.control.capacity() > KEPT_FOR_CONTROL {
            self.control = Vec::new();
        }
    }

    /// Moves the unwritten bytes to the front once they are no more than the written ones. So each written byte pays
    /// for at most one moved byte, and a buffer that is never quite empty does not grow without end.
    fn compact(&mut self) {
        if self.written >= self.bytes.len() - self.written {
            self.forget_written();
        }
    }

    /// Moves the unwritten bytes to the front.
    fn forget_written(&mut self) {
        self.boundary = self.unstarted() - self.written;
        self.ahead = self.ahead.saturating_sub(self.written);
        self.bytes.drain(..self.written);
        self.written = 0;
        #[cfg(test)]
        {
            self.moved += self.bytes.len();
        }
    }
}

/// Whether a frame with this first byte may stand before a ping or pong that is put ahead. A close frame may not, since
/// it is the last frame that counts (RFC 6455 section 5.5.1).
fn is_ping_or_pong(first: u8) -> bool {
    [Opcode::Ping, Opcode::Pong].into_iter().any(|opcode| first & 0x0F == opcode.bits())
}
