//! Asks the engine whether a client may connect.

use crate::calls::Callback;
use crate::engine::{Admission, Client, EngineFailure, Instance, Session};
use crate::jobs::Lane;
use crate::protocol::deflate::Agreed;
use crate::serving::mount::{Mount, Pass};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Response headers that only the host may write, in lower case.
const RESERVED: [&str; 7] = [
    "connection",
    "content-length",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "transfer-encoding",
    "upgrade",
];

/// The most headers of an engine, in number and in bytes: far more than clients accept.
const MOST_HEADERS: usize = 1000;
const MOST_HEADER_BYTES: usize = 256 * 1024;

/// A client that asks to connect.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// Path and query.
    pub resource: &'a str,
    /// The peer's address as text.
    pub peer: &'a str,
    /// The agreement on compression.
    pub deflate: Option<Agreed>,
    /// The event loop on which the connection will live.
    pub event_loop: usize,
}

/// The engine's answer.
#[derive(Debug)]
pub enum Ruling {
    /// The engine accepts the client.
    Admitted(Admitted),
    /// The response if the engine rejects the client, or if it failed, which has been reported.
    Rejected {
        /// The HTTP status, of 400 to 599.
        status: u16,
        /// Response headers, unchecked.
        headers: Vec<(String, Vec<u8>)>,
        /// The body.
        body: Vec<u8>,
    },
}

/// A client that the engine accepts.
#[derive(Debug)]
pub struct Admitted {
    /// The client.
    pub client: Arc<Client>,
    /// Its session.
    pub session: Session,
    /// Hold this until the client is in its audience.
    pub pass: Pass,
    /// The agreed subprotocol, or empty.
    pub subprotocol: String,
    /// Response headers, unchecked.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Asks the engine when no swap of it is under way: on this thread, or on a worker if the engine needs one. `headers`
/// are the request's, with lower-case names.
pub async fn ask<'h>(
    mount: &Mount,
    applicant: Applicant<'_>,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Ruling {
    let pass = mount.pass().await;
    let instance = &mount.current();
    let Applicant { resource, peer, deflate, event_loop } = applicant;
    let engine = instance.plugin().name();
    match authenticate(instance, resource, peer, headers).await {
        Ok(Admission::Accepted(session, template)) => {
            let audience = Arc::clone(instance.audience());
            let client = Client::new(peer, resource, &template.subprotocol, deflate, audience, event_loop);
            client.set_generation(instance.generation());
            let (subprotocol, headers) = (template.subprotocol, template.headers);
            Ruling::Admitted(Admitted { client: Arc::new(client), session, pass, subprotocol, headers })
        }
        Ok(Admission::Rejected { status, headers, body }) => {
            tracing::info!(peer, engine, status, "client rejected by the engine");
            let is_refusal = (400..600).contains(&status);
            if !is_refusal {
                tracing::error!(
                    peer,
                    engine,
                    "the engine rejects with status {status}, which is none of 400 to 599: 500 is sent"
                );
            }
            Ruling::Rejected { status: if is_refusal { status } else { 500 }, headers, body }
        }
        Err(failure) => {
            instance.report(&failure, peer);
            Ruling::Rejected { status: 500, headers: Vec::new(), body: b"The engine failed.\n".to_vec() }
        }
    }
}

async fn authenticate<'h>(
    instance: &Arc<Instance>,
    resource: &str,
    peer: &str,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Result<Admission, EngineFailure> {
    if !instance.authenticates_on_worker() {
        return instance.authenticate(resource, peer, headers);
    }
    let (answered, answer) = oneshot::channel();
    let asked = Arc::clone(instance);
    let (resource, peer) = (resource.to_owned(), peer.to_owned());
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let work = move || {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        // If the client has gone, nobody waits for the answer, and the session is discarded.
        let _ = answered.send(asked.authenticate(&resource, &peer, headers));
    };
    instance.timely().submit(&Arc::<Lane>::default(), Box::new(work));
    answer.await.unwrap_or_else(|_| Err(EngineFailure::of_host(Callback::Authenticate, "the host ends")))
}

/// Checks the headers that an engine adds to a response.
///
/// # Errors
///
/// The headers cannot be sent.
pub fn check_headers(headers: &[(String, Vec<u8>)]) -> Result<(), String> {
    let (count, bytes) = (headers.len(), headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>());
    if count > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        return Err(format!(
            "it has {count} headers of {bytes} bytes; at most {MOST_HEADERS} of {MOST_HEADER_BYTES} bytes are sent"
        ));
    }
    for (name, value) in headers {
        if !is_token(name) {
            return Err(format!("{:?} is no header name", start_of(name)));
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(format!("the header {name} is the host's own"));
        }
        if !is_header_value(value) {
            return Err(format!("the header {name} holds a character that no header may hold, such as a line break"));
        }
    }
    Ok(())
}

/// Checks the subprotocol that an engine agrees on; an empty one is none. `offers` are the lines of the request's
/// `Sec-WebSocket-Protocol`.
///
/// # Errors
///
/// The client did not offer it (RFC 6455 section 4.2.2, 5, /subprotocol/).
pub fn check_subprotocol<'h>(subprotocol: &str, offers: impl Iterator<Item = &'h [u8]>) -> Result<(), String> {
    // A line with anything but ASCII is no list of tokens.
    let mut offered = offers.filter(|line| line.is_ascii()).flat_map(|line| line.split(|byte| *byte == b','));
    if subprotocol.is_empty() || offered.any(|name| name.trim_ascii() == subprotocol.as_bytes()) {
        return Ok(());
    }
    Err(format!("the client did not offer the subprotocol {:?}", start_of(subprotocol)))
}

/// A token of RFC 9110 section 5.6.2.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// RFC 9110 section 5.5: no control characters except for the tab.
pub fn is_header_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

/// The start of a text, short enough for a message.
fn start_of(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &[u8]) -> Result<(), String> {
        check_headers(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        assert_eq!(check("x-name", b"caf\xC3\xA9\tau lait"), Ok(()));
        for (name, value, expected) in [
            ("", b"" as &[u8], "is no header name"),
            ("x name", b"", "is no header name"),
            ("Upgrade", b"h2c", "is the host's own"),
            ("x-name", b"a\r\nb", "holds a character"),
            ("x-name", b"\x7f", "holds a character"),
        ] {
            let why = check(name, value).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        assert!(check("x", &[b'x'; MOST_HEADER_BYTES]).unwrap_err().contains("1 headers of 262145 bytes"));
    }

    /// RFC 6455 section 4.2.2: "the value chosen MUST be derived from the client's handshake".
    #[test]
    fn a_subprotocol_is_one_of_the_client_s_offers() {
        let offers: [&[u8]; 3] = [b"v1 ,\tv2,", b"v3", b"v4, caf\xC3\xA9"];
        for (subprotocol, is_offered) in [
            ("", true),
            ("v1", true),
            ("v2", true),
            ("v3", true),
            ("v4", false),
            ("v", false),
            ("V1", false),
            ("v1 ,\tv2", false),
        ] {
            assert_eq!(check_subprotocol(subprotocol, offers.into_iter()).is_ok(), is_offered, "{subprotocol}");
        }
        let why = check_subprotocol(&"x".repeat(1000), offers.into_iter()).unwrap_err();
        assert!(why.contains("did not offer") && why.len() < 200, "{why}");
    }
}
