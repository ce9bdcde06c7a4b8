//! `wshost check`: leads an engine through its whole life and tells how each step went.
//!
//! The engine's code runs in a child process of this same program, which reports through a pipe which step begins and
//! how it ended. So a crash, a hang or an `exit()` of the engine is a finding like any other, and belongs to a step.
//! The checking process itself opens no library. The child serves the engine as any wshost does, with `server`.
//! Knows no connection from within: the guest is a client over a socket.
//!
//! | file | subject |
//! |---|---|
//! | `args`, `command` | the command line, and the story of the checking process |
//! | `inherited` | in the child: closes the descriptors that it inherited by accident |
//! | `life`, `guest` | in the child: an engine from being opened to its end, and the client that visits it |
//! | `journal` | in the child: reports what happens, including the log |
//! | `report`, `table` | the findings, for machines and for people |

mod args;
mod command;
mod guest;
mod inherited;
mod journal;
mod life;
mod report;
mod table;

pub(crate) use args::CheckArgs;
pub use command::check;
