//! HTTP in front of every connection: the upgrade to WebSocket (RFC 6455 section 4.2), and pages and files for browsers.
//!
//! Owns what is HTTP. Knows neither engines nor frames: who may connect is decided by the caller.

mod deadline;
mod file;
mod folder;
mod host;
mod page;
mod path;
mod request;
mod response;
mod site;
mod upgrade;

pub(crate) use folder::Folder;
pub(crate) use path::{Segments, are_same, without_slashes_behind};
pub(crate) use site::{Site, SiteEngine};
pub(crate) use upgrade::{Upgraded, upgrade};

use std::time::Duration;

/// What a client's handshake is held to.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// From the connection to the end of its request, whatever arrives; as much again for the engine's word, and for the client
    /// to take the answer; for a file, to each next 64 KiB that the client takes. Default: 10 s. A large value lets silent
    /// connections hold descriptors.
    pub handshake_timeout: Duration,
    /// Headers of a request at most. Default: 100. More are answered with 431.
    pub max_headers: usize,
    /// Bytes of a request's head at most, 8 KiB or more. Default: 16 KiB. More are answered with 431. Held only during
    /// the handshake.
    pub max_header_bytes: usize,
    /// Bytes of a request's path and query at most. Default: 8 KiB. Longer ones are answered with 414. Held as long as the
    /// connection, for engines may ask for it: a large value lets each client hold so much.
    pub max_target_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            handshake_timeout: Duration::from_secs(10),
            max_headers: 100,
            max_header_bytes: 16 * 1024,
            max_target_bytes: 8 * 1024,
        }
    }
}

/// What the caller says to a valid upgrade request.
#[derive(Debug)]
pub(crate) enum Decision<T> {
    /// The client may connect.
    Accept {
        /// The subprotocol, one of those that the client offered.
        protocol: Option<String>,
        /// The value of the response's `Sec-WebSocket-Extensions`.
        extensions: Option<String>,
        /// Further response headers, unchecked.
        headers: Vec<(String, Vec<u8>)>,
        /// Handed back in [`Upgraded`].
        keep: T,
    },
    /// The client may not connect.
    Reject {
        /// The HTTP status, 400 to 599.
        status: u16,
        /// Response headers, unchecked.
        headers: Vec<(String, Vec<u8>)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Nobody serves this path.
    NotFound,
}

/// Why a connection did not become a WebSocket. The client has been answered where that was possible.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The handshake was not complete in time.
    #[error("not complete after {0:?}")]
    Timeout(Duration),
    /// The request was refused.
    #[error("refused with {status}: {why}")]
    Refused {
        /// The HTTP status that was answered.
        status: u16,
        /// Why, in one sentence.
        why: String,
    },
    /// The caller's response cannot be sent; the client got 500.
    #[error("the response of engine {engine} cannot be sent: {why}")]
    BadResponse {
        /// The engine's name.
        engine: String,
        /// What of its response, in one sentence.
        why: String,
    },
    /// A file of `--static` is there, but cannot be served.
    #[error("the file for {path} cannot be served, answered with {status}: {why}")]
    File {
        /// The path of the request.
        path: String,
        /// The HTTP status that was answered.
        status: u16,
        /// Why.
        why: String,
    },
    /// What came is not HTTP, or the connection broke.
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

impl HttpError {
    /// Which kind it is, for the limits of the log: a flood of requests for what is not there says nothing of those that are
    /// refused for another reason.
    pub(crate) fn kind(&self) -> u16 {
        match self {
            HttpError::Refused { status, .. } | HttpError::File { status, .. } => *status,
            HttpError::BadResponse { .. } => 1,
            HttpError::Timeout(_) => 2,
            HttpError::Http(error) if error.is_parse() => 3,
            HttpError::Http(_) => 4,
        }
    }
}
