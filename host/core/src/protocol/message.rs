//! The receiving half of a connection: bytes in, messages and control frames out.
//!
//! It owns the rest of a read that ends inside a frame or a message. It answers nothing: the connection sends pongs and
//! close frames.

use std::time::{Duration, Instant};

use super::deflate::{Agreed, Incoming};
use super::frame::{Context, Header};
use super::progress::{Progress, Stop};
use super::{Fault, Opcode, close, mask, utf8};

/// The cost limits of one message.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of a message after its fragments are joined and it is inflated. A connection holds about as many
    /// bytes as have arrived of its unfinished message, at most this many. Many slow clients can claim this much each.
    pub max_message: usize,
    /// How long a message may take on the wire from its first byte to its last. A large value lets clients keep the
    /// memory that they have claimed for longer.
    pub assembly_timeout: Duration,
}

/// A message or control frame from the client.
#[derive(Debug, PartialEq)]
pub enum Received<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// The client's last frame. Everything after it is ignored.
    Close {
        /// The client's close code, or [`close::NO_STATUS`] if it gave none.
        code: u16,
        /// The client's reason, often empty.
        reason: &'a str,
    },
}

/// The receiving half of one server connection.
///
/// It holds no heap memory unless a frame or message is unfinished. If messages may be compressed, it also keeps the
/// bytes that compressed messages may refer to.
#[derive(Debug)]
pub struct Receiver {
    limits: Limits,
    /// The unfinished frame or message; `None` between messages, when the next frame can be taken directly from the
    /// input.
    progress: Option<Box<Progress>>,
    /// Whether messages may be compressed, and the state for that.
    deflate: Option<Box<Incoming>>,
    /// A close frame or a fault has ended the conversation.
    ended: bool,
}

impl Receiver {
    /// A receiver at the start of a connection, behind the handshake.
    pub fn new(limits: Limits) -> Receiver {
        Receiver { limits, progress: None, deflate: None, ended: false }
    }

    /// A receiver at the start of a connection on which compression was agreed on.
    pub(crate) fn with_deflate(limits: Limits, agreed: Agreed) -> Receiver {
        Receiver { deflate: Some(Box::new(Incoming::new(agreed.client))), ..Receiver::new(limits) }
    }

