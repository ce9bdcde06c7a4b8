//! Decompresses a client's messages (RFC 7692 section 7.2.2).
//!
//! Each message is inflated as a stream of its own, with the earlier messages as its dictionary. So a connection keeps
//! only that dictionary between messages, and all connections of a thread share the inflaters. Besides, a stream of its
//! own can be ended, and only its end tells a whole message from a truncated one.

use super::super::Fault;
use super::super::assembly::growth;
use super::Reach;
use flate2::{Decompress, FlushDecompress, Status};
use std::cell::Cell;

/// The bytes that the sender has removed from the end of the message, which are an empty block's length (RFC 7692
/// section 7.2.1), and an empty last block, which ends a deflate stream (RFC 1951 section 3.2.3).
const END: [u8; 6] = [0x00, 0x00, 0xFF, 0xFF, 0x03, 0x00];

/// How many bytes are inflated at a time. At most this many are inflated in vain if a message exceeds the limit.
const PIECE: usize = 8 * 1024;

thread_local! {
    /// An inflater for the next message: making one takes longer than most messages.
    static SPARE: Cell<Option<Box<Inflater>>> = const { Cell::new(None) };
}

/// Uses the calling thread's thread-locals, see [`crate::touch_thread_locals`].
pub(super) fn touch() {
    SPARE.with(|_| ());
}

/// The state that one connection keeps for its client's compressed messages.
#[derive(Debug)]
pub(in crate::protocol) struct Incoming {
    /// How far a message can refer back beyond its start, in bytes; 0 without context takeover.
    reach: usize,
    /// The last bytes of earlier compressed messages, as far as they came, up to `reach`.
    window: Vec<u8>,
}

/// A compressed message in progress. It takes about 55 KiB.
#[derive(Debug)]
pub(in crate::protocol) struct Inflating(Box<Inflater>);

#[derive(Debug)]
struct Inflater {
    /// At the start of a stream while it is a spare.
    stream: Decompress,
    inflated: [u8; PIECE],
}

impl Incoming {
    /// The state for a connection with these settings of the client.
    pub(in crate::protocol) fn new(client: Reach) -> Incoming {
        // zlib turns 8 bits into 9, so a client that announced 8 may in fact use 9.
        let reach = if client.context_takeover { 1 << client.window_bits.max(9) } else { 0 };
        Incoming { reach, window: Vec::new() }
    }

    /// Begins a message.
    pub(in crate::protocol) fn begin(&self) -> Result<Inflating, Fault> {
        let mut inflater =
            SPARE.take().unwrap_or_else(|| Box::new(Inflater { stream: Decompress::new(false), inflated: [0; PIECE] }));
        if !self.window.is_empty() {
            inflater.stream.set_dictionary(&self.window).map_err(|_| Fault::NotDeflate)?;
        }
        Ok(Inflating(inflater))
    }

    /// Keeps the part of a finished message that later ones can refer to.
    pub(in crate::protocol) fn remember(&mut self, message: &[u8]) {
        let new = &message[message.len().saturating_sub(self.reach)..];
        let forgotten = (self.window.len() + new.len()).saturating_sub(self.reach);
        self.window.drain(..forgotten);
        self.window.reserve_exact(growth(self.window.len(), self.window.capacity(), new.len(), self.reach));
        self.window.extend_from_slice(new);
    }

    /// Bytes of heap.
    pub(in crate::protocol) fn held(&self) -> usize {
        self.window.capacity()
    }
}

impl Inflating {
    /// Inflates `part` and passes the result to `take` in pieces, always up to the first wrong bit.
    pub(in crate::protocol) fn inflate(
        &mut self,
        mut part: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Inflater { stream, inflated } = &mut *self.0;
        loop {
            let (used, made, status) = step(stream, part, inflated);
            take(&inflated[..made])?;
            part = &part[used..];
            match status {
                None => return Err(Fault::NotDeflate),
                // A last block is not the message's end (RFC 7692 section 7.2.3.5): another stream follows. A sender
                // that ended the first has begun the second without memory of it, as zlib does.
                Some(Status::StreamEnd) => stream.reset(false),
                Some(Status::Ok | Status::BufError) if made < PIECE => {
                    return if part.is_empty() { Ok(()) } else { Err(Fault::NotDeflate) };
                }
                Some(Status::Ok | Status::BufError) => {}
            }
        }
    }

    /// Declares the message complete.
    pub(in crate::protocol) fn finish(mut self) -> Result<(), Fault> {
        let Inflater { stream, inflated } = &mut *self.0;
        // Any other outcome means that the end lies inside a block.
        if step(stream, &END, inflated) != (END.len(), 0, Some(Status::StreamEnd)) {
            return Err(Fault::NotDeflate);
        }
        stream.reset(false);
        SPARE.set(Some(self.0));
        Ok(())
    }

    /// Bytes of heap, about: zlib's window of 32 KiB, its state and ours.
    pub(in crate::protocol) fn held(&self) -> usize {
        46 * 1024 + PIECE
    }
}

/// Inflates as much as there is or fits. Returns the bytes used, the bytes made, and `None` if it is no deflate stream.
fn step(stream: &mut Decompress, input: &[u8], output: &mut [u8]) -> (usize, usize, Option<Status>) {
    let (total_in, total_out) = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output, FlushDecompress::None).ok();
    // Neither is more than the length of its slice.
    ((stream.total_in() - total_in) as usize, (stream.total_out() - total_out) as usize, status)
}
