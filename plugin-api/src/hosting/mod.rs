//! The host's side of the boundary, for hosts. With the feature `hosting`; engines need none of this.
//!
//! A host implements [`Hosting`] and the traits that it names: engines call a client, the host and a metric through the
//! functions of [`HostClient`], [`HostServices`] and [`HostMetric`]. In return it gets an engine in safe types:
//!
//! 1. [`EngineTables::of`] checks the root module of a library that was opened.
//! 2. [`LoadedEngine::make`] makes an instance. It is shut down after its last session, when it is dropped.
//! 3. [`LoadedEngine::authenticate`] makes an [`EngineSession`], whose functions are the callbacks of a connection. The last
//!    is [`EngineSession::on_closed`]; without it, the session is discarded when it is dropped.
//! 4. [`EngineJob`], [`EngineTimer`] and [`EngineEvent`] are objects that an engine made and the host owns until it
//!    runs, delivers, or drops them.
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

/// A host of engines: its types, and its way of calling. Each [`Generation`] has a value of it, which the host needs to
/// end the objects that the generation made.
pub trait Hosting: fmt::Debug + Send + Sync + Sized + 'static {
    /// A connected client. Engines hold counts of it.
    type Client: HostClient<Self>;
    /// The host's services for one instance of an engine. Engines hold counts of it, for any time.
    type Services: HostServices<Self>;
    /// A metric of an engine. Engines hold counts of it.
    type Metric: HostMetric;
    /// The host's data for an instance, such as its plugin. It is dropped after the engine.
    type Instance: HostInstance<Self>;

    /// Makes a call into an engine through `call`. The host can note here which call a thread is in.
    fn call<R>(
        callback: Callback,
        whose: &Whose<'_>,
        called_for: CalledFor<'_, Self::Client>,
        call: impl FnOnce() -> R,
    ) -> R;

    /// Ends an object of an engine soon, on a thread where it can do no harm: `end` runs the author's code, which may
    /// block for ever, within [`Hosting::call`]. It does not panic.
    fn end_elsewhere(generation: &'static Generation<Self>, what: Callback, end: impl FnOnce() + Send + 'static);

    /// Reports that a job, timer or event has panicked when it was dropped.
    fn report_failed_drop(generation: &'static Generation<Self>, failure: &EngineFailure);

    /// Reports that a function that engines call has panicked, which is a fault of the host. It is called once for each
    /// function, on any thread at any stage of its life.
    fn report_fault(function: &'static str, why: &str);
}

/// The host's data for an instance of an engine.
pub trait HostInstance<H: Hosting>: Send + Sync + 'static {
    /// The services that the instance is made with.
    fn services(&self) -> &Arc<H::Services>;

    /// The configuration that the instance is made with.
    fn config(&self) -> ConfigView<'_>;
}

/// The functions of a client that engines call, as in [`ClientTable`](crate::abi::ClientTable), which has their
/// contracts.
///
/// They are called on any thread at any stage of its life, and must not block. A panic in one is
/// [reported](Hosting::report_fault). Functions that act on the client are called only for handles of a present
/// generation.
pub trait HostClient<H: Hosting>: Send + Sync + 'static {
    /// Its id, unique among all clients of all host runs.
    fn id(&self) -> ClientId;
    /// The peer's address as text.
    fn peer(&self) -> &str;
    /// Path and query of the request.
    fn resource(&self) -> &str;
    /// The agreed subprotocol, or empty.
    fn subprotocol(&self) -> &str;
    /// How long nothing has arrived from the client.
    fn idle(&self) -> Duration;
    /// How far its end has come.
    fn state(&self) -> State;
    /// Whether the client was pinged by keepalive and has been silent since.
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
    /// Gives up a message that was sent in part.
    fn abandon_message(&self, message: u64);
    /// Queues a ping ahead of data.
    fn ping(&self, data: &[u8]) -> Sent;
    /// Queues a pong ahead of data.
    fn pong(&self, data: &[u8]) -> Sent;
    /// Closes after the queued data.
    fn close(&self, code: u16, reason: &str) -> Sent;
    /// Drops the queued data, then closes.
    fn close_now(&self, code: u16, reason: &str) -> Sent;
    /// Drops queued messages that the socket has not begun to take. Returns the bytes dropped.
    fn discard_buffered(&self) -> usize;
    /// Stops (`true`) or resumes reading.
    fn pause_reading(&self, paused: bool) -> Sent;
    /// Makes the client a member of a group.
    fn join(&self, group: &str) -> Sent;
    /// Ends a membership. Returns whether there was one.
    fn leave(&self, group: &str) -> bool;
    /// Posts a value to the client's session. It is also called if the [generation](EngineEvent::generation) that posts
    /// it is not present; then the value must not be delivered.
    fn post(&self, event: EngineEvent<H>) -> Sent;
}

