//! A plugin in a child process: the child's steps, and its reports on them.
//!
//! Knows neither the server, nor clients, nor a runtime: it waits with threads, in the system's time.
//!
//! | file | subject |
//! |---|---|
//! | `findings` | the steps, and the messages of the two processes about them |
//! | `subject` | the child, as its parent sees it: started, listened to, ended |
//! | `rehearse` | a server's plugin in such a child, before the server opens it |

pub(crate) mod findings;
mod rehearse;
pub(crate) mod subject;

pub(crate) use rehearse::{Extent, Unfit};
pub(crate) use rehearse::{LONGEST, rehearse};
