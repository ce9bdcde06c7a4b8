//! Decides which of a client's offers to accept, and words the response (RFC 7692 sections 5 and 7.1).
//!
//! It sees only the values of `Sec-WebSocket-Extensions`. An offer is either understood in full or declined. If none of
//! a client's offers is accepted, the connection has no compression.

use super::{Agreed, Compression, Reach};
use std::fmt::Write;

/// The extension's registered name (RFC 7692 section 9.1).
const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The meaning of an offer without a window parameter: the largest window (RFC 7692 section 7.1.2).
const MAX_WINDOW_BITS: u8 = 15;
/// The smallest window that zlib can compress with. It turns 8 into 9, so the client could not follow.
const MIN_SERVER_WINDOW_BITS: u8 = 9;

/// An accepted offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The agreement for the connection.
    pub agreed: Agreed,
    /// The value of the response's `Sec-WebSocket-Extensions`.
    pub response: String,
}

/// Accepts the first offer that can be accepted, in the client's order of preference. `None` if there is none.
///
/// `headers` are the values of all `Sec-WebSocket-Extensions` headers of the request, which count as one list
/// (RFC 6455 section 9.1).
pub fn negotiate<'h>(headers: impl IntoIterator<Item = &'h str>, ours: &Compression) -> Option<Accepted> {
    let offers = headers.into_iter().flat_map(|header| split_unquoted(header, ','));
    offers.filter_map(Offer::parse).find_map(|offer| offer.accept(ours))
}

/// The parameters of one offer of this extension.
#[derive(Debug, Default, PartialEq, Eq)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// `Some(None)` is the parameter without a value.
    client_max_window_bits: Option<Option<u8>>,
}

impl Offer {
    /// Returns `None` if `text` is another extension, is malformed, or must be declined. RFC 7692 section 7.1: a server
    /// "MUST decline an extension negotiation offer for this extension if" it contains a parameter that is not defined,
    /// has an invalid value, or comes twice.
    fn parse(text: &str) -> Option<Offer> {
        let mut parts = split_unquoted(text, ';').map(trim);
        if parts.next()? != NAME {
            return None;
        }
        let mut offer = Offer::default();
        for part in parts {
            offer.add(part)?;
        }
        Some(offer)
    }

    fn add(&mut self, parameter: &str) -> Option<()> {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (trim(name), Some(unquoted(trim(value))?)),
            None => (parameter, None),
        };
        match (name, value) {
            (SERVER_NO_CONTEXT_TAKEOVER, None) => once(&mut self.server_no_context_takeover),
            (CLIENT_NO_CONTEXT_TAKEOVER, None) => once(&mut self.client_no_context_takeover),
            (SERVER_MAX_WINDOW_BITS, Some(bits)) if self.server_max_window_bits.is_none() => {
                self.server_max_window_bits = Some(window_bits(bits)?);
                Some(())
            }
            (CLIENT_MAX_WINDOW_BITS, bits) if self.client_max_window_bits.is_none() => {
                self.client_max_window_bits = Some(match bits {
                    Some(bits) => Some(window_bits(bits)?),
                    None => None,
                });
                Some(())
            }
            _ => None,
        }
    }

    /// Answers the offer. Returns `None` if the server cannot do what it asks for.
    fn accept(&self, ours: &Compression) -> Option<Accepted> {
        // RFC 7692 section 7.1.2.1: the server accepts "with the same or smaller value".
        let server_bits = self.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS).min(ours.window_bits);
        if server_bits < MIN_SERVER_WINDOW_BITS {
            return None;
        }
        let server = Reach {
            context_takeover: ours.context_takeover && !self.server_no_context_takeover,
            window_bits: server_bits,
        };
        let client = Reach {
            context_takeover: ours.context_takeover && !self.client_no_context_takeover,
            window_bits: self.client_max_window_bits.flatten().unwrap_or(MAX_WINDOW_BITS),
        };

        let mut response = NAME.to_owned();
        // Sections 7.1.1.1 and 7.1.1.2: both may be in a response whether or not they were offered.
        for (takes_over, parameter) in [
            (server.context_takeover, SERVER_NO_CONTEXT_TAKEOVER),
            (client.context_takeover, CLIENT_NO_CONTEXT_TAKEOVER),
        ] {
            if !takes_over {
                let _ = write!(response, "; {parameter}");
            }
        }
        if self.server_max_window_bits.is_some() || server_bits < MAX_WINDOW_BITS {
            let _ = write!(response, "; {SERVER_MAX_WINDOW_BITS}={server_bits}");
        }
        // Section 7.1.2.2: a server "MUST NOT" answer with this parameter if it was not offered. The server agrees to
        // any offered value, since it has no preference.
        if let Some(Some(bits)) = self.client_max_window_bits {
            let _ = write!(response, "; {CLIENT_MAX_WINDOW_BITS}={bits}");
        }
        Some(Accepted { agreed: Agreed { server, client }, response })
    }
}

/// Notes a parameter that has no value.
fn once(seen: &mut bool) -> Option<()> {
    if std::mem::replace(seen, true) { None } else { Some(()) }
}

/// RFC 7692 section 7.1.2: "a decimal integer value without leading zeroes between 8 to 15 inclusive".
fn window_bits(value: &str) -> Option<u8> {
    match value.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// A parameter's value. RFC 6455 section 9.1: a quoted value is a token as well, without its quotes and backslashes.
/// None of this extension's values needs a backslash, so backslashes are not supported.
fn unquoted(value: &str) -> Option<&str> {
    let Some(rest) = value.strip_prefix('"') else { return Some(value) };
    rest.strip_suffix('"')
}

/// White space between the parts of a header's list (RFC 9110 section 5.6.3).
fn trim(part: &str) -> &str {
    part.trim_matches([' ', '\t'])
}

/// Splits at each `separator` outside of quotes.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return character == separator && !quoted,
        }
        false
    })
}
