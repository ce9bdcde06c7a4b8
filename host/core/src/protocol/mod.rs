//! The server's side of RFC 6455 after the handshake, sans-IO: bytes and `Instant`s in, events and bytes out. It
//! includes the compression of messages (RFC 7692) and its negotiation.
//!
//! [`Receiver`] turns a client's bytes into messages; [`WriteBuffer`] keeps the frames that go back to the client.
//! Neither knows a socket, a clock, a runtime or an engine, and neither answers by itself: the connection sends the
//! pong to a ping and the close frame after a [`Fault`].
//!
//! | file | subject |
//! |---|---|
//! | `frame`, `mask`, `utf8`, `close` | headers, unmasking, text that comes in parts, close codes |
//! | `message`, `progress`, `assembly` | bytes to messages; the rest of a read; messages in pieces |
//! | `encode`, `write_buffer` | server frames; the frames that wait for the socket |
//! | `deflate/` | compression: its negotiation, and both directions |
//! | `fault` | the faults of a client, and the close code for each |

pub mod close;
pub mod deflate;

mod assembly;
mod encode;
mod fault;
mod frame;
mod mask;
mod message;
mod progress;
mod utf8;
mod write_buffer;

#[cfg(test)]
mod tests;

pub use encode::{encode, encode_close, encoded_length, is_compressed};
pub use fault::Fault;
pub(crate) use frame::MAX_CONTROL;
pub use frame::Opcode;
pub use message::{Limits, Received, Receiver};
pub use progress::give_back;
pub use write_buffer::WriteBuffer;

/// Uses the calling thread's thread-locals that messages may need, see [`crate::touch_thread_locals`].
pub fn touch() {
    progress::touch();
    deflate::touch();
}
