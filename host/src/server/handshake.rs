//! From a byte stream to an open connection: HTTP in front, and the engine's word on who may connect.

use super::state::Server;
use crate::http::{self, Decision, HttpError, Upgraded};
use ::http::header::SEC_WEBSOCKET_EXTENSIONS;
use ::http::request::Parts;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::oneshot;
use wshost_core::calls::Callback;
use wshost_core::connection::wire::Wire;
use wshost_core::engine::{Admission, Client, EngineFailure, Instance, Session};
use wshost_core::jobs::Lane;
use wshost_core::protocol::deflate::{self, Accepted};
use wshost_core::serving::mount::Pass;

/// A connection that is about to open.
#[derive(Debug)]
pub(crate) struct Opening<S> {
    pub stream: S,
    /// What the client sent right behind its request.
    pub leftover: Bytes,
    pub client: Arc<Client>,
    pub session: Session,
    /// To be held until the client is in its audience.
    pub pass: Pass,
}

/// Runs the handshake. `None` where it came to nothing, which is answered and logged here.
///
/// The connection is to live on `event_loop`.
pub(crate) async fn run<S>(stream: S, peer: &str, server: &Server, event_loop: usize) -> Option<Opening<S>>
where
    S: Wire + 'static,
{
    let mut draining = server.draining.subscribe();
    let site = server.site();
    let ending = async {
        // An error: the server is gone.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    let upgrade = http::upgrade(stream, &server.settings.http, &site, ending, async |parts: &Parts| {
        decide(parts, peer, server, event_loop).await
    });
    match upgrade.await {
        Ok(Some(Upgraded { io, leftover, keep: (client, session, pass) })) => {
            Some(Opening { stream: io, leftover, client, session, pass })
        }
        Ok(None) => None,
        Err(error @ HttpError::BadResponse { .. }) => {
            tracing::error!(peer, "handshake failed by the fault of the engine: {error}");
            None
        }
        Err(error) => {
            // A flood of one kind does not keep another out of the log.
            tracing::info!(peer, kind = error.kind(), "handshake failed: {error}");
            None
        }
    }
}

/// Asks the engine that serves the path.
async fn decide(
    parts: &Parts,
    peer: &str,
    server: &Server,
    event_loop: usize,
) -> Decision<(Arc<Client>, Session, Pass)> {
    let Some(mount) = server.serving(parts.uri.path()) else { return Decision::NotFound };
    let pass = mount.pass().await;
    let instance = &mount.current();
    let resource = parts.uri.path_and_query().map_or("/", |resource| resource.as_str());
    match authenticate(instance, resource, peer, parts).await {
        Ok(Admission::Accepted(session, template)) => {
            let audience = Arc::clone(instance.audience());
            let accepted = compression(parts, server);
            let deflate = accepted.as_ref().map(|accepted| accepted.agreed);
            let client = Client::new(peer, resource, &template.subprotocol, deflate, audience, event_loop);
            client.set_generation(instance.generation());
            let protocol = Some(template.subprotocol).filter(|name| !name.is_empty());
            let extensions = accepted.map(|accepted| accepted.response);
            Decision::Accept {
                protocol,
                extensions,
                headers: template.headers,
                keep: (Arc::new(client), session, pass),
            }
        }
        Ok(Admission::Rejected { status, headers, body }) => {
            tracing::info!(peer, engine = instance.plugin().name(), status, "client rejected by the engine");
            if !(400..600).contains(&status) {
                let engine = instance.plugin().name();
                tracing::error!(
                    peer,
                    engine,
                    "the engine rejects with status {status}, which is none of 400 to 599: 500 is sent"
                );
            }
            let status = if (400..600).contains(&status) { status } else { 500 };
            Decision::Reject { status, headers, body }
        }
        Err(failure) => {
            instance.report(&failure, peer);
            Decision::Reject { status: 500, headers: Vec::new(), body: b"The engine failed.\n".to_vec() }
        }
    }
}

/// What comes of the client's offers to compress. A header with characters that are not ASCII offers nothing.
fn compression(parts: &Parts, server: &Server) -> Option<Accepted> {
    let offers = parts.headers.get_all(SEC_WEBSOCKET_EXTENSIONS).into_iter();
    deflate::negotiate(offers.filter_map(|offer| offer.to_str().ok()), server.settings.compression.as_ref()?)
}

async fn authenticate(
    instance: &Arc<Instance>,
    resource: &str,
    peer: &str,
    parts: &Parts,
) -> Result<Admission, EngineFailure> {
    let ask = |instance: &Arc<Instance>, resource: &str, peer: &str, headers: &::http::HeaderMap| {
        instance.authenticate(resource, peer, headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
    };
    if !instance.authenticates_on_worker() {
        return ask(instance, resource, peer, &parts.headers);
    }
    let (answered, answer) = oneshot::channel();
    let (asked, headers) = (Arc::clone(instance), parts.headers.clone());
    let (resource, peer) = (resource.to_owned(), peer.to_owned());
    let work = move || {
        // Nobody waits any more where the client has gone: its session is discarded.
        let _ = answered.send(ask(&asked, &resource, &peer, &headers));
    };
    instance.pool().submit(&Arc::<Lane>::default(), Box::new(work));
    answer.await.unwrap_or_else(|_| Err(EngineFailure::of_host(Callback::Authenticate, "the host ends")))
}
