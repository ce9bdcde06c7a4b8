//! Turns a byte stream into an open connection: HTTP first, and then the engine's answer.

use super::state::Server;
use crate::http::{self, Decision, HttpError, Upgraded};
use ::http::header::SEC_WEBSOCKET_EXTENSIONS;
use ::http::request::Parts;
use wshost_core::connection::wire::Wire;
use wshost_core::protocol::deflate::{self, Accepted};
use wshost_core::serving::admission::{self, Admitted, Applicant, Ruling};

/// Runs the handshake. Returns `None` if it fails, after answering and logging that.
///
/// The connection is to live on `event_loop`.
pub(crate) async fn run<S>(stream: S, peer: &str, server: &Server, event_loop: usize) -> Option<Upgraded<S, Admitted>>
where
    S: Wire + 'static,
{
    let mut draining = server.draining.subscribe();
    let site = server.site();
    let ending = async {
        // An error means that the server is gone.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    let upgrade = http::upgrade(stream, &server.settings.http, &site, ending, async |parts: &Parts| {
        decide(parts, peer, server, event_loop).await
    });
    match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error @ HttpError::BadResponse { .. }) => {
            tracing::error!(peer, "handshake failed by the fault of the engine: {error}");
            None
        }
        Err(error) => {
            // The kind keeps a flood of one fault from hiding another in the log.
            tracing::info!(peer, kind = error.kind(), "handshake failed: {error}");
            None
        }
    }
}

/// Asks the engine that serves the path.
async fn decide(parts: &Parts, peer: &str, server: &Server, event_loop: usize) -> Decision<Admitted> {
    let Some(mount) = server.serving(parts.uri.path()) else { return Decision::NotFound };
    let resource = parts.uri.path_and_query().map_or("/", |resource| resource.as_str());
    let agreed = compression(parts, server);
    let deflate = agreed.as_ref().map(|accepted| accepted.agreed);
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    match admission::ask(mount, Applicant { resource, peer, deflate, event_loop }, headers).await {
        Ruling::Admitted(mut admitted) => Decision::Accept {
            protocol: Some(std::mem::take(&mut admitted.subprotocol)).filter(|name| !name.is_empty()),
            extensions: agreed.map(|accepted| accepted.response),
            headers: std::mem::take(&mut admitted.headers),
            keep: admitted,
        },
        Ruling::Rejected { status, headers, body } => Decision::Reject { status, headers, body },
    }
}

/// Negotiates the client's offers of compression. A header with characters that are not ASCII offers nothing.
fn compression(parts: &Parts, server: &Server) -> Option<Accepted> {
    let offers = parts.headers.get_all(SEC_WEBSOCKET_EXTENSIONS).into_iter();
    deflate::negotiate(offers.filter_map(|offer| offer.to_str().ok()), server.settings.compression.as_ref()?)
}
