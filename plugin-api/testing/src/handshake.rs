//! A client that asks to connect, and how it is turned away.

use crate::client::{TestClient, header};
use crate::link::Link;
use crate::report::EngineFailure;
use crate::rig::{Asks, Outcome};
use crate::world::World;
use plugin_api::hosting::Callback;
use std::fmt;
use std::rc::Rc;
use wshost_core::protocol::deflate;
use wshost_core::serving::admission::{is_header_value, is_token};

/// What a client offers if it can inflate (RFC 7692 section 7).
const DEFLATE: &str = "permessage-deflate";

/// The headers that every handshake has (RFC 6455 section 4.1).
const OF_EVERYONE: [(&str, &str); 5] = [
    ("host", "localhost"),
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A request to connect: [`TestHost::request`](crate::TestHost::request) begins it, and `connect` or `offer` sends it.
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
    pub(crate) fn new(world: &Rc<World>, resource: &str) -> Self {
        let valid = resource.starts_with('/') && !resource.contains(|c: char| c == '#' || c.is_control() || c == ' ');
        assert!(valid, "{resource:?} is no path with a query, such as /chat?name=alice");
        let headers = OF_EVERYONE.map(|(name, value)| (name.to_owned(), value.into())).into();
        Handshake { world: Rc::clone(world), resource: resource.to_owned(), peer: None, headers, cookies: Vec::new() }
    }

    /// Adds a header; one of those that every handshake has is replaced.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.to_ascii_lowercase(), value.as_ref());
        assert!(is_token(&name), "{name:?} is no name of a header");
        assert!(is_header_value(value), "the header {name} holds a character that no header may hold");
        if OF_EVERYONE.iter().any(|(other, _)| *other == name) {
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
        assert!(is_token(name), "{name:?} is no name of a subprotocol");
        self.header("sec-websocket-protocol", name)
    }

    /// Offers to compress messages (RFC 7692): see [`Options::compression`](crate::Options::compression). What the host
    /// compresses is inflated before the test sees it, and what the client sends is compressed.
    pub fn compress(self) -> Self {
        self.header("sec-websocket-extensions", DEFLATE)
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
    /// If the engine does not accept the client.
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
    /// The response by which the engine rejects the client; status 500 if it panics, or answers with a header or a
    /// subprotocol that cannot be sent, which [`TestHost::failures`](crate::TestHost::failures) tells.
    #[track_caller]
    pub fn offer(mut self) -> Result<TestClient, Rejected> {
        let world = Rc::clone(&self.world);
        let mount = world.mount().expect("this host was shut down, nobody can connect any more");
        let number = world.last_client.get() + 1;
        world.last_client.set(number);
        let peer = self.peer.take().unwrap_or_else(|| format!("192.0.2.1:{}", 40_000 + number % 20_000));
        if !self.cookies.is_empty() {
            self.headers.push(("cookie".to_owned(), self.cookies.join("; ").into()));
        }
        let accepted = self.accepted_offer();
        let agreed = accepted.as_ref().map(|accepted| accepted.agreed);
        let asks =
            Asks { resource: self.resource, peer: peer.clone(), headers: self.headers, deflate: agreed, event_loop: 0 };
        world.act(|| {
            let attempt = world.rig().connect(&mount, asks);
            let outcome = world.answer(&attempt);
            match outcome {
                Outcome::Open { client, headers } => {
                    let link = Rc::new(Link::new(attempt.peer, client, agreed));
                    world.add(&link);
                    world.records.note_client(&peer, world.client(&link.client).id());
                    let headers = headers.into_iter().map(|(name, value)| (name, text_of(value))).collect();
                    Ok(TestClient::new(Rc::clone(&world), link, headers, accepted.map(|accepted| accepted.response)))
                }
                Outcome::Rejected { status, headers, body } => {
                    let headers = headers.into_iter().map(|(name, value)| (name, text_of(value))).collect();
                    Err(Rejected { status, headers, body })
                }
                Outcome::Unsendable(message) => {
                    let callback = Callback::Authenticate.name();
                    let failure = EngineFailure { callback, message, location: String::new(), client: None };
                    world.records.note_failure(failure, "");
                    Err(Rejected {
                        status: 500,
                        headers: Vec::new(),
                        body: b"The engine's response cannot be sent.\n".to_vec(),
                    })
                }
            }
        })
    }

    /// What comes of the client's offers to compress.
    fn accepted_offer(&self) -> Option<deflate::Accepted> {
        let offers = self.headers.iter().filter(|(name, _)| name == "sec-websocket-extensions");
        let offers = offers.filter_map(|(_, offer)| std::str::from_utf8(offer).ok());
        deflate::negotiate(offers, self.world.compression.as_ref()?)
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

fn text_of(value: Vec<u8>) -> String {
    String::from_utf8_lossy(&value).into_owned()
}
