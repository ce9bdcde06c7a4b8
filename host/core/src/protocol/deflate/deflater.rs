//! Compresses the server's messages (RFC 7692 section 7.2.1).
//!
//! Without context takeover, a message is compressed by itself and comes out the same for every client: each thread has
//! one compressor per level and window. With context takeover, a connection owns a compressor while it uses it.

use super::super::Opcode;
use super::super::encode::{encode, encode_compressed};
use super::Compression;
use flate2::{Compress, FlushCompress};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// The end of a flush, which the sender removes and the receiver puts back (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// How long a connection keeps an unused compressor. If this is longer, more clients hold one at the same time; if it
/// is shorter, a client that gets a message now and then has none of the earlier ones to refer to.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// If a message has at least four times this many bytes, this many are compressed first. If they do not shrink by
/// [`PROBE_SAVES`], the message is sent uncompressed: noise takes five times as long as text, for nothing, and the
/// event loop does nothing else meanwhile.
const PROBE: usize = 64 * 1024;
const PROBE_SAVES: usize = PROBE / 16;

/// The largest capacity, in bytes, that the buffer for compressed messages keeps.
const KEPT_CAPACITY: usize = 64 * 1024;

thread_local! {
    static SHARED: RefCell<Vec<SharedCompressor>> = const { RefCell::new(Vec::new()) };
    /// The output of compression, until its length is known.
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Uses the calling thread's thread-locals, see [`crate::touch_thread_locals`].
pub(super) fn touch() {
    SHARED.with(|_| ());
    OUTPUT.with(|_| ());
}

/// A compressor for messages that stand alone. There is one for each window that clients agree on.
struct SharedCompressor {
    level: u8,
    window_bits: u8,
    stream: Stream,
}

/// A compressor.
#[derive(Debug)]
struct Stream {
    compress: Compress,
    /// The last message did not get smaller, so that nobody took all that came of it.
    cut_off: bool,
}

/// Compresses the messages of one connection.
#[derive(Debug)]
pub struct Deflater {
    how: Compression,
    /// With context takeover: exists from the first compressed message until none has come for [`KEPT_FOR`].
    own: Option<Stream>,
    /// Whether `own` was used since [`Deflater::deadline`] was last asked for.
    used: bool,
    /// When `own` is given back.
    deadline: Option<Instant>,
    /// `own` knows something that the client has not received, or the other way round.
    out_of_step: bool,
}

impl Deflater {
    /// A deflater for a connection with these settings. It takes no memory for compression until it compresses.
    pub fn new(how: Compression) -> Deflater {
        Deflater { how, own: None, used: false, deadline: None, out_of_step: false }
    }

    /// Appends a whole message to `out`, compressed if that is worth it and makes it smaller.
    pub fn encode(&mut self, out: &mut Vec<u8>, opcode: Opcode, message: &[u8]) {
        if message.len() < self.how.threshold {
            encode(out, opcode, true, message);
        } else if !self.how.context_takeover {
            if !encode_alone(out, &self.how, opcode, message) {
                encode(out, opcode, true, message);
            }
        } else {
            self.used = true;
            let stream = self.own.get_or_insert_with(|| Stream::new(&self.how));
            if std::mem::take(&mut self.out_of_step) {
                stream.begin_anew(&self.how);
            }
            if !stream.deflate(message, |deflated| encode_compressed(out, opcode, deflated)) {
                self.out_of_step = true;
                encode(out, opcode, true, message);
            }
        }
    }

    /// Notes that a compressed message was dropped, or that the client got a message that was compressed elsewhere. The
    /// next message then refers to nothing before it, which the client need not be told.
    pub fn forget(&mut self) {
        self.out_of_step = true;
    }

    /// When to call `handle_timeout` if nothing is compressed until then; `None` if that is not needed. Ask again after
    /// each encoded message.
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        if std::mem::take(&mut self.used) {
            self.deadline = now.checked_add(KEPT_FOR);
        }
        self.deadline
    }

    /// Gives the compressor back at its deadline. The next message then refers to nothing before it, which the client
    /// need not be told. Returns whether it gave it back; harmless at any other time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.deadline(now).is_some_and(|deadline| deadline <= now);
        if due {
            (self.own, self.deadline) = (None, None);
        }
        due
    }
}

