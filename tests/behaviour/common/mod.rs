//! The harness: artefacts built once, a host as a child process, clients.

mod artefacts;
mod client;
mod host;

pub(crate) use artefacts::{Artefacts, artefacts, build, workspace};
pub(crate) use client::{Client, Raw, ask, closed_with, connect, frame, hear, say, try_connect};
pub(crate) use host::Host;

use std::time::Duration;

/// How long a condition may take: far longer than it does, since a loaded machine is no failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
