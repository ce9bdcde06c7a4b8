//! Engines: safe calls into their tables, and what the host keeps and does for each.
//!
//! Knows nothing of sockets or frames: a client is a handle here.

mod boundary;
mod client;
mod instance;
pub mod keepalive;
pub mod metrics;
mod notice;
mod object;
pub mod panics;
mod services;
mod step;
pub mod timers;

pub use boundary::{Admission, CallbackResult, Core, Handover, Instance, Schema, Session};
pub use instance::{Attached, Config, Unborn};
pub use notice::{Audience, Client, Notice};
pub use object::{Event, Job};
pub use plugin_api::hosting::{EngineFailure, NotMade};
pub use services::{Facilities, Services};
pub(crate) use step::HandedIn;
pub use step::{Step, Ticket};
