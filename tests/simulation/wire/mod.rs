//! The client's side of RFC 6455 and 7692, which shares nothing with the core's: frames out, and every byte that comes checked.

mod frames;
mod payload;
mod reader;

pub use frames::{Frame, Opcode};
pub use payload::{Kind, Payload};
pub use reader::{Read, Reader};
