//! The control socket: what an operator asks of a server while it runs, and both sides of it.
//!
//! A Unix socket on which every line is one JSON object: a request one way, its reply the other way, as often as the
//! client likes.
//!
//! ```text
//! {"command":"status"}                          {"status":{"version":"0.1.0","pid":4711, ...}}
//! {"command":"reload"}                          {"accepted":{"engine":"chat","version":"2.0.0","generation":3, ...}}
//! {"command":"reload","path":"/chat",           {"refused":{"reason":"...","exit_code":65}}
//!  "plugin":"/opt/libchat-2.so"}
//! anything else                                 {"error":"..."}
//! ```
//!
//! Only the user of the server and root are answered. All of it runs beside the event loops, never on one.

mod args;
mod ask;
mod commands;
mod library_memory;
mod line;
mod peer;
mod place;
mod protocol;
mod reload;
mod socket;
mod status;
mod text;

pub(crate) use args::{ReloadArgs, StatusArgs};
pub use commands::{reload, status};
pub(crate) use place::ControlArg;
pub(crate) use socket::ControlSocket;
