//! The control socket, through which an operator talks to a running server: both sides of it.
//!
//! It is a Unix socket on which every line is one JSON object. Each request gets one reply, as often as the client
//! likes.
//!
//! ```text
//! {"command":"status"}                          {"status":{"version":"0.1.0","pid":4711, ...}}
//! {"command":"reload"}                          {"accepted":{"engine":"chat","version":"2.0.0","generation":3, ...}}
//! {"command":"reload","path":"/chat",           {"refused":{"reason":"...","exit_code":65}}
//!  "plugin":"/opt/libchat-2.so"}
//! anything else                                 {"error":"..."}
//! ```
//!
//! Only the user of the server and root get answers. None of this runs on an event loop. Reloads run on threads of their
//! own, and go on if their client hangs up. One reload per engine goes on at a time, and the next is refused. While the
//! server drains, it still tells its status. Names in replies are stable, since programs rely on them.
//!
//! Knows neither frames nor connections of clients.
//!
//! | file | subject |
//! |---|---|
//! | `protocol`, `line` | requests and replies; lines within limits of length and time |
//! | `place` | where sockets are, and whose the folder must be |
//! | `socket`, `peer` | the server's side: connections, who may ask, requests to replies |
//! | `reload`, `status`, `library_memory` | the answers; what mapped libraries take |
//! | `args`, `ask`, `commands`, `text` | the client's side: options, which server, the subcommands, replies for people |

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
