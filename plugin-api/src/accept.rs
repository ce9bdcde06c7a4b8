//! The two answers to a client that asks to connect.

/// The client may connect.
#[derive(Debug, Default)]
pub struct Accept<S> {
    pub(crate) session: S,
    pub(crate) subprotocol: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl<S> Accept<S> {
    /// Accepts with this session.
    pub fn new(session: S) -> Self {
        Accept { session, subprotocol: String::new(), headers: Vec::new() }
    }

    /// Agrees on a subprotocol, one of those that the [request](crate::Request::subprotocols) offers.
    ///
    /// A subprotocol that was not offered fails the handshake with status 500 and a line in the host's log.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = name.into();
        self
    }

    /// Adds a header to the response, such as `Set-Cookie`.
    ///
    /// The handshake fails with status 500 and a line in the host's log if a header contains a line break or is one of
    /// the handshake's own, or if there are more than 1,000 headers or 256 KiB of them.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// The client may not connect: it gets this HTTP response instead of the handshake's.
#[derive(Clone, Debug)]
pub struct Reject {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reject {
    /// Rejects with this HTTP status, 400 to 599. Any other status is sent as 500, with a line in the host's log.
    pub fn new(status: u16) -> Self {
        Reject { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Rejects with 401: the client has not shown who it is.
    pub fn unauthorized() -> Self {
        Reject::new(401)
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body of the response.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}
