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

/// The engine reaches these from any thread, by pointers that the compiler does not look behind.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<super::remote::Remote>();
    shared::<super::services::Services>();
    shared::<super::metrics::Metric>();
};
