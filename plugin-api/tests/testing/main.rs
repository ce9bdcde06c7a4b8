//! The in-memory host behaves as the real one, and tells a test what it wants to know.
//!
//! `tests/behaviour` says what the real host does, over sockets; the rules here are the same.

mod backlog;
mod endings;
mod failures;
mod handles;
mod handshake;
mod jobs;
mod messages;
mod misuse;
mod probe;
mod records;
mod time;
