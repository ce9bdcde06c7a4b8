//! Calls the engine and handles the results: jobs, and faults of either side.

use super::Connection;
use super::stage::{Input, Stage};
use crate::client::at_hand::with_batch;
use crate::connection::wire::Wire;
use crate::engine::{CallbackResult, Client, Core, EngineFailure, Event, Job, Session};
use crate::protocol::{Fault, close};
use plugin_api::hosting::{CalledFor, EngineJob};
use std::sync::Arc;

impl<S: Wire> Connection<S> {
    pub(super) fn with_batch(&mut self, work: impl FnOnce(&mut Self)) {
        let mut batch = self.batch.take();
        with_batch(self.client.number(), &mut batch, || work(self));
        self.batch = batch;
    }

    /// Calls the engine, unless the connection takes no more messages.
    pub(super) fn callback(&mut self, call: impl FnOnce(&mut Session, &Arc<Client>) -> CallbackResult) {
        if self.stage == Stage::Open
            && let Some(session) = &mut self.session
        {
            let called = call(session, &self.client);
            self.finish(called);
        }
    }

    /// Submits the job that a callback returned, or closes the connection if the callback failed.
    #[inline]
    pub(super) fn finish(&mut self, called: CallbackResult) {
        match called {
            Ok(None) => {}
            Ok(Some(job)) => self.submit(job),
            Err(failure) => self.engine_fault(&failure),
        }
    }

    pub(super) fn submit(&mut self, job: EngineJob<Core>) {
        let job = Job::new(job, self.client.audience().activity.begin());
        let (instance, client) = (Arc::clone(&self.instance), Arc::clone(&self.client));
        let work = move || {
            if let Err(failure) = job.run(CalledFor::Client(&client)) {
                instance.report(&failure, client.peer());
                client.fail();
            }
        };
        self.instance.pool().submit(self.lane.get_or_insert_default(), Box::new(work));
    }

    /// Delivers posted events, unless a swap has the session.
    pub(super) fn deliver_events(&mut self) {
        if self.session.is_some()
            && let Some(events) = self.events.take()
        {
            self.client.outbox().note_delivered(events.len());
            self.deliver(*events);
        }
    }

    fn deliver(&mut self, events: Vec<Event>) {
        self.with_batch(|connection| {
            for event in events {
                let (event, _busy) = event.into_parts();
                connection.callback(|session, client| session.on_event(client, event));
            }
        });
    }

    /// Handles a panic of the engine, which ends this connection alone.
    #[cold]
    pub(super) fn engine_fault(&mut self, failure: &EngineFailure) {
        self.instance.report(failure, self.client.peer());
        self.fail(close::INTERNAL, "the engine failed");
    }

    /// Handles a breach of the protocol by the peer (RFC 6455 section 7.1.7).
    #[cold]
    pub(super) fn peer_fault(&mut self, fault: &Fault) {
        let code = fault.close_code();
        // The kind keeps a flood of one fault from hiding another in the log.
        tracing::info!(peer = self.client.peer(), code, kind = code, "connection failed: {fault}");
        self.fail(code, &fault.to_string());
    }

    pub(super) fn fail(&mut self, code: u16, reason: &str) {
        self.code = code;
        if self.stage == Stage::Open {
            self.stage = Stage::Flushing(Input::Anything);
        }
        self.client.close(code, reason);
    }
}
