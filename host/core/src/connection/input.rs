//! Input: decides whether to read, and turns bytes into callbacks of the engine.

use super::allowance::Allowance;
use super::stage::{Input, Stage};
use super::swapping::Swap;
use super::{Connection, Shared};
use crate::client::Closing;
use crate::clock;
use crate::connection::wire::Wire;
use crate::protocol::Received;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;

/// If more than this, or more than half the backlog's limit, waits for the socket, nothing more is read or answered. So
/// TCP slows down a peer that does not read its replies before its backlog is full.
const PAUSE_READING_ABOVE: usize = 1024 * 1024;
/// If a batch grows beyond this many bytes, it is offered to the socket before more messages of the same read are
/// answered. So the backlog is what the socket does not take, and not the answer to one read.
const WRITE_ABOVE: usize = 256 * 1024;
/// The least that a read may bring, however small the backlog's limit.
const LEAST_READ: usize = 512;
/// The least that a read may bring, however long the previous one took to answer.
const LEAST_HEAVY_READ: usize = 64 * 1024;

/// The rest of a read that a turn had no time for.
#[derive(Debug)]
pub(super) struct Unanswered {
    bytes: Box<[u8]>,
    answered: usize,
    /// When it was read.
    at: Instant,
}

impl Unanswered {
    /// Returns `None` if there are no bytes.
    pub(super) fn new(bytes: &[u8], at: Instant) -> Option<Box<Unanswered>> {
        (!bytes.is_empty()).then(|| Box::new(Unanswered { bytes: bytes.into(), answered: 0, at }))
    }

    /// For so long, nothing was answered by our own choice.
    pub(super) fn put_off(&mut self, by: Duration) {
        self.at = self.at.checked_add(by).unwrap_or(self.at);
    }
}

impl<S: Wire> Connection<S> {
    pub(super) fn wants_to_read(&self, cx: &Context<'_>) -> bool {
        match self.stage {
            Stage::Open if self.swap != Swap::None => false,
            Stage::Open => self.batch.as_ref().is_some_and(|batch| {
                let pause = batch.paused || batch.write.len() > self.pause_above() || self.has_too_many_jobs(cx);
                batch.close_written || !pause
            }),
            // If a peer keeps sending and reads nothing, the host must still notice when it goes.
            Stage::Flushing(Input::Anything | Input::End) | Stage::Lingering => true,
            Stage::Flushing(Input::Nothing) | Stage::Over => false,
        }
    }

    fn pause_above(&self) -> usize {
        PAUSE_READING_ABOVE.min(self.client.outbox().limit() / 2)
    }

    pub(super) fn has_too_many_jobs(&self, cx: &Context<'_>) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.is_full(cx.waker()))
    }

