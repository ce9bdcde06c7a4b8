//! What comes in: whether to read, and from bytes to the engine's callbacks.

use super::swapping::Swap;
use super::{Connection, Shared, Stage};
use crate::client::Closing;
use crate::protocol::Received;
use crate::wire::Wire;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::ReadBuf;

/// Nothing more is read while more than half the backlog's limit, and more than this, waits for the socket: a peer that
/// does not read its replies is slowed down by TCP before its backlog is full.
const PAUSE_READING_ABOVE: usize = 1024 * 1024;
/// So much of a batch is offered to the socket before more messages of the same read are answered. The backlog is what
/// the socket does not take, not what one read is answered with.
const WRITE_ABOVE: usize = 256 * 1024;
/// What one read may bring, however small the backlog's limit.
const LEAST_READ: usize = 512;

impl<S: Wire> Connection<S> {
    pub(super) fn wants_to_read(&self, cx: &Context<'_>) -> bool {
        match self.stage {
            Stage::Open if self.swap != Swap::None => false,
            Stage::Open => self.batch.as_ref().is_some_and(|batch| {
                let most = PAUSE_READING_ABOVE.min(self.client.outbox().limit() / 2);
                let pause = batch.paused || batch.write.len() > most || self.has_too_many_jobs(cx);
                batch.close_written || !pause
            }),
            // A peer that sends on and reads nothing must still be noticed when it goes.
            Stage::Flushing | Stage::Lingering => !self.input_ended,
            Stage::Over => false,
        }
    }

    pub(super) fn has_too_many_jobs(&self, cx: &Context<'_>) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.is_full(cx.waker()))
    }

    pub(super) fn read(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<io::Result<usize>> {
        let mut buffer = shared.read_buffer.borrow_mut();
        // What is read is answered before it is looked at whether there is room for more answers.
        let most = buffer.len().min((self.client.outbox().limit() / 2).max(LEAST_READ));
        let mut read = ReadBuf::new(&mut buffer[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let count = read.filled().len();
        if count > 0 && self.stage == Stage::Open {
            let now = Instant::now();
            self.client.touch(now);
            self.answer(&mut buffer[..count], now, cx)?;
        }
        Poll::Ready(Ok(count))
    }

    /// Hands what one read brought to the engine, and where it is answered with much, the answers to the socket in
    /// between.
    pub(super) fn answer(&mut self, mut input: &mut [u8], now: Instant, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            let mut used = 0;
            self.with_batch(|connection| {
                used = connection.receive(input, now);
                if used == input.len() {
                    connection.callback(|instance, client, session| instance.on_read_complete(client, session));
                }
            });
            if used == input.len() || self.stage != Stage::Open {
                return Ok(());
            }
            input = &mut input[used..];
            self.write(cx)?;
        }
    }

    /// Hands messages in `input` to the engine, all of them unless the batch grows large. Returns how much was used.
    /// The last call of the receiver, for which nothing may be left, lets it give back the memory of an assembled
    /// message.
    pub(super) fn receive(&mut self, input: &mut [u8], now: Instant) -> usize {
        let mut done = 0;
        let most = WRITE_ABOVE.min(self.client.outbox().limit() / 2);
        while self.stage == Stage::Open {
            let Some(session) = &mut self.session else { break };
            let (client, instance) = (&self.client, &self.instance);
            let (used, called) = match self.receiver.receive(now, &mut input[done..]) {
                Err(fault) => {
                    self.peer_fault(&fault);
                    break;
                }
                Ok((_, None)) => break,
                Ok((used, Some(Received::Close { code, reason }))) => {
                    self.code = code;
                    self.stage = Stage::Flushing;
                    self.close_received = true;
                    let answers_ours = client.closing() >= Closing::Sent;
                    client.outbox().note_close_received();
                    (used, if answers_ours { Ok(None) } else { instance.on_close(client, session, code, reason) })
                }
                // After our own close frame only the peer's is of interest.
                Ok((used, Some(_))) if client.closing() >= Closing::Sent => (used, Ok(None)),
                Ok((used, Some(Received::Text(text)))) => (used, instance.on_text(client, session, text)),
                Ok((used, Some(Received::Binary(data)))) => (used, instance.on_binary(client, session, data)),
                Ok((used, Some(Received::Ping(data)))) => (used, instance.on_ping(client, session, data)),
                Ok((used, Some(Received::Pong(data)))) => (used, instance.on_pong(client, session, data)),
            };
            self.finish(called);
            done += used;
            if done < input.len() && self.client.outbox().batched() > most {
                return done;
            }
        }
        input.len()
    }

    /// The peer sends nothing more. Where it has said goodbye before, it may still read what is queued.
    pub(super) fn end_of_input(&mut self) {
        self.input_ended = true;
        if self.stage != Stage::Flushing || self.unwritten() == 0 {
            self.stage = Stage::Over;
        }
    }
}
