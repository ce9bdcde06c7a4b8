//! The client's side: finds the server, asks once, and reads the reply.

use super::place::{self, ControlArg, ServerSocket};
use super::protocol::{Reply, Request};
use crate::exit::{self, NotDone};
use crate::net::unix_socket;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A longer reply does not come from wshost.
const LONGEST_REPLY: u64 = 16 * 1024 * 1024;

/// How long a server may take to accept, and to tell its status.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server at `control`, or the only one there is. Returns its reply as it came, and parsed. A server has to
/// tell its status in time; a reload may take as long as it needs.
///
/// # Errors
///
/// There is no server, there are several, or it does not answer.
pub(super) fn ask(control: Option<&ControlArg>, request: &Request) -> Result<(String, Reply), NotDone> {
    let stream = match control {
        Some(ControlArg::At(path)) => connect(path)?,
        Some(ControlArg::Off) | None => connect_to_only()?,
    };
    let (line, status) = ask_on(&stream, &Request::Status {}, Some(PATIENCE))?;
    match (request, &status) {
        // A server that tells its status is there and not stopped.
        (Request::Reload { .. }, Reply::Status(_)) => ask_on(&stream, request, None),
        _ => Ok((line, status)),
    }
}

fn ask_on(stream: &UnixStream, request: &Request, patience: Option<Duration>) -> Result<(String, Reply), NotDone> {
    let line = serde_json::to_string(request)
        .map_err(|error| NotDone::new(exit::USAGE, format!("this cannot be asked for: {error}")))?;
    let timeouts = stream.set_read_timeout(patience).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    let answer = timeouts.and_then(|()| converse(stream, &line)).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::WouldBlock => format!("the server has not answered for {PATIENCE:?}; is it stopped?"),
            _ => format!("the server ended or closed the connection before it answered: {error}"),
        };
        NotDone::new(exit::UNAVAILABLE, why)
    })?;
    let reply = serde_json::from_str(&answer).map_err(|error| {
        NotDone::new(exit::INTERNAL, format!("the server's reply is none of this wshost's version: {error}: {answer}"))
    })?;
    Ok((answer, reply))
}

fn connect(path: &Path) -> Result<UnixStream, NotDone> {
    unix_socket::connect(path, PATIENCE).map_err(|error| {
        let (code, hint) = match error.kind() {
            io::ErrorKind::PermissionDenied => (exit::NOT_ALLOWED, "it is another user's"),
            io::ErrorKind::WouldBlock => (exit::UNAVAILABLE, "it has accepted nobody for 5 s; is it stopped?"),
            _ => (exit::UNAVAILABLE, "is wshost running, with this --control?"),
        };
        NotDone::new(code, format!("no server answers at {}: {error}; {hint}", path.display()))
    })
}

/// The only server in the first folder that has any.
fn connect_to_only() -> Result<UnixStream, NotDone> {
    let folders = place::folders();
    for folder in &folders {
        let answering = place::sockets_in(folder).into_iter();
        let answering = answering
            .filter_map(|found| unix_socket::connect(&found.path, PATIENCE).ok().map(|stream| (found, stream)));
        let mut answering: Vec<_> = answering.collect();
        match answering.len() {
            0 => {}
            1 => return Ok(answering.remove(0).1),
            _ => {
                let each = |(ServerSocket { pid, path }, _): &(ServerSocket, UnixStream)| {
                    format!("\n  pid {pid}: --control {}", path.display())
                };
                let list = answering.iter().map(each).collect::<String>();
                return Err(NotDone::new(exit::USAGE, format!("there are several servers, choose one:{list}")));
            }
        }
    }
    let looked = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    let why = format!("no server answers: looked in {looked}; is wshost running? --control names a socket elsewhere");
    Err(NotDone::new(exit::UNAVAILABLE, why))
}

fn converse(stream: &UnixStream, line: &str) -> io::Result<String> {
    // A server that turns this client away does not read the request. Its reply counts, not the failed write.
    let mut writing = stream;
    let sent = writing.write_all(format!("{line}\n").as_bytes());
    let mut answer = String::new();
    let read = BufReader::new(stream).take(LONGEST_REPLY).read_line(&mut answer);
    match (sent, read) {
        (_, Ok(_)) if answer.ends_with('\n') => {
            answer.pop();
            Ok(answer)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(()), Ok(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_counts_also_where_the_request_was_not_read() {
        let (client, server) = UnixStream::pair().unwrap();
        (&server).write_all(b"{\"error\":\"full\"}\n").unwrap();
        drop(server);
        assert_eq!(converse(&client, "{}").unwrap(), "{\"error\":\"full\"}");
    }

    #[test]
    fn half_a_reply_is_none() {
        let (client, server) = UnixStream::pair().unwrap();
        (&server).write_all(b"{\"error\":").unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(converse(&client, "{}").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
