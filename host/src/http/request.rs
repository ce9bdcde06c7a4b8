//! Classifies a request, and checks whether it is a valid handshake (RFC 6455 section 4.2.1).

use super::host;
use ::http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Method, Version};

/// The object of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A WebSocket, with this key.
    WebSocket { key: String },
    /// A page or a file, for a browser that visits the host.
    Page,
}

/// Why a request is refused before anybody is asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// The method is neither GET nor HEAD.
    Method,
    /// The request breaks HTTP or RFC 6455 section 4.2.1.
    Request(&'static str),
    /// The client uses another version of the protocol (RFC 6455 section 4.4).
    Version,
    /// The path and query are too long.
    Target,
}

/// Classifies a request, whose path and query may have this many bytes.
pub(super) fn sort(parts: &Parts, max_target_bytes: usize) -> Result<Asked, Invalid> {
    if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > max_target_bytes) {
        return Err(Invalid::Target);
    }
    if let Some(why) = host::fault(parts) {
        return Err(Invalid::Request(why));
    }
    if matches!(parts.method, Method::GET | Method::HEAD) && !parts.uri.path().starts_with('/') {
        // RFC 9112 section 3.2: only OPTIONS and CONNECT have other targets.
        return Err(Invalid::Request("its target is no path"));
    }
    if parts.method == Method::HEAD {
        return Ok(Asked::Page);
    }
    // 4.2.1, 1: an HTTP/1.1 or higher GET request.
    if parts.method != Method::GET {
        return Err(Invalid::Method);
    }
    // 4.2.1, 3: an Upgrade header that contains "websocket".
    if !has_token(&parts.headers, &UPGRADE, "websocket") {
        return Ok(Asked::Page);
    }
    if parts.version < Version::HTTP_11 {
        return Err(Invalid::Request("an upgrade needs HTTP/1.1"));
    }
    // 4.2.1, 4: a Connection header that contains "upgrade".
    if !has_token(&parts.headers, &CONNECTION, "upgrade") {
        return Err(Invalid::Request("Upgrade: websocket needs Connection: Upgrade"));
    }
    // Only frames may follow the head. A body could smuggle one past a proxy.
    if has_body(&parts.headers) {
        return Err(Invalid::Request("an upgrade has no body"));
    }
    // 4.2.1, 6
    if parts.headers.get_all(SEC_WEBSOCKET_VERSION).iter().nth(1).is_some() {
        return Err(Invalid::Request("Sec-WebSocket-Version must be there once"));
    }
    if single(&parts.headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Invalid::Version);
    }
    // 4.2.1, 5
    match single(&parts.headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key)) {
        Some(key) => Ok(Asked::WebSocket { key: key.to_owned() }),
        None => Err(Invalid::Request("Sec-WebSocket-Key must be there once, as 16 bytes in base64")),
    }
}

/// Whether a body follows. A length of 0 announces none: proxies and devices send it with every request.
fn has_body(headers: &HeaderMap) -> bool {
    let is_zero = |length: &HeaderValue| {
        let lengths = length.to_str().unwrap_or_default().split(',').map(str::trim);
        lengths.into_iter().all(|length| !length.is_empty() && length.bytes().all(|digit| digit == b'0'))
    };
    headers.contains_key(TRANSFER_ENCODING) || !headers.get_all(CONTENT_LENGTH).iter().all(is_zero)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|one| one.eq_ignore_ascii_case(token))
}

/// The elements of a comma-separated header, which may come in several lines.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter();
    lines.filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

/// The value of a header that may occur only once.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok().map(str::trim) }
}

/// Whether this is base64 of 16 bytes: 22 characters of its alphabet and two of padding.
fn is_key(key: &str) -> bool {
    let Some(digits) = key.strip_suffix("==") else { return false };
    digits.len() == 22 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
