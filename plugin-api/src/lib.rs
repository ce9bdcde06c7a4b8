//! The interface between wshost and its engines: build an engine against this crate.
//!
//! An *engine* is an application (echo, chat, a game, push) that `wshost` loads from a dynamic library. You implement
//! [`Engine`], export it with [`export_engine!`], and build the crate as a `cdylib`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! plugin-api = "1"
//! ```
//!
//! The host speaks the protocol, runs the threads and owns the sockets. You need no async code and no knowledge of
//! WebSocket.
//!
//! # An engine's life
//!
//! 1. The host opens the library, checks how it was built, and calls [`Engine::new`] with a [`Host`] handle and the
//!    engine's [`Config`]. `[a thread of its own]`
//! 2. A client asks to connect: [`Engine::authenticate`] looks at its [`Request`] and either accepts it, with a
//!    *session*, or rejects it. `[event loop, or worker]`
//! 3. [`Engine::on_open`]: the connection is open. `[event loop]`
//! 4. [`Engine::on_text`], [`Engine::on_binary`], [`Engine::on_ping`] and [`Engine::on_pong`], once per message, with
//!    the session. Each may return a [`Job`], which the host runs away from the connection; [`Engine::on_event`] brings
//!    a job's result back. `[event loop]`
//! 5. [`Engine::on_close`]: the client has sent a close frame. It is skipped if the connection just breaks.
//!    `[event loop]`
//! 6. [`Engine::on_closed`] takes the session back: exactly once for every `on_open`, however the connection ended.
//!    `[event loop]`
//! 7. The engine is dropped, after its last session. `[any thread]`
//!
//! Callbacks for one connection never overlap. Callbacks for different connections run at the same time on several
//! event loops, hence `&self` and `Sync`. They must not block: put long work into a [`Job`].
//!
//! ```
//! use plugin_api::prelude::*;
//! use std::sync::atomic::{AtomicUsize, Ordering};
//!
//! struct Counter {
//!     greeted: AtomicUsize,
//! }
//!
//! #[derive(Default)]
//! struct Session {
//!     name: String,
//!     messages: u64,
//! }
//!
//! impl Engine for Counter {
//!     type Session = Session;
//!
//!     // 1
//!     fn new(_host: Host, _config: &Config) -> Result<Self> {
//!         Ok(Counter { greeted: AtomicUsize::new(0) })
//!     }
//!
//!     // 2
//!     fn authenticate(&self, request: &Request) -> Result<Accept<Session>, Reject> {
//!         let name = request.header("x-name").ok_or_else(Reject::unauthorized)?;
//!         Ok(Accept::new(Session { name: name.to_owned(), messages: 0 }))
//!     }
//!
//!     // 3
//!     fn on_open(&self, client: &Client, session: &mut Session) -> Option<Box<dyn Job>> {
//!         let number = self.greeted.fetch_add(1, Ordering::Relaxed) + 1;
//!         client.send_text(&format!("Hello {}, you are number {number}", session.name));
//!         None
//!     }
//!
//!     // 4
//!     fn on_text(&self, client: &Client, session: &mut Session, text: &str) -> Option<Box<dyn Job>> {
//!         session.messages += 1;
//!         let (client, text) = (client.clone(), text.to_owned());
//!         Some(Box::new(move || {
//!             client.send_text(&text.to_uppercase()); // any thread may send
//!         }))
//!     }
//!
//!     // 6
//!     fn on_closed(&self, _client: &Client, session: Session, code: u16) {
//!         log::info!("{} left with {code} after {} messages", session.name, session.messages);
//!     }
//! }
//!
//! export_engine!(Counter);
//! # fn main() {}
//! ```
//!
//! # A new version takes over
//!
//! The host can replace an engine by its next version while everyone stays connected. Engines whose sessions are `()`
//! need nothing for it. Others implement [`Handover`](handover::Handover), mostly in one line.
//!
//! # Panics
//!
//! A panic in any callback, job or drop is caught inside the engine. The host logs it with the engine's name, the
//! callback and the source line, closes the connection that the call was for with 1011, and goes on with all others.
//! Build engines with `panic = "unwind"` (the default): an abort cannot be contained.
//!
//! Rust itself aborts the process, with everybody's connections, if a panic cannot unwind. That happens if a drop
//! panics while another panic unwinds, if the destructor of a thread-local panics on any thread, and if a panic leaves
//! an `extern "C"` function of the engine. The host's last line then names the engine and the callback, with the
//! messages and source lines of all panics involved. So destructors should log rather than panic.
//!
//! `std::process::exit`, even if a C library calls it, ends the host for everybody, whatever the code. The host logs
//! which engine called it and ends with exit code 70. (The host cannot see a call of `_exit`.) An engine that cannot go
//! on returns an error or panics.
//!
//! # How it is loaded
//!
//! The host opens a private copy of the library and never closes it, so a generation's memory stays in use. By default,
//! the host opens the library in a process of its own first.
//!
//! - Initialisers of the library (constructors of C and C++) run in both processes. They must not block.
//! - Libraries that lie beside it are found through `$ORIGIN` as usual. A library that changes needs another name
//!   (soname), since the system's loader gives everyone the first library of a name.
//! - The system's loader has little room for static thread-local storage, which allocators such as mimalloc use: enough
//!   for a few reloads. `wshost check` says for how many. Build such an allocator for dynamic thread-local storage,
//!   such as mimalloc with its feature `local_dynamic_tls`.
//!
//! # Tests
//!
//! The crate `plugin-testing` is the host without its sockets: an engine's own `cargo test` connects clients, sends,
//! runs jobs, lets time pass, replaces the engine by its next version, and sees the results.
//!
//! `wshost check libmine.so` does the same with the built library: it opens it in a process of its own, makes the
//! engine, visits it with a client, lets it hand over to itself, drops it, and names the step that fails.
//!
//! # What is not shared with the host
//!
//! An engine has its own copy of the standard library: allocator, thread-locals and global loggers are its own. The
//! [`log`] macros work all the same, since `export_engine!` installs a logger that writes to the host's log.

#![warn(missing_docs)]
// The boundary: see `abi` for what crosses it and `export` for the engine's side of every call.
#![allow(unsafe_code)]

pub mod abi;
mod accept;
pub mod close_code;
mod codes;
mod config;
mod contain;
mod engine;
#[doc(hidden)]
pub mod export;
mod handles;
pub mod handover;
#[cfg(feature = "hosting")]
pub mod hosting;
mod job;
mod logger;
mod metric;
mod request;

pub use accept::{Accept, Reject};
pub use config::{Config, ConfigError, Format};
pub use engine::{Engine, Idle};
pub use handles::{Client, ClientId, Fragments, Group, Host, Sent, State, Timer};
pub use job::Job;
pub use log;
pub use metric::{Counter, Gauge, Histogram, Labels};
pub use request::Request;

/// Its address identifies this loaded library, since every library has its own.
static ORIGIN: u8 = 0;

/// The version of this crate, which host and engine compare.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Any error; `?` converts every error type and text into it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// `Result` with [`Error`] unless another is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that an engine commonly needs: `use plugin_api::prelude::*;`
pub mod prelude {
    pub use crate::{
        Accept, Client, ClientId, Config, Counter, Engine, Fragments, Gauge, Group, Histogram, Host, Idle, Job, Reject,
        Request, Result, Sent, State, Timer, close_code, export_engine, log,
    };
}
