//! The client's side of the opening handshake, RFC 6455 section 4.1: bytes to send, bytes that must come. No socket.
//!
//! The RFC wants a fresh key for each connection. Here one serves the whole run, as a mask does (see `ring`): drawing
//! keys and hashing them would be work for the generator alone; to the server it makes no difference.

use crate::target::Target;
use thiserror::Error;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

/// An answer's head is no longer than this.
const LONGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;

/// A request, and what its answer must say.
#[derive(Debug)]
pub(crate) struct Handshake {
    request: Vec<u8>,
    accept: String,
}

/// Why an answer is not the beginning of a WebSocket connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// It isn't HTTP.
    #[error("the answer is not HTTP ({0})")]
    NotHttp(httparse::Error),
    /// Its head has no end.
    #[error("the answer's head is longer than {LONGEST_HEAD} bytes")]
    TooLong,
    /// Another status than 101.
    #[error("the server answered {code}{}{reason}", if reason.is_empty() { "" } else { " " })]
    Status {
        /// The status code.
        code: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// A header is missing, or isn't what it should be.
    #[error("the answer's header {0} is missing or wrong")]
    Header(&'static str),
    /// Something that wasn't asked for, such as an extension.
    #[error("the answer has a header {0}, which was not asked for")]
    Unasked(&'static str),
}

impl Handshake {
    /// Prepares the request for this server.
    pub(crate) fn new(target: &Target) -> Handshake {
        let key = generate_key();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: wshost-bench\r\n\r\n",
            target.resource(),
            target.authority(),
        );
        Handshake { request: request.into_bytes(), accept: derive_accept_key(key.as_bytes()) }
    }

    /// The bytes to send.
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Checks what was received from the first byte on; `None` while more must come, and then the length of the head.
    ///
    /// # Errors
    ///
    /// RFC 6455 section 4.1: what a client MUST find before it may use the connection is not there.
    pub(crate) fn check(&self, received: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let len = match answer.parse(received).map_err(HandshakeError::NotHttp)? {
            httparse::Status::Complete(len) => len,
            httparse::Status::Partial if received.len() > LONGEST_HEAD => return Err(HandshakeError::TooLong),
            httparse::Status::Partial => return Ok(None),
        };
        let code = answer.code.unwrap_or_default();
        if code != 101 {
            return Err(HandshakeError::Status { code, reason: answer.reason.unwrap_or_default().to_owned() });
        }
        let value = |name: &str| {
            let named = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            named.and_then(|header| std::str::from_utf8(header.value).ok()).unwrap_or_default()
        };
        if !value("Upgrade").eq_ignore_ascii_case("websocket") {
            return Err(HandshakeError::Header("Upgrade"));
        }
        if !value("Connection").split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")) {
            return Err(HandshakeError::Header("Connection"));
        }
        if value("Sec-WebSocket-Accept").trim() != self.accept {
            return Err(HandshakeError::Header("Sec-WebSocket-Accept"));
        }
        for name in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
            if !value(name).is_empty() {
                return Err(HandshakeError::Unasked(name));
            }
        }
        Ok(Some(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> Handshake {
        Handshake::new(&"ws://127.0.0.1:9001/".parse().unwrap())
    }

    fn answer(accept: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        )
    }

    #[test]
    fn a_right_answer_is_taken_in_pieces() {
        let handshake = handshake();
        let answer = answer(&handshake.accept);
        for len in 0..answer.len() {
            assert_eq!(handshake.check(&answer.as_bytes()[..len]), Ok(None));
        }
        assert_eq!(handshake.check(answer.as_bytes()), Ok(Some(answer.len())));
        assert_eq!(handshake.check(format!("{answer}more").as_bytes()), Ok(Some(answer.len())));
    }

    #[test]
    fn a_wrong_answer_is_refused() {
        let handshake = handshake();
        let right = answer(&handshake.accept);
        let refused = |answer: &str| handshake.check(answer.as_bytes()).unwrap_err();
        let status = HandshakeError::Status { code: 404, reason: "Not Found".into() };
        assert_eq!(refused("HTTP/1.1 404 Not Found\r\n\r\n"), status);
        assert_eq!(status.to_string(), "the server answered 404 Not Found");
        assert!(matches!(refused("220 ready\r\n"), HandshakeError::NotHttp(_)));
        assert_eq!(refused(&answer("bm90IHRoaXM=")), HandshakeError::Header("Sec-WebSocket-Accept"));
        assert_eq!(refused(&right.replace("WebSocket", "h2c")), HandshakeError::Header("Upgrade"));
        assert_eq!(refused(&right.replace("keep-alive, Upgrade", "close")), HandshakeError::Header("Connection"));
        let compressed = right.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
        assert_eq!(refused(&compressed), HandshakeError::Unasked("Sec-WebSocket-Extensions"));
        let endless = format!("HTTP/1.1 101 Yes\r\nx: {}", "x".repeat(LONGEST_HEAD));
        assert_eq!(refused(&endless), HandshakeError::TooLong);
    }
}