/// Appends a whole message to `out` in a form that any client with this window can read. Returns whether it got
/// smaller; if not, nothing is appended.
pub fn encode_alone(out: &mut Vec<u8>, how: &Compression, opcode: Opcode, message: &[u8]) -> bool {
    let encoded = SHARED.try_with(|all| {
        let all = &mut *all.borrow_mut();
        let fits = |one: &SharedCompressor| (one.level, one.window_bits) == (how.level, how.window_bits);
        let index = all.iter().position(fits).unwrap_or_else(|| {
            all.push(SharedCompressor { level: how.level, window_bits: how.window_bits, stream: Stream::new(how) });
            all.len() - 1
        });
        let stream = &mut all[index].stream;
        stream.begin_anew(how);
        stream.deflate(message, |deflated| encode_compressed(out, opcode, deflated))
    });
    // It cannot be reached while the thread ends.
    encoded.unwrap_or(false)
}

impl Stream {
    fn new(how: &Compression) -> Stream {
        Stream { compress: compressor(how), cut_off: false }
    }

    /// Refers to nothing before from now on.
    fn begin_anew(&mut self, how: &Compression) {
        // At level 1, zlib-rs (0.6.8) keeps a block open over a reset, if it was cut off within one: what came next would have
        // no header.
        if std::mem::take(&mut self.cut_off) && how.level == 1 {
            self.compress = compressor(how);
        } else {
            self.compress.reset();
        }
    }

    /// Has `take` what `message` is compressed. Returns whether that is smaller; if not, the stream must begin anew.
    fn deflate(&mut self, message: &[u8], take: impl FnOnce(&[u8])) -> bool {
        // If it panics, it is of no use either.
        self.cut_off = true;
        self.cut_off = !deflate(&mut self.compress, message, take);
        !self.cut_off
    }
}

/// Compresses `message` and passes the result to `take`. Returns whether it is smaller; if not, `stream` must be reset.
fn deflate(stream: &mut Compress, mut message: &[u8], take: impl FnOnce(&[u8])) -> bool {
    let smaller = OUTPUT.try_with(|output| {
        let output = &mut *output.borrow_mut();
        output.clear();
        // With this much room, output that fills it is not smaller, and output that does not fill it is complete.
        let length = message.len();
        let room = length + TAIL.len();
        output.reserve_exact(room);
        let before = stream.total_in();
        let flushed = is_worth_it(stream, &mut message, output)
            && stream.compress_vec(message, output, FlushCompress::Sync).is_ok();
        let all_used = stream.total_in() - before == length as u64;
        let complete = flushed && all_used && output.len() < room;
        let deflated = output.strip_suffix(&TAIL).filter(|_| complete);
        let smaller = deflated.map(take).is_some();
        if output.capacity() > KEPT_CAPACITY {
            *output = Vec::new();
        }
        smaller
    });
    smaller.unwrap_or(false)
}

/// Compresses the beginning of a large message, and removes it from `message`. Returns whether the rest is likely to
/// get smaller.
fn is_worth_it(stream: &mut Compress, message: &mut &[u8], output: &mut Vec<u8>) -> bool {
    if message.len() < 4 * PROBE {
        return true;
    }
    let (beginning, rest) = message.split_at(PROBE);
    *message = rest;
    stream.compress_vec(beginning, output, FlushCompress::Sync).is_ok() && output.len() <= PROBE - PROBE_SAVES
}

fn compressor(how: &Compression) -> Compress {
    Compress::new_with_window_bits(flate2::Compression::new(how.level.into()), false, how.window_bits)
}
