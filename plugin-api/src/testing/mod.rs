//! Tests engines without sockets: an in-memory host, for an engine's own `cargo test`. With the feature `testing`.
//!
//! In the engine's `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! plugin-api = { version = "1", features = ["testing"] }
//! ```
//!
//! In the engine's crate, such as in a `mod tests` of its own:
//!
//! ```
//! use plugin_api::prelude::*;
//! use plugin_api::testing::{Message, NOTHING, TestHost};
//!
//! struct Shout {
//!     shouted: Counter,
//! }
//!
//! impl Engine for Shout {
//!     type Session = ();
//!
//!     fn new(host: Host, _: &Config) -> Result<Self> {
//!         Ok(Shout { shouted: host.counter("shouted", &[]) })
//!     }
//!
//!     fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
//!         if text.is_empty() {
//!             client.close(close_code::POLICY, "say something");
//!             return None;
//!         }
//!         self.shouted.increment(1);
//!         let (client, text) = (client.clone(), text.to_owned());
//!         Some(Box::new(move || {
//!             client.send_text(&text.to_uppercase());
//!         }))
//!     }
//! }
//!
//! // #[test]
//! fn shouts_in_a_job() {
//!     let host = TestHost::new::<Shout>();
//!     let alice = host.connect("/?name=alice");
//!     alice.text("hello");
//!     assert_eq!(alice.received(), NOTHING);
//!     host.run_jobs();
//!     assert_eq!(alice.received(), ["HELLO"]);
//!     assert_eq!(host.counter("shouted", &[]), 1);
//! }
//!
//! // #[test]
//! fn closes_who_says_nothing() {
//!     let host = TestHost::new::<Shout>();
//!     let alice = host.connect("/");
//!     alice.text("");
//!     assert_eq!(alice.received(), [Message::close(close_code::POLICY, "say something")]);
//!     assert_eq!(alice.state(), State::Closed);
//! }
//! # shouts_in_a_job();
//! # closes_who_says_nothing();
//! ```
//!
//! # What is real, and what is not
//!
//! The engine is called through the tables that a real host calls, with default bodies, containment of panics and all,
//! and by the same rules: order of frames, backlog, keepalive, closing. Not here: the protocol's bytes (what a client
//! sends is always valid, and of any size), threads (jobs run when the test says so, on its thread), and the watch over
//! callbacks that block. There are no sockets: a client that reads takes at once what is sent to it, or what its own
//! callbacks send when they have returned; one that does not takes not one byte.
//!
//! | to test | there is |
//! |---|---|
//! | the configuration | [`TestHost::with_config`], and [`TestHost::start`] for one that is refused |
//! | who may connect | [`TestHost::request`] with [`header`](Handshake::header), [`cookie`](Handshake::cookie) and the like, then [`offer`](Handshake::offer) |
//! | messages | [`TestClient::text`] and its like, [`TestClient::received`] |
//! | jobs, events from jobs | [`TestHost::run_jobs`], [`TestHost::run_job`] |
//! | timers, keepalive | [`TestHost::advance`], [`TestClient::fall_silent`] |
//! | clients that do not keep up | [`Options::max_backlog`], [`TestClient::stop_reading`], [`TestClient::start_reading`] |
//! | the end of a connection | [`TestClient::close`], [`TestClient::disconnect`], [`TestHost::shut_down`] |
//! | panics | [`TestHost::failures`] |
//! | metrics, log lines | [`TestHost::counter`] and its like, [`TestHost::logs`] |

mod boundary;
mod client;
mod connection;
mod handshake;
mod host;
mod jobs;
mod keepalive;
mod message;
mod metrics;
mod options;
mod outgoing;
mod remote;
mod report;
mod services;
mod timers;
mod world;

pub use client::TestClient;
pub use handshake::{Handshake, Rejected};
pub use host::TestHost;
pub use message::{Frame, Message, NOTHING};
pub use options::{BacklogPolicy, Options};
pub use report::{EngineFailure, LogLine, NotStarted};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. A panic elsewhere leaves nothing here half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
