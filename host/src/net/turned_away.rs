//! Turns connections away if there is no room: each is answered with 503 and closed, in limited time.
//!
//! It runs on the first event loop and never waits there: a socket takes an answer of this size at once or never.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The answer to such a connection, before its request is read. Clients try again; a proxy asks another server.
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 56\r\nretry-after: 5\r\nconnection: close\r\n\r\n\
    There is no room for another connection; try it later.\r\n";

/// How long a client may take to read the answer and close. If we closed first, with its request unread, the kernel would
/// reset the connection, and the client could lose the answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often to check whether clients have closed.
const PAUSE: Duration = Duration::from_millis(50);
/// How many are waited for. The next one replaces the first.
const MOST: usize = 4;

/// Connections that have their answer.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    /// In the order in which they came.
    leaving: VecDeque<(OwnedFd, Instant)>,
}

impl TurnedAway {
    /// Answers a connection, and then waits for its end without blocking. Its socket must not block.
    pub(crate) fn answer(&mut self, socket: OwnedFd) {
        let told = send(&socket, ANSWER, SendFlags::NOSIGNAL).and_then(|_| shutdown(&socket, Shutdown::Write));
        if told.is_err() || has_ended(&socket) {
            return;
        }
        if self.leaving.len() >= MOST {
            self.let_go();
        }
        self.leaving.push_back((socket, Instant::now()));
    }

    /// Closes the oldest one. Returns whether there was one.
    pub(crate) fn let_go(&mut self) -> bool {
        // Read away everything that came meanwhile, for the reason above.
        self.leaving.pop_front().is_some_and(|(socket, _)| {
            has_ended(&socket);
            true
        })
    }

    /// Closes connections that have ended, or whose time is over.
    pub(crate) fn look(&mut self) {
        self.leaving.retain(|(socket, since)| !has_ended(socket) && since.elapsed() < PATIENCE);
    }

    /// Waits until it is time to look again, or for ever if there is no connection.
    pub(crate) async fn time_to_look(&self) {
        if self.leaving.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads incoming bytes, within limits. Returns whether the peer has ended the connection.
fn has_ended(socket: &OwnedFd) -> bool {
    let mut buffer = [0; 4096];
    for _ in 0..16 {
        match recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return true,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return false,
            Err(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (TcpStream, OwnedFd) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0.into())
    }

    #[test]
    fn the_answer_is_whole_and_arrives_also_before_the_request() {
        let mut turned_away = TurnedAway::default();
        let mut clients = Vec::new();
        for _ in 0..2 * MOST {
            let (client, socket) = pair();
            turned_away.answer(socket);
            clients.push(client);
        }
        assert_eq!(turned_away.leaving.len(), MOST);
        for client in &mut clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 5"), "{head}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        }
        clients[MOST].write_all(&[0; 100_000]).unwrap();
        turned_away.look();
        assert_eq!(turned_away.leaving.len(), MOST, "they have time");
        drop(clients);
        while !turned_away.leaving.is_empty() {
            turned_away.look();
        }
    }
}
