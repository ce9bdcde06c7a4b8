//! A client that asks to connect, and how it is turned away.

use super::boundary::Answer;
use super::client::TestClient;
use super::remote::Remote;
use super::report::EngineFailure;
use super::world::World;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// Headers of the response that are the host's own to write, in lower case.
const RESERVED: [&str; 7] = [
    "connection",
    "content-length",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "transfer-encoding",
    "upgrade",
];

/// A request to connect: [`TestHost::request`](super::TestHost::request) begins it, and `connect` or `offer` sends it.
///
/// It has the headers that every handshake has (RFC 6455 section 4.1), with `Host: localhost`.
#[must_use = "a handshake is not made until `connect` or `offer`"]
pub struct Handshake {
    world: Rc<World>,
    resource: String,
    peer: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    cookies: Vec<String>,
}

/// The answer to a client that may not connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The HTTP status.
    pub status: u16,
    /// The headers that the engine added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Handshake {
    #[track_caller]
    pub(super) fn new(world: &Rc<World>, resource: &str) -> Self {
        let valid = resource.starts_with('/') && !resource.contains(|c: char| c == '#' || c.is_control() || c == ' ');
        assert!(valid, "{resource:?} is no path with a query, such as /chat?name=alice");
        let fixed = [
            ("host", "localhost"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let headers = fixed.map(|(name, value)| (name.to_owned(), value.into())).into();
        Handshake { world: Rc::clone(world), resource: resource.to_owned(), peer: None, headers, cookies: Vec::new() }
    }

    /// Adds a header; one of those that every handshake has is replaced.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.to_ascii_lowercase(), value.as_ref());
        assert!(is_header_name(&name), "{name:?} is no name of a header");
        assert!(is_header_value(value), "the header {name} holds a character that no header may hold");
        if matches!(name.as_str(), "host" | "sec-websocket-key" | "sec-websocket-version") {
            self.headers.retain(|(other, _)| *other != name);
        }
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Adds a cookie.
    #[track_caller]
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        let pair = format!("{name}={value}");
        let valid = is_header_value(pair.as_bytes()) && !pair.contains(';') && !name.contains('=');
        assert!(valid, "{pair:?} is no cookie");
        self.cookies.push(pair);
        self
    }

    /// Offers a subprotocol, behind those offered before.
    #[track_caller]
    pub fn subprotocol(self, name: &str) -> Self {
        assert!(is_header_name(name), "{name:?} is no name of a subprotocol");
        self.header("sec-websocket-protocol", name)
    }

    /// Sets the peer's address. Without this, each client has a port of its own at 192.0.2.1.
    pub fn peer(mut self, address: &str) -> Self {
        self.peer = Some(address.to_owned());
        self
    }

    /// Connects.
    ///
    /// # Panics
    ///
    /// Where the engine does not accept the client.
    #[track_caller]
    pub fn connect(self) -> TestClient {
        let resource = self.resource.clone();
        match self.offer() {
            Ok(client) => client,
            Err(rejected) => panic!("the client of {resource} is rejected: {rejected}"),
        }
    }

    /// Asks to connect.
    ///
    /// # Errors
    ///
    /// The response by which the engine rejects the client; status 500 where it panics, or accepts with a header or a
    /// subprotocol that cannot be sent, which [`TestHost::failures`](super::TestHost::failures) tells.
    #[track_caller]
    pub fn offer(mut self) -> Result<TestClient, Rejected> {
        let world = Rc::clone(&self.world);
        let instance = world.instance().expect("this host was shut down, nobody can connect any more");
        let number = world.last_client.get() + 1;
        world.last_client.set(number);
        let peer = self.peer.take().unwrap_or_else(|| format!("192.0.2.1:{}", 40_000 + number % 20_000));
        if !self.cookies.is_empty() {
            self.headers.push(("cookie".to_owned(), self.cookies.join("; ").into()));
        }
        world.act(|| {
            let failed = |failure| {
                world.services.report(failure, None);
                Rejected { status: 500, headers: Vec::new(), body: b"The engine failed.\n".to_vec() }
            };
            match instance.authenticate(&self.resource, &peer, &self.headers).map_err(failed)? {
                Answer::Reject(rejected) => Err(sendable(rejected).unwrap_or_else(failed)),
                Answer::Accept { session, subprotocol, headers } => {
                    self.check_acceptance(&subprotocol, &headers).map_err(failed)?;
                    let services = Arc::clone(&world.services);
                    let remote = Arc::new(Remote::new(number, &peer, &self.resource, &subprotocol, services));
                    let connection = world.open(&remote, session);
                    Ok(TestClient::new(Rc::clone(&world), connection, remote, headers))
                }
            }
        })
    }

    /// Whether the engine's part of the response can be sent.
    fn check_acceptance(&self, subprotocol: &str, headers: &[(String, String)]) -> Result<(), EngineFailure> {
        check_headers(headers)?;
        let offered = self.headers.iter().filter(|(name, _)| name == "sec-websocket-protocol");
        let mut offered = offered.flat_map(|(_, value)| value.split(|byte| *byte == b','));
        if subprotocol.is_empty() || offered.any(|name| name.trim_ascii() == subprotocol.as_bytes()) {
            return Ok(());
        }
        Err(bad_response(format!("the client did not offer the subprotocol {subprotocol:?}")))
    }
}

impl Rejected {
    /// The first header of this name, case-insensitively.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}, {:?}", self.status, self.text())
    }
}

impl std::error::Error for Rejected {}

/// The value of the first header of this name.
pub(super) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// An engine's headers at most, in number and in bytes.
const MOST_HEADERS: usize = 1000;
const MOST_HEADER_BYTES: usize = 256 * 1024;

/// A refusal as the host sends it: with another status, where the engine's is none for a refusal.
fn sendable(mut rejected: Rejected) -> Result<Rejected, EngineFailure> {
    check_headers(&rejected.headers)?;
    if !(400..600).contains(&rejected.status) {
        rejected.status = 500;
    }
    Ok(rejected)
}

fn check_headers(headers: &[(String, String)]) -> Result<(), EngineFailure> {
    let (count, bytes) = (headers.len(), headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>());
    if count > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        let why = format!(
            "it has {count} headers of {bytes} bytes; at most {MOST_HEADERS} of {MOST_HEADER_BYTES} bytes are sent"
        );
        return Err(bad_response(why));
    }
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if !is_header_name(&lower) {
            return Err(bad_response(format!("{name:?} is no header name")));
        }
        if RESERVED.contains(&lower.as_str()) {
            return Err(bad_response(format!("the header {name} is the host's own")));
        }
        if !is_header_value(value.as_bytes()) {
            return Err(bad_response(format!("the header {name} holds a character that no header may hold")));
        }
    }
    Ok(())
}

fn bad_response(why: String) -> EngineFailure {
    EngineFailure::of_host("authenticate", why)
}

/// A token of RFC 9110 section 5.6.2.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// RFC 9110 section 5.5: no control characters but for the tab.
fn is_header_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}