    /// Continues with the rest of an earlier read, or reads. Returns how many bytes there were.
    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        allowance: &mut Allowance,
    ) -> Poll<io::Result<usize>> {
        if let Some(mut unanswered) = self.unanswered.take() {
            allowance.begin(clock::now());
            let Unanswered { bytes, answered, at } = &mut *unanswered;
            let count = bytes.len() - *answered;
            if self.stage == Stage::Open {
                *answered += self.answer(&mut bytes[*answered..], *at, cx, allowance)?;
                if *answered < bytes.len() {
                    self.unanswered = Some(unanswered);
                }
            }
            return Poll::Ready(Ok(count));
        }
        let mut buffer = shared.read_buffer.borrow_mut();
        // All of this read is answered before the room for answers is checked again.
        let most = buffer.len().min((self.client.outbox().limit() / 2).max(LEAST_READ));
        let most = most.min(self.read_at_most as usize);
        let mut read = ReadBuf::new(&mut buffer[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let count = read.filled().len();
        let now = clock::now();
        allowance.begin(now);
        if count > 0 && self.stage == Stage::Open {
            self.note_life(now);
            let time = shared.deadlines.borrow().time(now);
            let answered = self.answer(&mut buffer[..count], time, cx, allowance)?;
            self.unanswered = Unanswered::new(&buffer[answered..count], time);
            self.adapt_reads(most, count, answered);
        } else {
            allowance.note(count);
        }
        Poll::Ready(Ok(count))
    }

    /// Makes the next read bring about as much as one turn can answer, if that is far less than this read brought: the
    /// rest of a read takes memory of the connection's own.
    fn adapt_reads(&mut self, most: usize, count: usize, answered: usize) {
        let next = match () {
            () if answered < count / 4 => (2 * answered).max(LEAST_HEAVY_READ),
            () if count == most => most.saturating_mul(2),
            () => return,
        };
        self.read_at_most = u32::try_from(next).unwrap_or(u32::MAX);
    }

    /// Passes the bytes of a read to the engine. Long answers go to the socket in between. Returns how many bytes were
    /// answered: not all if the turn takes too long, or if too many answers wait for the socket.
    fn answer(
        &mut self,
        input: &mut [u8],
        at: Instant,
        cx: &mut Context<'_>,
        allowance: &mut Allowance,
    ) -> io::Result<usize> {
        let mut answered = 0;
        loop {
            self.with_batch(|connection| {
                answered += connection.receive(&mut input[answered..], at, allowance);
                if answered == input.len() {
                    connection.callback(|session, client| session.on_read_complete(client));
                }
            });
            if self.stage != Stage::Open {
                return Ok(input.len());
            }
            if answered == input.len() || allowance.is_spent() {
                return Ok(answered);
            }
            self.write(cx)?;
            if allowance.look() || self.unwritten() > self.pause_above() {
                return Ok(answered);
            }
        }
    }

    /// Passes the messages in `input` to the engine, unless the batch grows large or the turn takes too long. Returns
    /// how many bytes were used. The receiver's last call, possibly without input, lets it free the memory of an
    /// assembled message.
    fn receive(&mut self, input: &mut [u8], at: Instant, allowance: &mut Allowance) -> usize {
        let mut done = 0;
        let most = WRITE_ABOVE.min(self.client.outbox().limit() / 2);
        while self.stage == Stage::Open {
            let Some(session) = &mut self.session else { break };
            let client = &self.client;
            let left = input.len() - done;
            let (used, size, called) = match self.receiver.receive(at, &mut input[done..]) {
                Err(fault) => {
                    self.peer_fault(&fault);
                    break;
                }
                Ok((used, None)) if used == left => {
                    if used > 0 {
                        allowance.note_part(used);
                    }
                    break;
                }
                // The receiver has done much work without an event.
                Ok((used, None)) => {
                    done += used;
                    if allowance.look() {
                        return done;
                    }
                    continue;
                }
                Ok((used, Some(Received::Close { code, reason }))) => {
                    self.code = code;
                    self.stage = Stage::Flushing(Input::End);
                    let answers_ours = client.closing() >= Closing::Sent;
                    client.outbox().note_close_received();
                    (used, 0, if answers_ours { Ok(None) } else { session.on_close(client, code, reason) })
                }
                // After our own close frame, only the peer's close frame matters.
                Ok((used, Some(_))) if client.closing() >= Closing::Sent => (used, used, Ok(None)),
                Ok((used, Some(Received::Text(text)))) => (used, text.len(), session.on_text(client, text)),
                Ok((used, Some(Received::Binary(data)))) => (used, data.len(), session.on_binary(client, data)),
                Ok((used, Some(Received::Ping(data)))) => (used, 0, session.on_ping(client, data)),
                Ok((used, Some(Received::Pong(data)))) => (used, 0, session.on_pong(client, data)),
            };
            self.finish(called);
            done += used;
            let spent = allowance.note(size);
            let enough = spent && !self.receiver.only_copies(&input[done..]);
            if done < input.len() && (enough || self.client.outbox().batched() > most) {
                return done;
            }
        }
        input.len()
    }

    /// Handles the end of the input. If the peer knows of the connection's end, it may still read the queued data.
    pub(super) fn end_of_input(&mut self) {
        let may_read = matches!(self.stage, Stage::Flushing(_)) && self.unwritten() > 0;
        self.stage = if may_read { Stage::Flushing(Input::Nothing) } else { Stage::Over };
    }
}
