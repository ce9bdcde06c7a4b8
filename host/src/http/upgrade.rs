//! Serves HTTP on a connection until it speaks WebSocket, or is over.

use super::deadline::Deadline;
use super::decision::{Decision, HttpError};
use super::folder::{Folder, Found};
use super::limits::HttpLimits;
use super::request::{Asked, Invalid, sort};
use super::response::{self, Answer};
use super::site::{Site, SiteEngine};
use super::{file, host, page};
use crate::descriptors;
use ::http::request::Parts;
use ::http::{Request, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long, and for how many bytes, a refused client may go on sending. Closing a socket with unread bytes makes the
/// kernel reset the connection, and the client could lose our answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 4 * 1024 * 1024;

/// The answer to a client whose request is incomplete when the server ends.
const ENDING: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 23\r\nretry-after: 5\r\nconnection: close\r\n\r\n\
    The server is ending.\r\n";

/// A connection that speaks WebSocket from here on.
#[derive(Debug)]
pub(crate) struct Upgraded<S, T> {
    /// The stream, with the response written to it.
    pub io: S,
    /// The client's bytes after its request.
    pub leftover: Bytes,
    /// The value that the decision wanted to keep.
    pub keep: T,
}

/// Serves HTTP on `stream` until it is upgraded, or over (`None`: a page was shown, or there was no request).
///
/// `decide` is called at most once, with a request that is a valid handshake; it may await. Once `ending` is done, no
/// request is waited for any more: an incomplete one is answered with 503, and a complete one gets its answer.
///
/// # Errors
///
/// The reason for which there was no upgrade. The client has been answered if that was possible.
pub(crate) async fn upgrade<S, T>(
    stream: S,
    limits: &HttpLimits,
    site: &Site,
    ending: impl Future<Output = ()>,
    decide: impl AsyncFn(&Parts) -> Decision<T>,
) -> Result<Option<Upgraded<S, T>>, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let outcome = RefCell::new(Outcome::Nothing);
    let has_asked = Cell::new(false);
    let deadline = Deadline::new(limits.handshake_timeout);
    let service = service_fn(|request: Request<Incoming>| {
        has_asked.set(true);
        Box::pin(async {
            let (mut parts, _) = request.into_parts();
            let asked = sort(&parts, limits.max_target_bytes);
            host::of_target(&mut parts);
            let (answer, came_of_it) = respond(asked, &parts, site, &deadline, &decide).await;
            outcome.replace(came_of_it);
            Ok::<_, Infallible>(answer)
        })
    });
    let mut connection = http1::Builder::new()
        .half_close(true)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_header_bytes)
        .serve_connection(TokioIo::new(stream), service);
    // Every answer ends HTTP on this connection, by upgrade or by `Connection: close`, so one deadline covers all of
    // it. A whole request moves it, and so do the engine's answer and the client's progress with a file.
    let served = {
        let mut serving = pin!(deadline.limit(poll_fn(|cx| connection.poll_without_shutdown(cx))));
        tokio::select! {
            // Serve what has arrived first.
            biased;
            served = serving.as_mut() => Some(served),
            () = ending => if has_asked.get() { Some(serving.await) } else { None },
        }
    };
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    let Some(served) = served else {
        if !parts.read_buf.is_empty() && io.write_all(ENDING).await.is_ok() {
            linger(io).await;
        }
        return Ok(None);
    };
    match (served, outcome.replace(Outcome::Nothing)) {
        (None, _) => Err(HttpError::Timeout(limits.handshake_timeout)),
        (Some(Ok(())), Outcome::Upgrade(keep)) => {
            // Make a copy: the bytes lie in hyper's read buffer of 8 KiB, which would stay as long as the connection.
            let leftover = Bytes::copy_from_slice(&parts.read_buf);
            Ok(Some(Upgraded { io, leftover, keep }))
        }
        (Some(served), outcome) => {
            linger(io).await;
            served?;
            match outcome {
                Outcome::Fault(error) => Err(error),
                Outcome::Nothing | Outcome::Upgrade(_) => Ok(None),
            }
        }
    }
}

/// The outcome of a request.
enum Outcome<T> {
    Nothing,
    Upgrade(T),
    Fault(HttpError),
}

