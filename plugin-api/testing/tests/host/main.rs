//! The test kit shows what the core does, and tells a test what it wants to know.
//!
//! `tests/behaviour` says what the server does over sockets; it is the same code.

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
mod swaps;
mod time;
mod wire;
