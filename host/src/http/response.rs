//! Responses, each checked before it is sent.

use super::file_body::FileBody;
use ::http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use ::http::request::Parts;
use ::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{Either, Full};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wshost_core::serving::admission::{check_headers, check_subprotocol};

pub(super) type Answer = Response<Either<Full<Bytes>, FileBody>>;

/// The 101 that opens a connection (RFC 6455 section 4.2.2, 5).
///
/// # Errors
///
/// A part of the engine's response cannot be sent.
pub(super) fn switching(
    parts: &Parts,
    key: &str,
    protocol: Option<&str>,
    extensions: Option<&str>,
    headers: &[(String, Vec<u8>)],
) -> Result<Answer, String> {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    add(answer.headers_mut(), headers)?;
    if let Some(protocol) = protocol {
        let offers = parts.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        check_subprotocol(protocol, offers.map(HeaderValue::as_bytes))?;
        let value = HeaderValue::from_str(protocol).map_err(|_| format!("{protocol:?} is no subprotocol"))?;
        answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|error| error.to_string())?;
    if let Some(extensions) = extensions {
        let value = HeaderValue::from_str(extensions).map_err(|error| error.to_string())?;
        answer.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, value);
    }
    let own = answer.headers_mut();
    own.insert(UPGRADE, HeaderValue::from_static("websocket"));
    own.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    own.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(answer)
}

/// The engine's own refusal.
///
/// # Errors
///
/// A part of it cannot be sent.
pub(super) fn rejection(status: u16, headers: &[(String, Vec<u8>)], body: Vec<u8>) -> Result<Answer, String> {
    let status = StatusCode::from_u16(status).map_err(|_| format!("{status} is no HTTP status"))?;
    let mut answer = closing(status, whole(body));
    add(answer.headers_mut(), headers)?;
    Ok(answer)
}

/// A refusal with one sentence.
pub(super) fn refusal(status: StatusCode, why: &str) -> Answer {
    let mut answer = closing(status, whole(format!("{why}\n")));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    match status {
        // RFC 9110 section 15.5.6
        StatusCode::METHOD_NOT_ALLOWED => {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        StatusCode::UPGRADE_REQUIRED => upgrade_required(&mut answer),
        StatusCode::SERVICE_UNAVAILABLE => {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    answer
}

/// A page. With 426, it names the protocol that serves the path (RFC 9110 section 15.5.22).
pub(super) fn page(status: StatusCode, html: String) -> Answer {
    let mut answer = closing(status, whole(html));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if status == StatusCode::UPGRADE_REQUIRED {
        upgrade_required(&mut answer);
    }
    answer
}

/// Sends the client to another path of this host.
///
/// # Errors
///
/// The path cannot stand in a header.
pub(super) fn moved(to: &str) -> Result<Answer, String> {
    let mut answer = refusal(StatusCode::MOVED_PERMANENTLY, &format!("It is at {to}."));
    // A path may contain plain UTF-8, and a header is ASCII.
    let encoded = utf8_percent_encode(to, CONTROLS).to_string();
    let location = HeaderValue::from_str(&encoded).map_err(|_| format!("{to:?} cannot stand in a header"))?;
    answer.headers_mut().insert(LOCATION, location);
    Ok(answer)
}

fn upgrade_required(answer: &mut Answer) {
    let headers = answer.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade, close"));
    // RFC 6455 section 4.4
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
}

/// A response after which the connection ends, so that requests pipelined behind this one are ignored.
pub(super) fn closing(status: StatusCode, body: Either<Full<Bytes>, FileBody>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn whole(body: impl Into<Bytes>) -> Either<Full<Bytes>, FileBody> {
    Either::Left(Full::new(body.into()))
}

fn add(to: &mut HeaderMap, headers: &[(String, Vec<u8>)]) -> Result<(), String> {
    check_headers(headers)?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        let value = HeaderValue::from_bytes(value).map_err(|error| error.to_string())?;
        to.try_append(name, value).map_err(|error| error.to_string())?;
    }
    Ok(())
}
