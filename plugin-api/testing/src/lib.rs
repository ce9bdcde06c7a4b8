//! Tests engines on the server's own core, without its sockets: for an engine's own `cargo test`.
//!
//! In the engine's `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! plugin-testing = "1"
//! ```
//!
//! In the engine's crate, such as in a `mod tests` of its own:
//!
//! ```
//! use plugin_api::prelude::*;
//! use plugin_testing::{Message, NOTHING, TestHost};
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
//! fn closes_a_client_that_says_nothing() {
//!     let host = TestHost::new::<Shout>();
//!     let alice = host.connect("/");
//!     alice.text("");
//!     assert_eq!(alice.received(), [Message::close(close_code::POLICY, "say something")]);
//!     assert_eq!(alice.state(), State::Closed);
//! }
//! # shouts_in_a_job();
//! # closes_a_client_that_says_nothing();
//! ```
//!
//! # What is real, and what is not
//!
//! The code that serves real sockets runs here: the engine is called through its tables, with default bodies, containment of
//! panics and all, and messages are bytes on a stream that clients read and write. The stream lies in memory. Everything
//! happens on the test's thread: jobs run when the test says so, and time passes when it says so. So a test has the same
//! outcome every time, and waits for nothing.
//!
//! Not here: HTTP (a handshake is a list of headers), TCP, and the watch over callbacks that block. A client that reads takes
//! at once what is sent to it; one that does not takes not one byte. Threads that an engine starts have the system's time, not
//! the test's.
//!
//! A test is a plain `#[test]`: no other runtime may be at work on its thread.
//!
//! | to test | there is |
//! |---|---|
//! | the configuration | [`TestHost::with_config`], and [`TestHost::start`] for one that is refused |
//! | who may connect | [`TestHost::request`] with [`header`](Handshake::header), [`cookie`](Handshake::cookie) and the like, then [`offer`](Handshake::offer) |
//! | messages | [`TestClient::text`] and its like, [`TestClient::received`] |
//! | what goes over the wire | [`TestClient::fragments`], [`TestClient::frame`], [`TestClient::raw`], [`TestClient::received_frames`] |
//! | compression | [`Options::compression`], [`Handshake::compress`] |
//! | jobs, events from jobs | [`TestHost::run_jobs`], [`TestHost::run_job`] |
//! | timers, keepalive | [`TestHost::advance`], [`TestClient::fall_silent`] |
//! | clients that do not keep up | [`Options::max_backlog`], [`TestClient::stop_reading`], [`TestClient::start_reading`] |
//! | the end of a connection | [`TestClient::close`], [`TestClient::disconnect`], [`TestHost::shut_down`] |
//! | the next version taking over | [`TestHost::swap`], [`WithHandover`] |
//! | panics | [`TestHost::failures`] |
//! | metrics, log lines | [`TestHost::counter`] and its like, [`TestHost::logs`] |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod client;
mod engine;
mod frames;
mod handshake;
mod host;
mod link;
mod message;
mod metrics;
mod options;
mod records;
mod report;
#[doc(hidden)]
pub mod rig;
mod swapped;
mod world;

pub use client::TestClient;
pub use engine::{TestEngine, WithHandover};
pub use frames::masked;
pub use handshake::{Handshake, Rejected};
pub use host::TestHost;
pub use message::{Frame, Message, NOTHING};
pub use options::{BacklogPolicy, Compression, Options};
pub use report::{EngineFailure, LogLine, NotStarted};
pub use swapped::{NotSwapped, Swapped};
