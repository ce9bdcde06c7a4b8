//! Frames on their way to the socket.
//!
//! Finds the boundaries between frames in the frames' own headers, and only when asked to put something between them,
//! so that the ordinary way in and out keeps no books. Knows no limit: the backlog's is the connection's business.

use super::Opcode;
use super::deflate::Deflater;
use super::encode::{append, encode, encode_close, frame_length, long_header};

/// The largest capacity, in bytes, that an empty buffer keeps: answers to a read of the largest messages, by default.
const KEPT_CAPACITY: usize = 4 * 1024 * 1024;
/// Unused capacity, in bytes, that a buffer with something in it keeps when its memory is asked for.
const SPARE_CAPACITY: usize = 4096;

/// Bytes on their way to the socket: whole server frames, of which the first may be partly written.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    bytes: Vec<u8>,
    /// What of `bytes` is on the wire.
    written: usize,
    /// A boundary between frames, before which no frame is wholly unwritten.
    boundary: usize,
    /// Where the control frames end that were last put ahead, if any of them is still unwritten.
    ahead: usize,
}

impl WriteBuffer {
    /// An empty buffer, which holds no memory.
    pub const fn new() -> Self {
        WriteBuffer { bytes: Vec::new(), written: 0, boundary: 0, ahead: 0 }
    }

    /// Appends a frame behind everything.
    #[inline]
    pub fn push(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        encode(&mut self.bytes, opcode, fin, payload);
    }

    /// Offers a whole message of 65,536 bytes or more to the socket where it lies, and keeps a copy of what is not taken.
    /// `send` is given the frame's header and payload, and returns how many bytes of them are on the wire now.
    ///
    /// Nothing may wait: the message would overtake it.
    pub fn write_through(&mut self, opcode: Opcode, message: &[u8], send: impl FnOnce(&[u8], &[u8]) -> usize) {
        debug_assert!(self.is_empty());
        self.clear();
        let header = long_header(0x80 | opcode.bits(), message.len());
        let sent = send(&header, message);
        append(&mut self.bytes, header.get(sent..).unwrap_or_default());
        append(&mut self.bytes, &message[sent.saturating_sub(header.len())..]);
        // What is left of a frame has no header to be measured by.
        self.boundary = if sent == 0 { 0 } else { self.bytes.len() };
    }

    /// Appends a whole message behind everything, compressed where that makes it smaller.
    pub fn push_deflated(&mut self, deflater: &mut Deflater, opcode: Opcode, message: &[u8]) {
        deflater.encode(&mut self.bytes, opcode, message);
    }

    /// Appends frames that are encoded already, whole ones only.
    #[inline]
    pub fn push_encoded(&mut self, frames: &[u8]) {
        append(&mut self.bytes, frames);
    }

    /// Appends a close frame behind everything; code and reason as for [`encode_close`].
    pub fn push_close(&mut self, code: u16, reason: &str) {
        encode_close(&mut self.bytes, code, reason);
    }

    /// Puts a control frame ahead of all data that is not yet on the wire: behind the frame in flight, if there is
    /// one, and behind pings and pongs that wait there already.
    ///
    /// Takes time proportional to [`WriteBuffer::len`], since what waits is moved.
    pub fn push_control_ahead(&mut self, opcode: Opcode, payload: &[u8]) {
        // RFC 6455 section 5.4: control frames "MAY be injected in the middle of a fragmented message".
        let mut place = self.unstarted().max(self.ahead);
        while self.bytes.get(place).is_some_and(|first| is_ping_or_pong(*first)) {
            place += frame_length(&self.bytes[place..]);
        }
        let before = self.bytes.len();
        encode(&mut self.bytes, opcode, true, payload);
        let length = self.bytes.len() - before;
        self.bytes[place..].rotate_right(length);
        self.ahead = place + length;
    }

    /// What is to be written next.
    #[inline]
    pub fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Takes note that the first `written` bytes of [`WriteBuffer::unwritten`] are on the wire.
    ///
    /// When that was all, memory beyond 1 MiB is given back.
    #[inline]
    pub fn advance(&mut self, written: usize) {
        debug_assert!(written <= self.len());
        if written >= self.len() {
            self.clear();
        } else {
            self.written += written;
            self.compact();
        }
    }

    /// Drops every frame of which nothing is on the wire and keeps the rest of the one in flight. Returns the bytes
    /// dropped.
    pub fn discard_unstarted(&mut self) -> usize {
        let keep = self.unstarted();
        let dropped = self.bytes.len() - keep;
        self.bytes.truncate(keep);
        self.ahead = self.ahead.min(keep);
        if self.is_empty() {
            self.clear();
        }
        dropped
    }

    /// Bytes that wait to be written.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether nothing waits to be written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Lends memory to a buffer that has none. Whatever is in `memory` is dropped.
    #[inline]
    pub fn lend(&mut self, mut memory: Vec<u8>) {
        if self.bytes.capacity() == 0 {
            memory.clear();
            self.bytes = memory;
        }
    }

    /// Gives up the memory that is not needed: all of it where nothing waits, and where little waits in much memory, that
    /// memory for some that fits. `None` where it is needed.
    #[inline]
    pub fn take_memory(&mut self) -> Option<Vec<u8>> {
        if self.is_empty() {
            self.clear();
            return Some(std::mem::take(&mut self.bytes));
        }
        let spare = self.bytes.capacity() - self.len();
        (spare > self.len() + SPARE_CAPACITY).then(|| {
            self.forget_written();
            let fitting = self.bytes.clone();
            std::mem::replace(&mut self.bytes, fitting)
        })
    }

    /// The first boundary between frames with nothing behind it on the wire.
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
    }

    /// Moves what is unwritten to the front once it is no more than what is written. Each byte written so pays for at
    /// most one byte moved, and a buffer that is never quite empty does not grow without end.
    fn compact(&mut self) {
        if self.written < self.len() {
            return;
        }
        self.forget_written();
    }

    /// Moves what is unwritten to the front.
    fn forget_written(&mut self) {
        self.boundary = self.unstarted() - self.written;
        self.ahead = self.ahead.saturating_sub(self.written);
        self.bytes.drain(..self.written);
        self.written = 0;
    }
}

/// Whether a frame with this first byte may stand before a ping or pong put ahead. A close frame may not, since it is
/// the last frame that counts (RFC 6455 section 5.5.1).
fn is_ping_or_pong(first: u8) -> bool {
    [Opcode::Ping, Opcode::Pong].into_iter().any(|opcode| first & 0x0F == opcode.bits())
}
