//! The core as a host of engines: how it calls them, and on which threads they drop things.
//!
//! `plugin_api::hosting` has the host's side of every table. This file has the core's part.

use super::{Attached, Client, Services};
use crate::calls::{CallFor, watched};
use crate::engine::metrics::Metric;
use crate::executor::Executor;
use plugin_api::hosting::{self, Callback, CalledFor, EngineFailure, Generation, Hosting, Whose};
use std::error::Error;
use std::sync::Arc;

/// The core, as `plugin_api::hosting` knows it. Each generation of an engine has one.
#[derive(Debug)]
pub struct Core {
    /// Drops what the generation made.
    pub(super) executor: Arc<dyn Executor>,
}

/// An engine that runs, made by [`Unborn::make`](super::Unborn::make), with the core's [data](Attached). It is dropped
/// after its last session, and then shut down on another thread.
pub type Instance = hosting::LoadedEngine<Core>;
/// The engine's data for one connection. If it is dropped without `on_closed`, it is discarded on another thread.
pub type Session = hosting::EngineSession<Core>;
/// An instance with a handover.
pub type Handover = hosting::EngineHandover<Core>;
/// The engine's answer to a client that asks to connect.
pub type Admission = hosting::Admission<Core>;
/// The schema of an engine's exports.
pub type Schema = plugin_api::handover::Schema<'static>;
/// The result of a callback with a session: perhaps a job.
pub type CallbackResult = hosting::Called<Core>;

impl Hosting for Core {
    type Client = Client;
    type Services = Services;
    type Metric = Metric;
    type Instance = Attached;

    #[inline]
    fn call<R>(
        callback: Callback,
        whose: &Whose<'_>,
        called_for: CalledFor<'_, Client>,
        call: impl FnOnce() -> R,
    ) -> R {
        let whom = match called_for {
            CalledFor::Nobody => CallFor::Nobody,
            CalledFor::Client(client) => CallFor::Client { number: client.number(), peer: client.peer() },
            CalledFor::Peer(peer) => CallFor::Peer(peer),
        };
        watched(callback, whose, whom, call)
    }

    fn end_elsewhere(generation: &'static Generation<Core>, what: Callback, end: impl FnOnce() + Send + 'static) {
        generation.host().executor.retire(Some(generation.name()), what.name(), Box::new(end));
    }

    fn report_failed_drop(generation: &'static Generation<Core>, failure: &EngineFailure) {
        let failure: &(dyn Error + 'static) = failure;
        tracing::error!(message = failure, engine = generation.name());
    }

    fn report_fault(function: &'static str, why: &str) {
        tracing::error!(
            function,
            "a call of an engine was not done because of a fault of wshost, please report it: {why}"
        );
    }
}
