//! The host's side of the boundary: the raw calls, in both directions.
//!
//! **Invariant:** the only `unsafe` of [`testing`](super). Everything else in it sees the safe types of this module.

mod client_table;
mod host_table;
mod instance;
mod object;

pub(super) use client_table::give;
pub(super) use host_table::host;
pub(super) use instance::{Answer, Called, Instance, Session};
pub(super) use object::{Event, Job, TimerJob};