    /// Consumes from the front of `input`, unmasking in place, up to and including the next event. Returns the bytes
    /// consumed and the event.
    ///
    /// If there is no event and all of `input` is consumed, more input is needed. Unfinished headers and payloads are
    /// kept inside, and `input` is free again. Call it until then, even with no input left, since the call after an
    /// event gives back the memory that the event borrowed.
    ///
    /// If there is no event and less is consumed, the receiver has done much work, such as joining many fragments, and
    /// the caller may want to do something else before it goes on.
    ///
    /// After [`Received::Close`] or a fault, everything is consumed without an event.
    ///
    /// # Errors
    /// The client's fault, at the first byte that shows it.
    #[inline]
    pub fn receive<'a>(
        &'a mut self,
        now: Instant,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<Received<'a>>), Fault> {
        if self.progress.is_some() || self.ended {
            return self.resume(now, input);
        }
        let deflate = self.deflate.is_some();
        let context = Context { assembled: None, max_message: self.limits.max_message, deflate };
        match Header::parse(input, context) {
            Ok(Some(header)) if header.fin && header.length <= input.len() - header.size && !header.compressed => {
                let end = header.size + header.length;
                let payload = &mut input[header.size..end];
                mask::unmask(payload, header.key);
                let event = whole_frame(header.opcode, payload);
                self.ended = matches!(event, Ok(Received::Close { .. }) | Err(_));
                Ok((end, Some(event?)))
            }
            Ok(None) if input.is_empty() => Ok((0, None)),
            Ok(_) => self.begin(now, input),
            Err(fault) => Err(self.end(fault)),
        }
    }

    /// Whether `input` ends within its first frame, so that receiving it costs no more than storing it elsewhere.
    pub(crate) fn only_copies(&self, input: &[u8]) -> bool {
        match &self.progress {
            _ if self.ended => true,
            Some(progress) if !progress.is_over() => progress.only_copies(input.len()),
            _ => {
                let deflate = self.deflate.is_some();
                let context = Context { assembled: None, max_message: self.limits.max_message, deflate };
                match Header::parse(input, context) {
                    Ok(Some(header)) => !header.compressed && header.length > input.len() - header.size,
                    Ok(None) => true,
                    Err(_) => false,
                }
            }
        }
    }

    /// When the frame or message in progress must be finished; `None` if there is none.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.progress {
            Some(progress) if !progress.is_over() && !self.ended => progress.deadline(),
            _ => None,
        }
    }

    /// Moves the deadline back by time in which nothing was read.
    pub fn put_off(&mut self, by: Duration) {
        if let Some(progress) = &mut self.progress {
            progress.put_off(by);
        }
    }

    /// Call this when [`Receiver::deadline`] has come and all earlier input has been read. It is harmless at any other
    /// time.
    ///
    /// # Errors
    /// [`Fault::AssemblyTimeout`] if something is unfinished at its deadline.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault> {
        match self.deadline() {
            Some(deadline) if now >= deadline => Err(self.end(Fault::AssemblyTimeout)),
            _ => Ok(()),
        }
    }

    /// Bytes of heap for unfinished input, for the last event, and for the data that compressed messages may refer to.
    pub fn held(&self) -> usize {
        let deflate = self.deflate.as_ref().map_or(0, |deflate| size_of::<Incoming>() + deflate.held());
        deflate + self.progress.as_ref().map_or(0, |progress| progress.held())
    }

    /// Continues the previous call.
    fn resume<'a>(&'a mut self, now: Instant, input: &'a mut [u8]) -> Result<(usize, Option<Received<'a>>), Fault> {
        if self.ended {
            self.progress = None;
            // RFC 6455 section 1.4: behind a close frame "a peer discards any further data received"; section 7.1.7:
            // an endpoint that fails the connection "MUST NOT continue to attempt to process data".
            return Ok((input.len(), None));
        }
        if let Some(over) = self.progress.take_if(|progress| progress.is_over()) {
            over.recycle();
            return self.receive(now, input);
        }
        self.advance(now, input)
    }

    /// Begins with a frame that is incomplete, compressed, or only a part of its message.
    fn begin<'a>(&'a mut self, now: Instant, input: &'a mut [u8]) -> Result<(usize, Option<Received<'a>>), Fault> {
        self.progress = Some(Progress::begin(now.checked_add(self.limits.assembly_timeout)));
        self.advance(now, input)
    }

    fn advance<'a>(&'a mut self, now: Instant, input: &'a mut [u8]) -> Result<(usize, Option<Received<'a>>), Fault> {
        let Some(progress) = &mut self.progress else {
            return Ok((0, None));
        };
        let (consumed, step) = match progress.advance(input, self.limits.max_message, self.deflate.as_deref_mut()) {
            Ok(done) => done,
            Err(fault) => return Err(self.end(fault)),
        };
        if step == Stop::Starved {
            self.end_overdue(now)?;
            return Ok((consumed, None));
        }
        let Some(progress) = &self.progress else {
            return Ok((consumed, None));
        };
        let event = progress.event(step, input);
        self.ended = matches!(event, Ok(Some(Received::Close { .. })) | Err(_));
        Ok((consumed, event?))
    }

    /// A client that never pauses never lets the caller read everything, so it gets as much time again.
    fn end_overdue(&mut self, now: Instant) -> Result<(), Fault> {
        let overdue =
            |deadline: Instant| deadline.checked_add(self.limits.assembly_timeout).is_some_and(|end| now >= end);
        if self.deadline().is_some_and(overdue) { Err(self.end(Fault::AssemblyTimeout)) } else { Ok(()) }
    }

    /// Ends the conversation.
    #[cold]
    fn end(&mut self, fault: Fault) -> Fault {
        self.progress = None;
        self.ended = true;
        fault
    }
}

/// The event of a frame that stands alone.
#[inline]
pub(super) fn whole_frame(opcode: Opcode, payload: &[u8]) -> Result<Received<'_>, Fault> {
    Ok(match opcode {
        Opcode::Text => Received::Text(utf8::check(payload)?),
        Opcode::Binary | Opcode::Continuation => Received::Binary(payload),
        Opcode::Ping => Received::Ping(payload),
        Opcode::Pong => Received::Pong(payload),
        Opcode::Close => {
            let (code, reason) = close::parse(payload)?;
            Received::Close { code, reason }
        }
    })
}
