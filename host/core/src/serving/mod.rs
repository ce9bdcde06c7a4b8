//! Engines under paths, and how one generation of an engine follows on another.
//!
//! `admission` asks an engine whether a client may connect, `mount` has the engine of a path and the gate through which
//! its connections open, `newborn` makes an engine, and `swap/` puts the next generation in its place.
//!
//! Knows no connection: a swap tells clients its steps, which they carry. It waits in the runtime's time, and what may
//! block runs on threads that it gets from [`Executor`](crate::executor::Executor).

pub mod admission;
pub mod mount;
pub mod newborn;
pub mod swap;
