//! The last line of a process that ends by the fault of an engine: by a signal, or by `exit`.
//!
//! It names the engine, the call that it was in and for whom, as far as that is known, and what to look at. What the thread
//! is in is noted by `calls`; what it has panicked with by `panics`. `_exit`, `quick_exit` and SIGKILL
//! cannot be seen from here.
//!
//! A signal's handler may do next to nothing: no allocation, no lock, nothing of Rust's that has one. It formats into
//! memory that is there, and writes with `write`. Then the signal does what it does by default, so that core dumps and the
//! exit status are those of a crash.
//!
//! Knows nothing of frames: whom a call was for is a number and an address.
//!
//! | file | subject |
//! |---|---|
//! | `handlers` | what is called at a crash and at `exit`, and what it writes to |
//! | `tell`, `line` | what the line says; the line, in memory that is there from the start |
//! | `panics`, `code` | what a thread has panicked with; where the code of engines lies |
//! | `process` | the memory of this process, and the names of its threads, as the system knows them |

mod code;
mod handlers;
mod line;
mod panics;
mod process;
mod tell;

pub(crate) use handlers::end;
pub use handlers::{AfterExit, attribute};
