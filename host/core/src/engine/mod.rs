//! Engines: safe calls into their tables, and what the host keeps and does for each.
//!
//! Knows nothing of sockets or frames: a client is a handle here.

// The boundary; plugin-api's `abi` module says what crosses it.
#![allow(unsafe_code)]

mod client_table;
mod generation;
mod guard;
mod handover;
mod host_table;
mod instance;
pub mod keepalive;
mod metric_table;
pub mod metrics;
mod notice;
mod object;
pub mod panics;
mod services;
pub mod timers;

pub use handover::{Handover, Schema};
pub use instance::{Answer, CallbackResult, Config, Instance, NotMade, Session, Template, Unborn, called_for};
pub use notice::{Audience, Client, Notice};
pub use object::{EngineFailure, Event, Job};
pub use services::Facilities;
