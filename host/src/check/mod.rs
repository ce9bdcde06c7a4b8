//! `wshost check`: leads an engine through its whole life and tells how each step went.
//!
//! What runs an engine's code runs in a child process, this same program, which tells through a pipe what it begins and
//! how that ended. So a crash, a hang or an `exit()` of the engine is a finding like others, and has the name of a step.
//! The checking process itself opens no library. The child serves the engine as any wshost does, with `server`.
//!
//! | file | subject |
//! |---|---|
//! | `args`, `command` | the command line, and the story of the checking process |
//! | `inherited` | in the child: what it closes of its parent's |
//! | `life`, `guest` | in the child: an engine from being opened to its end, and the client that visits it |
//! | `journal` | in the child: tells what happens, the log included |
//! | `report`, `table` | what was found, for machines and for people |

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
