//! Output: decides when to write, and knows how much waits.

use super::stage::{Input, Stage};
use super::swapping::Swap;
use super::{Connection, Shared};
use crate::connection::wire::Wire;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long TCP is kept for a peer that has said goodbye and should send nothing more.
const LINGER: Duration = Duration::from_millis(500);

impl<S: Wire> Connection<S> {
    /// Whether the backlog has fallen below half its limit, after it was above or a message was refused.
    pub(super) fn has_drained(&mut self) -> bool {
        let outbox = self.client.outbox();
        // The cost of keeping the bytes counts as well, since messages are refused for it.
        let above_half = self.cost() > outbox.limit() / 2;
        self.above_half |= above_half | outbox.take_refused();
        let drained = self.above_half && !above_half && self.stage == Stage::Open && self.swap == Swap::None;
        self.above_half &= !drained;
        drained
    }

    /// Whether it is time to write: always, unless reads are preferred.
    pub(super) fn may_write(&mut self, cx: &Context<'_>, shared: &Shared) -> bool {
        match shared.prefer_read {
            Some(longest) if self.stage == Stage::Open && self.unwritten() > 0 => {
                self.write_turn.has_come(longest, cx.waker())
            }
            _ => true,
        }
    }

    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        while !batch.write.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let offered = match batch.write.unwritten() {
                [frames, [], []] => stream.poll_write(cx, frames),
                parts => stream.poll_write_vectored(cx, &parts.map(IoSlice::new)),
            };
            match offered {
                Poll::Pending => {
                    batch.blocked = true;
                    return Ok(());
                }
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    batch.write.advance(written);
                    batch.unblocked();
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if let Stage::Flushing(input) = self.stage
            && batch.close_written
            && let Poll::Ready(shut) = Pin::new(&mut self.stream).poll_shutdown(cx)
        {
            shut?;
            self.stage = if input == Input::Nothing { Stage::Over } else { Stage::Lingering };
            if input == Input::End {
                self.close_deadline = Some(self.time() + LINGER);
            }
        }
        Ok(())
    }

    /// The number that counts towards the backlog's limit.
    pub(super) fn cost(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.cost())
    }

    pub(super) fn unwritten(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.write.len())
    }
}
