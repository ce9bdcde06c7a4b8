//! The host that a request names (RFC 9112 section 3.2): it must be there once, and valid.

use ::http::header::HOST;
use ::http::request::Parts;
use ::http::{HeaderValue, Version};
use std::net::Ipv6Addr;

/// Why a request is refused because of the host that it names.
///
/// RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
/// lacks a Host header field and to any request message that contains more than one Host header field line or a Host
/// header field with an invalid field value."
pub(super) fn fault(parts: &Parts) -> Option<&'static str> {
    let mut hosts = parts.headers.get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Some("the Host header must be there once"),
        (None, None) if parts.version >= Version::HTTP_11 => Some("the Host header is missing"),
        (Some(host), None) if !is_valid(host.as_bytes()) => Some("the Host header names no host"),
        _ => match parts.uri.authority() {
            Some(authority) if !is_valid(authority.as_str().as_bytes()) => Some("its target names no host"),
            _ => None,
        },
    }
}

/// Puts the host of a target in absolute form into the Host header.
///
/// RFC 9112 section 3.2.2: "the origin server MUST ignore the received Host header field (if any) and instead use the host
/// information of the request-target".
pub(super) fn of_target(parts: &mut Parts) {
    let host = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        parts.headers.insert(HOST, host);
    }
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110 section 7.2). It may be empty, for a target without a host.
fn is_valid(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((literal, behind)) if is_ip_literal(literal) => (None, behind),
            _ => return false,
        },
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Some(host), port)
        }
    };
    let digits = port.strip_prefix(':').unwrap_or("");
    let is_port = port.is_empty() || port.starts_with(':');
    // RFC 3986 section 3.2.3: the port after the colon may be empty.
    let is_number =
        digits.is_empty() || digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok();
    is_port && is_number && host.is_none_or(is_name)
}

/// RFC 3986 section 3.2.2: `reg-name`, which includes IPv4 addresses.
fn is_name(host: &str) -> bool {
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                [bytes.next(), bytes.next()].iter().flatten().filter(|digit| digit.is_ascii_hexdigit()).count() == 2
            }
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether this may stand in brackets: an IPv6 address, or a later kind: `v`, its version in hexadecimal, a point, and
/// more.
fn is_ip_literal(text: &str) -> bool {
    let is_later =
        text.strip_prefix(['v', 'V']).and_then(|later| later.split_once('.')).is_some_and(|(version, address)| {
            let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_version && !address.is_empty() && !address.contains('%') && address.split(':').all(is_name)
        });
    is_later || text.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for valid in [
            "",
            "localhost",
            "a.example:80",
            "127.0.0.1:9001",
            "a:",
            "[::1]",
            "[::1]:80",
            "[v1.a:b]",
            "caf%C3%A9",
            "a_b",
        ] {
            assert!(is_valid(valid.as_bytes()), "{valid}");
        }
        for invalid in [
            "a b",
            "a, b",
            "a/b",
            "http://a",
            "user@a",
            "a:b",
            "a:80:90",
            "a:70000",
            "a:+1",
            ":::",
            "[::1",
            "::1",
            "[::1]x",
            "[]",
            "[a]",
            "[v.a]",
            "[::1%25eth0]",
            "a?b",
            "a#b",
            "a\\b",
            "a%4",
            "a%zz",
            "é",
            "<a>",
            "\"a\"",
        ] {
            assert!(!is_valid(invalid.as_bytes()), "{invalid}");
        }
        assert!(!is_valid(b"\xff"));
    }

    fn parts(target: &str, version: Version, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_names_its_host_once() {
        let is_fault = |target, version, hosts: &[&str]| fault(&parts(target, version, hosts)).is_some();
        assert!(!is_fault("/", Version::HTTP_11, &["a"]));
        assert!(is_fault("/", Version::HTTP_11, &[]));
        assert!(!is_fault("/", Version::HTTP_10, &[]), "HTTP/1.0 had none");
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(is_fault("/", version, &["a", "a"]));
            assert!(is_fault("/", version, &["a b"]));
            assert!(is_fault("http://user@b/", version, &["a"]));
        }
        assert!(is_fault("http://b/", Version::HTTP_11, &[]), "even if the target has one");
    }

    #[test]
    fn the_host_of_the_target_counts() {
        let mut absolute = parts("http://b:80/x", Version::HTTP_11, &["a"]);
        of_target(&mut absolute);
        assert_eq!(absolute.headers.get_all(HOST).iter().collect::<Vec<_>>(), ["b:80"]);
        let mut relative = parts("/x", Version::HTTP_11, &["a"]);
        of_target(&mut relative);
        assert_eq!(relative.headers[HOST], "a");
    }
}
