//! Engines: loading the library, and safe calls into what it holds.
//!
//! Owns every `unsafe` of the host. Knows nothing of sockets, frames or tokio: a client is a handle here.

// The boundary; plugin-api's `abi` module says what crosses it.
#![allow(unsafe_code)]

mod beside;
mod build;
mod client_table;
mod fingerprint;
mod generation;
mod guard;
mod handover;
mod host_table;
mod image;
mod instance;
mod library;
mod metric_table;
mod object;
mod opening;
mod revision;
mod segments;
mod services;
mod staged;
mod thread_storage;
mod wholeness;

pub use build::Build;
pub use fingerprint::Fingerprint;
pub use handover::{Handover, Schema};
pub use image::Image;
pub use instance::{Answer, CallbackResult, Config, Instance, NotMade, Session, Template, Unborn};
pub use library::{LoadError, Plugin, find};
pub use object::{EngineFailure, Event, Job};
pub use opening::NotOpened;
pub(crate) use opening::{check as check_opening, open};
pub use services::Facilities;
pub use staged::Staged;