/// The functions of the host that engines call, as in [`HostTable`](crate::abi::HostTable), which has their contracts.
///
/// They are called on any thread at any stage of its life. A panic in one is [reported](Hosting::report_fault).
/// Functions that act on clients are called only if the generation is present.
pub trait HostServices<H: Hosting>: Send + Sync + 'static {
    /// The generation that these services are for; always the same.
    fn generation(&self) -> &'static Generation<H>;
    /// Writes to the host's log.
    fn log(&self, level: Level, target: &str, message: &str);
    /// The most verbose level that the host keeps.
    fn log_level(&self) -> LevelFilter;
    /// Notes that the calling thread panics, in code of the engine.
    fn note_panic(&self, location: &str, message: &str);
    /// Notes that the panic of the calling thread has been caught.
    fn forget_panic(&self);
    /// The connected client of this id.
    fn client(&self, id: ClientId) -> Option<Arc<H::Client>>;
    /// The recipients, as of now.
    fn clients(&self, recipients: Recipients<'_, H::Client>) -> impl Iterator<Item = Arc<H::Client>>;
    /// The number of recipients, as of now.
    fn count(&self, recipients: Recipients<'_, H::Client>) -> usize;
    /// Sends a text message to all recipients. Returns how many it was queued for.
    fn broadcast_text(&self, recipients: Recipients<'_, H::Client>, text: &str) -> usize;
    /// Sends a binary message to all recipients. Returns how many it was queued for.
    fn broadcast_binary(&self, recipients: Recipients<'_, H::Client>, data: &[u8]) -> usize;
    /// Runs a job that belongs to no client, unless the generation is retired.
    fn spawn(self: &Arc<Self>, job: EngineJob<H>);
    /// Starts a timer. Its first run comes after `after`, and each further one `every` later. Returns its number.
    fn start_timer(self: &Arc<Self>, timer: EngineTimer<H>, after: Duration, every: Option<Duration>) -> u64;
    /// Cancels a timer.
    fn cancel_timer(&self, timer: u64);
    /// The metric with this name and these labels, which is made if it does not exist.
    fn metric<'l>(&self, kind: MetricKind, name: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> H::Metric;

    /// Reports that a call of the engine failed that was made for no client.
    fn report(&self, failure: &EngineFailure);
    /// Ends the services, since the instance has ended or was never made: its handles reach nobody from now on, and its
    /// timers are cancelled.
    fn end(&self);
}

/// The functions of a metric that engines call, as in [`MetricHandle`](crate::abi::MetricHandle).
pub trait HostMetric: Send + Sync + Sized + 'static {
    /// Counter: adds. Gauge: sets. Histogram: notes a value.
    fn record(&self, value: f64);
    /// Gauge: adds, or subtracts. Others: same as [`HostMetric::record`].
    fn adjust(&self, by: f64);
    /// A metric without effect, for an engine whose own could not be made because of a panic.
    fn of_no_use() -> Self;
}

/// Some of an engine's clients.
#[derive(Debug)]
pub struct Recipients<'a, C> {
    /// The members of this group; `None` for everyone.
    pub group: Option<&'a str>,
    /// A client to leave out.
    pub except: Option<&'a C>,
}
