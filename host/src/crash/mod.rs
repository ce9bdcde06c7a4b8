//! The last line of a process that ends by the fault of an engine: by a signal, or by `exit`.
//!
//! It names the engine, its call and that call's client, as far as they are known, and the place to look at. `calls`
//! notes the thread's call, and `panics` its panics. `_exit`, `quick_exit` and SIGKILL cannot be seen from here.
//!
//! A signal's handler may do next to nothing: no allocation, no lock, nothing of Rust's that has one. It formats into
//! memory that exists, and writes with `write`. Then the signal has its default effect, so that core dumps and the exit
//! status are those of a crash.
//!
//! It knows nothing of frames: the client of a call is a number and an address.
//!
//! | file | subject |
//! |---|---|
//! | `handlers` | the handlers for a crash and for `exit`, and their output |
//! | `tell`, `line` | the text of the line; the line, in memory that exists from the start |
//! | `panics`, `code` | the panics of a thread; the addresses of the engines' code |
//! | `process` | the memory of this process, and the names of its threads, as the system knows them |

mod code;
mod handlers;
mod line;
mod panics;
mod process;
mod tell;

pub(crate) use handlers::end;
pub use handlers::{AfterExit, attribute};
