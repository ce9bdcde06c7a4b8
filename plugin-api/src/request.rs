//! The request that opened a connection.

use crate::abi::RequestView;
use std::borrow::Cow;

/// The handshake's HTTP request (RFC 6455 section 4.1). Valid during [`authenticate`](crate::Engine::authenticate).
#[derive(Clone, Copy)]
pub struct Request<'a> {
    view: &'a RequestView<'a>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(view: &'a RequestView<'a>) -> Self {
        Request { view }
    }

    /// Path and query as the client sent them, e.g. `/room?name=Ann`.
    pub fn resource(&self) -> &'a str {
        self.view.resource.as_str()
    }

    /// The path alone, such as `/room`, as the client wrote it: not percent-decoded, and with `.` and `..` unresolved.
    /// The host compares decoded paths, so a path that leads to an engine under `/room` may also read `/r%6Fom` or
    /// `/x/../room`.
    pub fn path(&self) -> &'a str {
        self.resource().split('?').next().unwrap_or_default()
    }

    /// The part after the first `?`, if there is one; not percent-decoded.
    pub fn query(&self) -> Option<&'a str> {
        self.resource().split_once('?').map(|(_, query)| query)
    }

    /// The value of a parameter of the query, decoded: for `/room?name=Ann+Lee`, `name` is `Ann Lee`.
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        form_urlencoded::parse(self.query()?.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first header of this name, case-insensitively, if its value is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, value)| str::from_utf8(value).ok())
    }

    /// All headers in the order sent: name in lower case, value as it came.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.view.headers.as_slice().iter().map(|header| (header.name.as_str(), header.value.as_slice()))
    }

    /// `Host`: the name by which the client reached the server.
    pub fn host(&self) -> Option<&'a str> {
        self.header("host")
    }

    /// `Origin`: the site whose page opened the connection; browsers always send it (RFC 6455 section 10.2).
    pub fn origin(&self) -> Option<&'a str> {
        self.header("origin")
    }

    /// `Sec-WebSocket-Version`. It is always 13 here, since the host refuses others (RFC 6455 section 4.4).
    pub fn version(&self) -> Option<u32> {
        self.header("sec-websocket-version")?.trim().parse().ok()
    }

    /// `Cache-Control`, as sent.
    pub fn cache_control(&self) -> Option<&'a str> {
        self.header("cache-control")
    }

    /// `Accept-Encoding`, as sent.
    pub fn accept_encoding(&self) -> Option<&'a str> {
        self.header("accept-encoding")
    }

    /// `Sec-WebSocket-Extensions`: the client's offers. The host negotiates them (RFC 6455 section 9.1).
    pub fn extensions(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.list("sec-websocket-extensions")
    }

    /// The subprotocols that the client offers, in its order of preference (RFC 6455 section 1.9).
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.list("sec-websocket-protocol")
    }

    /// The elements of a list header, which may come in several lines.
    fn list(&self, header: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers()
            .filter(move |(name, _)| *name == header)
            .filter_map(|(_, value)| str::from_utf8(value).ok())
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|element| !element.is_empty())
    }

    /// The value of a cookie, if the client sent it (RFC 6265 section 5.4).
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        self.headers()
            .filter(|(header, _)| *header == "cookie")
            .filter_map(|(_, value)| str::from_utf8(value).ok())
            .flat_map(|list| list.split(';'))
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim())
    }

    /// The address of the peer as text, e.g. `192.0.2.1:4711`.
    pub fn peer(&self) -> &'a str {
        self.view.peer.as_str()
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} from {})", self.resource(), self.peer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::HeaderView;

    #[test]
    fn finds_headers_cookies_and_query() {
        let headers = [
            HeaderView { name: "host".into(), value: b"example.org".as_slice().into() },
            HeaderView { name: "cookie".into(), value: b"a=1; token = x=y ;empty=; bare".as_slice().into() },
            HeaderView { name: "sec-websocket-protocol".into(), value: b"chat, v2".as_slice().into() },
        ];
        let view = RequestView {
            resource: "/room?name=Ann?".into(),
            headers: headers.as_slice().into(),
            peer: "[::1]:80".into(),
        };
        let request = Request::new(&view);
        assert_eq!(request.host(), Some("example.org"));
        assert_eq!(request.header("HOST"), Some("example.org"));
        assert_eq!((request.path(), request.query()), ("/room", Some("name=Ann?")));
        assert_eq!(request.query_value("name").as_deref(), Some("Ann?"));
        assert_eq!(request.query_value("nam"), None);
        assert_eq!(request.cookie("a"), Some("1"));
        assert_eq!(request.cookie("token"), Some("x=y"));
        assert_eq!(request.cookie("empty"), Some(""));
        assert_eq!(request.cookie("bare"), None);
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "v2"]);
        assert_eq!(request.origin(), None);
    }
}
