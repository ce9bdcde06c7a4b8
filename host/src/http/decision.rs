//! The outcome of a handshake: the caller's decision, or the reason for which there was none.

use std::time::Duration;

/// The caller's answer to a valid upgrade request.
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
        /// Returned in [`super::Upgraded`].
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
    /// No engine serves this path.
    NotFound,
}

/// Why a connection did not become a WebSocket. The client has been answered if that was possible.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The handshake was not complete in time.
    #[error("not complete after {0:?}")]
    Timeout(Duration),
    /// The request was refused.
    #[error("refused with {status}: {why}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// The reason, in one sentence.
        why: String,
    },
    /// The caller's response cannot be sent; the client got 500.
    #[error("the response of engine {engine} cannot be sent: {why}")]
    BadResponse {
        /// The engine's name.
        engine: String,
        /// The fault in its response, in one sentence.
        why: String,
    },
    /// A file of `--static` is there, but cannot be served.
    #[error("the file for {path} cannot be served, answered with {status}: {why}")]
    File {
        /// The path of the request.
        path: String,
        /// The HTTP status of the answer.
        status: u16,
        /// The reason.
        why: String,
    },
    /// The bytes are no HTTP, or the connection broke.
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

impl HttpError {
    /// The kind, for the limits of the log: a flood of requests for missing files must not hide requests that are
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
