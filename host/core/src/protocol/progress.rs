//! An incomplete frame or message.
//!
//! It owns everything that must outlive the read buffer: the start of a header, the position in a payload, the
//! fragments so far, the start of a control frame. It knows no time limit beyond the deadline that it keeps for its
//! owner.

use std::cell::RefCell;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::assembly::Assembly;
use super::deflate::{Incoming, Inflating};
use super::frame::{Context, Header, MAX_CONTROL, MAX_HEADER};
use super::message::{Received, whole_frame};
use super::{Fault, Opcode, close, mask};

/// Everything unfinished of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    deadline: Option<Instant>,
    /// The last step finished all input. The data left here is only kept for its event.
    over: bool,
    message: Option<Assembly>,
    /// Memory for the message that begins here.
    room: Vec<u8>,
    /// Present while `message` is compressed.
    inflating: Option<Inflating>,
    frame: Option<Payload>,
    /// The start of a header that is not all here.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// The payload of a control frame that did not come in one piece.
    control: [u8; MAX_CONTROL],
    control_len: usize,
}

/// Why [`Progress::advance`] stopped.
#[derive(Debug, PartialEq)]
pub(super) enum Stop {
    /// The input is used up, or much has been done with it.
    Starved,
    /// The message is complete.
    Message,
    /// A control frame, whole and unmasked, is in this part of the input.
    ControlInPlace(Opcode, Range<usize>),
    /// A control frame is complete in the store.
    ControlStored(Opcode),
}

/// The frame whose payload is being taken in.
#[derive(Debug)]
struct Payload {
    fin: bool,
    opcode: Opcode,
    /// The masking key, turned to the next byte.
    key: [u8; 4],
    /// Bytes still to come.
    remaining: usize,
}

/// How much work is much, in frames: each frame counts 1, and so does any part of one.
const MUCH: usize = 128;
/// How many inflated bytes count as a frame.
const INFLATED_PER_FRAME: usize = 512;
/// How many bytes of a compressed payload are inflated before the output is checked. The output is at most a thousand
/// times as large.
const INFLATED_AT_ONCE: usize = 512;
/// How much such a part counts by itself, in frames: it may be tables for decoding, which produce no output.
const PER_INFLATED_PART: usize = 16;

/// How many messages that arrive in pieces at the same time can reuse the memory of earlier ones.
const KEPT: usize = 8;
/// The most memory of a message, in bytes, that is kept for another.
const KEPT_ROOM: usize = 1024 * 1024;

thread_local! {
    /// The memory of this thread's last assembled messages, for the next ones of any connection. In the long run, none
    /// of them allocates.
    static SPARES: RefCell<[Option<Box<Progress>>; KEPT]> = const { RefCell::new([const { None }; KEPT]) };
}

/// Frees the memory that this thread keeps for the next assembled messages.
pub fn give_back() {
    SPARES.take();
}

/// Uses the calling thread's thread-locals, see [`crate::touch_thread_locals`].
pub(super) fn touch() {
    SPARES.with(|_| ());
}

impl Progress {
    /// An empty one; everything must arrive by `deadline`.
    pub(super) fn begin(deadline: Option<Instant>) -> Box<Progress> {
        match SPARES.with_borrow_mut(|spares| spares.iter_mut().find_map(Option::take)) {
            Some(mut spare) => {
                let room = std::mem::take(&mut spare.room);
                *spare = Progress { room, ..Progress::new(deadline) };
                spare
            }
            None => Box::new(Progress::new(deadline)),
        }
    }

    /// Leaves the memory to the next message.
    pub(super) fn recycle(mut self: Box<Self>) {
        self.room = self.message.take().map(Assembly::into_room).unwrap_or_default();
        if self.room.capacity() <= KEPT_ROOM {
            SPARES.with_borrow_mut(|spares| {
                if let Some(room) = spares.iter_mut().find(|spare| spare.is_none()) {
                    *room = Some(self);
                }
            });
        }
    }