async fn respond<T>(
    asked: Result<Asked, Invalid>,
    parts: &Parts,
    site: &Site,
    deadline: &Deadline,
    decide: &impl AsyncFn(&Parts) -> Decision<T>,
) -> (Answer, Outcome<T>) {
    let key = match asked {
        Ok(Asked::WebSocket { key }) => key,
        Ok(Asked::Page) => {
            return match &site.folder {
                Some(folder) => look_up(parts, site, folder, deadline).await,
                None => (show(parts, site), Outcome::Nothing),
            };
        }
        Err(Invalid::Method) => return refuse(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are served here."),
        Err(Invalid::Request(why)) => return refuse(StatusCode::BAD_REQUEST, &format!("Bad request: {why}.")),
        Err(Invalid::Target) => return refuse(StatusCode::URI_TOO_LONG, "The path and its query are too long."),
        Err(Invalid::Version) => {
            return refuse(StatusCode::UPGRADE_REQUIRED, "Only WebSocket version 13 is spoken here.");
        }
    };
    let Some(engine) = site.serves(parts.uri.path()).and_then(|index| site.engines.get(index)) else {
        return not_found(site);
    };
    // The client has done its part. The client is not to blame for the engine's time, or for a swap.
    deadline.put_off();
    let decision = decide(parts).await;
    deadline.put_off();
    match decision {
        Decision::Accept { protocol, extensions, headers, keep } => {
            match response::switching(parts, &key, protocol.as_deref(), extensions.as_deref(), &headers) {
                Ok(answer) => (answer, Outcome::Upgrade(keep)),
                Err(why) => fault(engine, why),
            }
        }
        Decision::Reject { status, headers, body } => match response::rejection(status, &headers, body) {
            // The caller knows the reason, and has logged it.
            Ok(answer) => (answer, Outcome::Nothing),
            Err(why) => fault(engine, why),
        },
        Decision::NotFound => not_found(site),
    }
}

/// Answers a plain GET if files are served: with the file that the path means, or else with the page.
async fn look_up<T>(parts: &Parts, site: &Site, folder: &Folder, deadline: &Deadline) -> (Answer, Outcome<T>) {
    let path = parts.uri.path();
    let (asked, searched) = (path.to_owned(), folder.clone());
    let found = match tokio::task::spawn_blocking(move || searched.find(&asked)).await {
        Ok(found) => found,
        Err(error) => Err(error.into()),
    };
    let answer = match found {
        Ok(Found::File(opened)) => Ok(file::answer(opened, &parts.headers, deadline.clone())),
        Ok(Found::Folder) => {
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            response::moved(&format!("{path}/{query}")).map_err(|why| (StatusCode::INTERNAL_SERVER_ERROR, why))
        }
        Ok(Found::Nothing) => Ok(show(parts, site)),
        Err(error) => Err((status_of(&error), error.to_string())),
    };
    match answer {
        Ok(answer) => (answer, Outcome::Nothing),
        Err((status, why)) => {
            let answer = response::refusal(status, "The file cannot be served.");
            (answer, Outcome::Fault(HttpError::File { path: path.to_owned(), status: status.as_u16(), why }))
        }
    }
}

/// The status for a file that exists and cannot be read.
fn status_of(error: &io::Error) -> StatusCode {
    match error.kind() {
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        _ if descriptors::are_exhausted(error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Answers a plain GET with the page that names the engines and, if an engine serves the path, how to reach it.
fn show(parts: &Parts, site: &Site) -> Answer {
    let path = parts.uri.path();
    if site.serves(path).is_some() {
        response::page(StatusCode::UPGRADE_REQUIRED, page::render(site))
    } else if path == "/" {
        response::page(StatusCode::OK, page::render(site))
    } else {
        response::refusal(StatusCode::NOT_FOUND, &nobody_serves(site))
    }
}

fn not_found<T>(site: &Site) -> (Answer, Outcome<T>) {
    refuse(StatusCode::NOT_FOUND, &nobody_serves(site))
}

fn nobody_serves(site: &Site) -> String {
    let paths: Vec<_> = site.engines.iter().map(|engine| engine.path.as_str()).collect();
    let or_file = if site.folder.is_some() { ", and no file lies there" } else { "" };
    format!("No engine serves this path{or_file}; engines are at {}.", paths.join(", "))
}

fn refuse<T>(status: StatusCode, why: &str) -> (Answer, Outcome<T>) {
    let fault = HttpError::Refused { status: status.as_u16(), why: why.to_owned() };
    (response::refusal(status, why), Outcome::Fault(fault))
}

fn fault<T>(engine: &SiteEngine, why: String) -> (Answer, Outcome<T>) {
    let answer = response::refusal(StatusCode::INTERNAL_SERVER_ERROR, "The engine's response cannot be sent.");
    (answer, Outcome::Fault(HttpError::BadResponse { engine: engine.name.clone(), why }))
}

/// Ends a connection in a way that lets the client read everything that was written.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut io: S) {
    let end = async {
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // The connection is at its end, whatever the result.
    let _ = Deadline::new(LINGER).limit(end).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_file_that_cannot_be_read_is_told_by_whose_fault() {
        for (error, status) in
            [(Errno::ACCESS, 403), (Errno::PERM, 403), (Errno::MFILE, 503), (Errno::NFILE, 503), (Errno::IO, 500)]
        {
            assert_eq!(status_of(&error.into()), status, "{error}");
        }
    }
}
