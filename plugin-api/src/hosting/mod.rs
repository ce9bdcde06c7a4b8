//! The host's side of the boundary, for hosts. With the feature `hosting`; engines need none of this.
//!
//! A host implements [`Hosting`] and the traits that it names: what engines may ask of a client, of the host and of a metric
//! are functions of [`HostClient`], [`HostServices`] and [`HostMetric`]. In return it gets an engine in safe types:
//!
//! 1. [`EngineTables::of`] checks the root module of a library that was opened.
//! 2. [`LoadedEngine::make`] makes an instance. It is shut down after its last session, when it is dropped.
//! 3. [`LoadedEngine::authenticate`] makes an [`EngineSession`], whose functions are the callbacks of a connection. The last
//!    is [`EngineSession::on_closed`]; without it, the session is discarded when it is dropped.
//! 4. [`EngineJob`], [`EngineTimer`] and [`EngineEvent`] are what an engine made and the host owns until it is run,
//!    delivered, or dropped.
//! 5. [`EngineHandover`] passes sessions from one generation to the next. [`Generation`] is what handles know of theirs.
//!
//! Every call into an engine goes through [`Hosting::call`], and whatever of an engine is dropped otherwise through
//! [`Hosting::end_elsewhere`]: the author's code runs nowhere else.
//!
//! # Where the two sides of an interface stand
//!
//! | interface | layout and contract | the engine's side | the host's side |
//! |---|---|---|---|
//! | `wshost.client/1` | `abi/client.rs` | `handles/client.rs` calls | `hosting/client.rs`, for [`HostClient`] |
//! | `wshost.host/1` | `abi/host.rs` | `handles/` calls | `hosting/services.rs`, for [`HostServices`] |
//! | metrics | `abi/host.rs` | `metric.rs` calls | `hosting/metric.rs`, for [`HostMetric`] |
//! | `wshost.engine/1` | `abi/engine.rs` | `export/mod.rs`, for [`Engine`](crate::Engine) | `hosting/engine.rs` calls |
//! | `wshost.handover/1` | `abi/handover.rs` | `export/handover.rs`, for [`Handover`](crate::handover::Handover) | `hosting/handover.rs` calls |
//! | objects | `abi/object.rs` | `job.rs`, `handles/`, `contain/` | `hosting/object.rs`, `hosting/failure.rs` call |

mod call;
mod client;
mod counted;
mod engine;
mod failure;
mod generation;
mod guard;
mod handover;
mod metric;
mod object;
mod services;
mod tables;
#[cfg(test)]
mod tests;

pub use call::{Callback, CalledFor};
pub use client::client_handle;
pub use engine::{Admission, Called, EngineSession, LoadedEngine, NotMade, Template};
pub use failure::EngineFailure;
pub use generation::{Generation, Whose};
pub use handover::EngineHandover;
pub use object::{EngineEvent, EngineJob, EngineTimer};
pub use services::host_handle;
pub use tables::{EngineTables, Mismatch, offered};

use crate::abi::{ClientId, ConfigView, MetricKind, PartView};
use crate::{Sent, State};
use log::{Level, LevelFilter};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A host of engines: it says what the host's own types are, and how it calls. Each [`Generation`] has a value of it, for what
/// the host needs to end what the generation made.
pub trait Hosting: fmt::Debug + Send + Sync + Sized + 'static {
    /// A connected client. Engines hold counts of it.
    type Client: HostClient<Self>;
    /// What the host does for one instance of an engine. Engines hold counts of it, for as long as they like.
    type Services: HostServices<Self>;
    /// A metric of an engine's. Engines hold counts of it.
    type Metric: HostMetric;
    /// What the host keeps with an instance, such as its plugin. It is dropped behind the engine.
    type Instance: HostInstance<Self>;

    /// Makes a call into an engine: `call` does. Here the host notes which call a thread is in.
    fn call<R>(
        callback: Callback,
        whose: &Whose<'_>,
        called_for: CalledFor<'_, Self::Client>,
        call: impl FnOnce() -> R,
    ) -> R;

    /// Has something of an engine's ended where it can do no harm, soon: `end` runs the author's code, which may block for
    /// ever, within [`Hosting::call`]. It does not panic.
    fn end_elsewhere(generation: &'static Generation<Self>, what: Callback, end: impl FnOnce() + Send + 'static);

    /// A job, timer or event has panicked as it was dropped.
    fn report_failed_drop(generation: &'static Generation<Self>, failure: &EngineFailure);

    /// A function that engines call has panicked, which is a fault of the host's: told once for each function. Called on any
    /// thread at any stage of its life.
    fn report_fault(function: &'static str, why: &str);
}

/// What the host keeps with an instance of an engine.
pub trait HostInstance<H: Hosting>: Send + Sync + 'static {
    /// The services that the instance is made with.
    fn services(&self) -> &Arc<H::Services>;

    /// The configuration that the instance is made with.
    fn config(&self) -> ConfigView<'_>;
}

