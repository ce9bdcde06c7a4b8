//! Handles of the host's objects: the host itself, clients and their groups, timers, and messages in parts.
//!
//! Each calls the host's functions through a table of `abi`. They know neither engines nor their exports.

pub(crate) mod client;
mod fragments;
pub(crate) mod group;
mod host;
pub(crate) mod timer;

pub use client::{Client, ClientId, Sent, State};
pub use fragments::Fragments;
pub use group::Group;
pub use host::Host;
pub use timer::Timer;
