//! Engines: safe calls into their tables, and the host's state and services for each.
//!
//! `plugin_api::hosting` makes the calls themselves. This knows nothing of sockets: a client is a handle here. It knows
//! neither runtime nor threads, but gets [`Facilities`].
//!
//! | file | subject |
//! |---|---|
//! | `boundary` | how the core calls engines, and on which threads it drops things |
//! | `instance` | an engine's instance before it is made, and the core's data for it |
//! | `client`, `services` | the functions of a client and of the host that engines call |
//! | `notice`, `step` | notices that a client carries to its connection: events, and steps of a swap |
//! | `object` | jobs and events, counted as work that is under way |
//! | `timers`, `metrics`, `panics`, `keepalive` | the host's state for an engine, one subject each |

mod boundary;
mod client;
mod instance;
pub(crate) mod keepalive;
pub mod metrics;
mod notice;
mod object;
pub(crate) mod panics;
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