/// What engines ask of a client: the functions of [`ClientTable`](crate::abi::ClientTable), where the contract of each stands.
///
/// They are called on any thread at any stage of its life, and must not block. A panic in one is
/// [reported](Hosting::report_fault). What acts on the client is called only for handles of a generation that is present.
pub trait HostClient<H: Hosting>: Send + Sync + 'static {
    /// Its id, unique among all clients of all host runs.
    fn id(&self) -> ClientId;
    /// The peer's address as text.
    fn peer(&self) -> &str;
    /// Path and query of the request.
    fn resource(&self) -> &str;
    /// The subprotocol agreed on, or empty.
    fn subprotocol(&self) -> &str;
    /// For how long nothing has come from the client.
    fn idle(&self) -> Duration;
    /// How far its end has come.
    fn state(&self) -> State;
    /// Whether a ping of the keepalive waits for any sign of life.
    fn is_pinged(&self) -> bool;
    /// Bytes that wait for the socket.
    fn buffered(&self) -> usize;
    /// Queues a text message.
    fn send_text(&self, text: &str) -> Sent;
    /// Queues a binary message.
    fn send_binary(&self, data: &[u8]) -> Sent;
    /// Begins a message in fragments. Returns its number.
    fn begin_message(&self) -> u64;
    /// Queues one part of a message.
    fn send_part(&self, part: PartView<'_>) -> Sent;
    /// Gives up a message of which parts were sent.
    fn abandon_message(&self, message: u64);
    /// Queues a ping ahead of data.
    fn ping(&self, data: &[u8]) -> Sent;
    /// Queues a pong ahead of data.
    fn pong(&self, data: &[u8]) -> Sent;
    /// Closes behind what is queued.
    fn close(&self, code: u16, reason: &str) -> Sent;
    /// Drops what is queued, then closes.
    fn close_now(&self, code: u16, reason: &str) -> Sent;
    /// Drops the queued messages that the socket has taken nothing of yet. Returns the bytes dropped.
    fn discard_buffered(&self) -> usize;
    /// Stops (`true`) or resumes reading.
    fn pause_reading(&self, paused: bool) -> Sent;
    /// Makes the client a member of a group.
    fn join(&self, group: &str) -> Sent;
    /// Ends a membership. Returns whether there was one.
    fn leave(&self, group: &str) -> bool;
    /// Posts a value to the client's session. Also called if the [generation](EngineEvent::generation) that posts it is not
    /// present: then it must not be delivered.
    fn post(&self, event: EngineEvent<H>) -> Sent;
}

/// What engines ask of the host: the functions of [`HostTable`](crate::abi::HostTable), where the contract of each stands.
///
/// They are called on any thread at any stage of its life. A panic in one is [reported](Hosting::report_fault). What acts on
/// clients is called only if the generation is present.
pub trait HostServices<H: Hosting>: Send + Sync + 'static {
    /// The generation that these services are for; always the same.
    fn generation(&self) -> &'static Generation<H>;
    /// Writes to the host's log.
    fn log(&self, level: Level, target: &str, message: &str);
    /// The most verbose level that the host keeps.
    fn log_level(&self) -> LevelFilter;
    /// The calling thread panics, in code of the engine's.
    fn note_panic(&self, location: &str, message: &str);
    /// What has been noted of the calling thread has been caught.
    fn forget_panic(&self);
    /// The connected client of this id.
    fn client(&self, id: ClientId) -> Option<Arc<H::Client>>;
    /// The clients that are meant, as of now.
    fn clients(&self, recipients: Recipients<'_, H::Client>) -> impl Iterator<Item = Arc<H::Client>>;
    /// How many clients are meant, as of now.
    fn count(&self, recipients: Recipients<'_, H::Client>) -> usize;
    /// Sends a text message to all that are meant. Returns how many it was queued for.
    fn broadcast_text(&self, recipients: Recipients<'_, H::Client>, text: &str) -> usize;
    /// Sends a binary message to all that are meant. Returns how many it was queued for.
    fn broadcast_binary(&self, recipients: Recipients<'_, H::Client>, data: &[u8]) -> usize;
    /// Runs a job that belongs to no client, unless the generation is retired.
    fn spawn(self: &Arc<Self>, job: EngineJob<H>);
    /// Starts a timer; its first run is after `after`, the others `every` later each. Returns its number.
    fn start_timer(self: &Arc<Self>, timer: EngineTimer<H>, after: Duration, every: Option<Duration>) -> u64;
    /// Cancels a timer.
    fn cancel_timer(&self, timer: u64);
    /// The metric of this name and these labels: the one that is there, or a new one.
    fn metric<'l>(&self, kind: MetricKind, name: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> H::Metric;

    /// A call of the engine failed that was made for no client.
    fn report(&self, failure: &EngineFailure);
    /// The instance is at its end, or came to nothing: its handles reach nobody from now on, and its timers are cancelled.
    fn end(&self);
}

/// What engines do with a metric: the functions of [`MetricHandle`](crate::abi::MetricHandle).
pub trait HostMetric: Send + Sync + Sized + 'static {
    /// Counter: adds. Gauge: sets. Histogram: notes a value.
    fn record(&self, value: f64);
    /// Gauge: adds, or subtracts. Others: as [`HostMetric::record`].
    fn adjust(&self, by: f64);
    /// A metric that counts for nothing, which an engine gets if making its own has panicked.
    fn of_no_use() -> Self;
}

/// Some of an engine's clients.
#[derive(Debug)]
pub struct Recipients<'a, C> {
    /// The members of this group; `None` for everyone.
    pub group: Option<&'a str>,
    /// One who is left out.
    pub except: Option<&'a C>,
}
