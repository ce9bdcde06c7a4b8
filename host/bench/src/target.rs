//! The address of the server, as on the command line, and its parts. Nothing here opens a socket.

use http::Uri;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    /// Not a WebSocket server, but one that echoes bytes.
    raw: bool,
}

/// Why an address is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadTarget {
    /// TLS, which would be measured together with the server.
    #[error("wss:// (TLS) is not supported; give a ws:// address of the same server")]
    Tls,
    /// Another scheme, or none.
    #[error("give it as ws://HOST:PORT/PATH")]
    Scheme,
    /// No host, or something that cannot stand in an address.
    #[error("it is no address; give it as ws://HOST:PORT/PATH")]
    Malformed,
}

impl Target {
    /// The host's name, or its address without brackets.
    pub(crate) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// 80 if the address has none, RFC 6455 section 3.
    pub(crate) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(80)
    }

    /// For the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    /// The path and the query.
    pub(crate) fn resource(&self) -> &str {
        self.uri.path_and_query().map_or("/", |resource| resource.as_str())
    }

    /// Whether it is no WebSocket server, but one that echoes bytes (`tcp://`).
    pub(crate) fn is_raw(&self) -> bool {
        self.raw
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let uri: Uri = text.parse().map_err(|_| BadTarget::Malformed)?;
        let raw = match uri.scheme_str() {
            Some("ws") => false,
            Some("tcp") => true,
            Some("wss" | "https") => return Err(BadTarget::Tls),
            _ => return Err(BadTarget::Scheme),
        };
        let host = uri.host().unwrap_or_default();
        if host.is_empty() || uri.port_u16() == Some(0) {
            return Err(BadTarget::Malformed);
        }
        Ok(Target { uri, raw })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_perhaps_more() {
        let target = |text: &str| text.parse::<Target>().unwrap();
        let plain = target("ws://localhost");
        assert_eq!(
            (plain.host(), plain.port(), plain.authority(), plain.resource()),
            ("localhost", 80, "localhost", "/")
        );
        let full = target("ws://me@[::1]:9001/chat?room=1");
        assert_eq!((full.host(), full.port()), ("::1", 9001));
        assert_eq!((full.authority(), full.resource()), ("[::1]:9001", "/chat?room=1"));
        assert!(target("tcp://127.0.0.1:7/").is_raw() && !full.is_raw());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let refused = |text: &str| text.parse::<Target>().unwrap_err();
        assert_eq!(refused("wss://example.org/"), BadTarget::Tls);
        assert_eq!(refused("http://example.org/"), BadTarget::Scheme);
        assert_eq!(refused("127.0.0.1:9001"), BadTarget::Scheme);
        assert_eq!(refused("ws://"), BadTarget::Malformed);
        assert_eq!(refused("ws://a b/"), BadTarget::Malformed);
        assert_eq!(refused("ws://a:0/"), BadTarget::Malformed);
    }
}