    fn new(deadline: Option<Instant>) -> Progress {
        Progress {
            deadline,
            over: false,
            message: None,
            room: Vec::new(),
            inflating: None,
            frame: None,
            header: [0; MAX_HEADER],
            header_len: 0,
            control: [0; MAX_CONTROL],
            control_len: 0,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.deadline = self.deadline.and_then(|deadline| deadline.checked_add(by));
    }

    /// Nothing is unfinished any more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether this many bytes do not finish the frame, and are not inflated.
    pub(super) fn only_copies(&self, bytes: usize) -> bool {
        self.inflating.is_none() && self.frame.as_ref().is_some_and(|frame| frame.remaining > bytes)
    }

    /// Bytes of heap, including those of `self`.
    pub(super) fn held(&self) -> usize {
        let inflating = self.inflating.as_ref().map_or(0, Inflating::held);
        size_of::<Progress>() + inflating + self.room.capacity() + self.message.as_ref().map_or(0, Assembly::capacity)
    }

    /// Takes in `input` up to the next event, or until much has been done. Returns the bytes consumed. With `deflate`,
    /// messages may be compressed.
    pub(super) fn advance(
        &mut self,
        input: &mut [u8],
        max_message: usize,
        mut deflate: Option<&mut Incoming>,
    ) -> Result<(usize, Stop), Fault> {
        let mut at = 0;
        let mut work = 0;
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => {
                    let Some((header, size)) = self.read_header(&input[at..], max_message, deflate.is_some())? else {
                        return Ok((input.len(), Stop::Starved));
                    };
                    at += size;
                    self.begin_frame(header, deflate.as_deref())?
                }
            };

            let inflates = self.inflating.is_some() && !frame.opcode.is_control();
            let most = if inflates { INFLATED_AT_ONCE } else { usize::MAX };
            let part = at..at + frame.remaining.min(input.len() - at).min(most);
            let before = self.message.as_ref().map_or(0, Assembly::len);
            at = part.end;
            mask::unmask(&mut input[part.clone()], frame.key);
            frame.key = mask::turned(frame.key, part.len());
            frame.remaining -= part.len();

            let unfinished = frame.remaining > 0;
            let step = if frame.opcode.is_control() {
                self.take_control(&frame, part, input)?
            } else {
                self.take_data(&frame, &input[part], max_message, deflate.as_deref_mut())?
            };
            if unfinished {
                self.frame = Some(frame);
            }
            work += 1;
            if inflates {
                let inflated = self.message.as_ref().map_or(0, Assembly::len) - before;
                work += PER_INFLATED_PART + inflated / INFLATED_PER_FRAME;
            }
            if (unfinished && at == input.len()) || step != Stop::Starved || work >= MUCH {
                return Ok((at, step));
            }
        }
    }

    /// The event of the last step for this input.
    pub(super) fn event<'a>(&'a self, step: Stop, input: &'a [u8]) -> Result<Option<Received<'a>>, Fault> {
        match step {
            Stop::Starved => Ok(None),
            Stop::Message => Ok(self.message.as_ref().map(Assembly::received)),
            Stop::ControlInPlace(opcode, payload) => whole_frame(opcode, &input[payload]).map(Some),
            Stop::ControlStored(opcode) => whole_frame(opcode, &self.control[..self.control_len]).map(Some),
        }
    }

    /// Reads a header from `input`, or from earlier input and `input` together. Returns how many bytes of `input` it
    /// took; if the header is incomplete, it keeps them all.
    fn read_header(
        &mut self,
        input: &[u8],
        max_message: usize,
        deflate: bool,
    ) -> Result<Option<(Header, usize)>, Fault> {
        // The limit applies to the inflated size.
        let max_message = if self.inflating.is_some() { usize::MAX } else { max_message };
        let context = Context { assembled: self.message.as_ref().map(Assembly::len), max_message, deflate };
        if self.header_len == 0 {
            if let Some(header) = Header::parse(input, context)? {
                return Ok(Some((header, header.size)));
            }
            self.header[..input.len()].copy_from_slice(input);
            self.header_len = input.len();
            return Ok(None);
        }
        for (before, byte) in input.iter().enumerate() {
            self.header[self.header_len] = *byte;
            self.header_len += 1;
            if let Some(header) = Header::parse(&self.header[..self.header_len], context)? {
                self.header_len = 0;
                return Ok(Some((header, before + 1)));
            }
        }
        Ok(None)
    }

    fn begin_frame(&mut self, header: Header, deflate: Option<&Incoming>) -> Result<Payload, Fault> {
        match header.opcode {
            Opcode::Text | Opcode::Binary => {
                self.message = Some(Assembly::new(header.opcode, std::mem::take(&mut self.room)));
                self.inflating = deflate.filter(|_| header.compressed).map(Incoming::begin).transpose()?;
            }
            Opcode::Continuation => {}
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.control_len = 0,
        }
        Ok(Payload { fin: header.fin, opcode: header.opcode, key: header.key, remaining: header.length })
    }

    /// Takes in a part of a data frame. `frame` already counts this part.
    fn take_data(
        &mut self,
        frame: &Payload,
        part: &[u8],
        max_message: usize,
        deflate: Option<&mut Incoming>,
    ) -> Result<Stop, Fault> {
        // The header's check of lengths and order made sure that a message is open and has room.
        let Some(message) = &mut self.message else {
            return Err(Fault::NothingToContinue);
        };
        if let Some(inflating) = &mut self.inflating {
            inflating.inflate(part, |inflated| message.append_inflated(inflated, max_message))?;
        } else {
            let most = if frame.fin { message.len() + part.len() + frame.remaining } else { max_message };
            message.append(part, most)?;
        }
        if frame.remaining > 0 || !frame.fin {
            return Ok(Stop::Starved);
        }
        let inflating = self.inflating.take();
        let compressed = inflating.is_some();
        inflating.map_or(Ok(()), Inflating::finish)?;
        message.finish()?;
        if let Some(deflate) = deflate.filter(|_| compressed) {
            deflate.remember(message.bytes());
        }
        self.over = true;
        Ok(Stop::Message)
    }

    /// Takes in a part of a control frame. `frame` already counts this part.
    fn take_control(&mut self, frame: &Payload, part: Range<usize>, input: &[u8]) -> Result<Stop, Fault> {
        let complete = frame.remaining == 0;
        if complete {
            self.over = self.message.is_none();
            if self.control_len == 0 {
                return Ok(Stop::ControlInPlace(frame.opcode, part));
            }
        }
        let end = self.control_len + part.len();
        self.control[self.control_len..end].copy_from_slice(&input[part]);
        self.control_len = end;
        if complete {
            return Ok(Stop::ControlStored(frame.opcode));
        }
        if frame.opcode == Opcode::Close {
            close::check_start(&self.control[..end])?;
        }
        Ok(Stop::Starved)
    }
}
