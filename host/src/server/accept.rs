//! Accepts connections and deals each to the event loop with the fewest. Turns connections away if there is no room.
//!
//! Long-lived connections stay where they were dealt, so the deal must be even. SO_REUSEPORT would hash them instead.

use super::handle::{AcceptedSocket, Command, LoopHandle};
use crate::descriptors::{Reserve, are_exhausted, is_kept_back};
use crate::net::addresses::canonical;
use crate::net::listener::{Listener, ListeningSocket};
use crate::net::turned_away::TurnedAway;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How long to wait if the process or the system lacks the means for a connection.
const PAUSE_WHEN_EXHAUSTED: Duration = Duration::from_millis(100);

/// The most connections accepted in a row before the loop serves its own. Each brings a handshake.
const AT_ONCE: u32 = 8;

/// Accepts until it is dropped. Runs on the first event loop.
pub(crate) async fn accept(listener: Listener, mut reserve: Reserve, loops: Arc<[LoopHandle]>) {
    let (socket, _kept) = listener.into_parts();
    let (socket, accepted) = match socket {
        ListeningSocket::Tcp(socket) => (OwnedFd::from(socket), accepted_tcp as fn(_, _) -> _),
        ListeningSocket::Unix(socket) => (OwnedFd::from(socket), accepted_unix as fn(_, _) -> _),
    };
    let socket = match watch(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!("cannot accept connections: {error}"),
    };
    let mut turned_away = TurnedAway::default();
    let mut in_a_row = 0;
    loop {
        if in_a_row == AT_ONCE {
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
        in_a_row += 1;
        let one = tokio::select! {
            one = accept_one(&socket, &mut reserve) => one,
            () = turned_away.time_to_look() => {
                turned_away.look();
                reserve.fill();
                continue;
            }
        };
        reserve.fill();
        match one {
            // No descriptor would be left for files, reloads and the control socket.
            Ok((stream, peer)) if is_kept_back(&stream) || !reserve.is_full() => {
                tracing::warn!(peer = named(peer), "connection refused with 503: too few file descriptors are left");
                turned_away.answer(stream);
            }
            Ok((stream, peer)) => match accepted(stream, peer) {
                Ok(connection) => deal(&loops, connection),
                Err(error) => tracing::debug!("connection lost in accept: {error}"),
            },
            Err(error) if is_of_one_connection(&error) => tracing::debug!("connection lost in accept: {error}"),
            // Somebody else has the last descriptor. The next connection replaces one that has had its answer.
            Err(error) if are_exhausted(&error) && turned_away.let_go() => {}
            Err(error) => {
                tracing::error!("cannot accept connections: {error}; trying again in {PAUSE_WHEN_EXHAUSTED:?}");
                tokio::time::sleep(PAUSE_WHEN_EXHAUSTED).await;
            }
        }
    }
}

fn accepted_tcp(stream: OwnedFd, peer: Option<SocketAddrAny>) -> io::Result<AcceptedSocket> {
    // The kernel gives no address if the connection has ended meanwhile.
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok(AcceptedSocket::Tcp(stream.into(), canonical(peer.try_into()?)))
}

fn accepted_unix(stream: OwnedFd, _nameless: Option<SocketAddrAny>) -> io::Result<AcceptedSocket> {
    Ok(AcceptedSocket::Unix(stream.into()))
}

/// tokio's own listeners would register each connection with this loop, only to deregister it for its own loop. That
/// costs two system calls and some memory per connection.
#[expect(
    deprecated,
    reason = "its replacement is unsafe, and requires what an OwnedFd guarantees: it is open as long as it lives"
)]
fn watch(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

async fn accept_one(socket: &AsyncFd<OwnedFd>, reserve: &mut Reserve) -> io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket.async_io(Interest::READABLE, |socket| reserve.open(|| Ok(acceptfrom_with(socket, flags)?))).await
}

/// The peer's name in the log.
fn named(peer: Option<SocketAddrAny>) -> String {
    let address = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    address.map_or_else(|| "unix".to_owned(), |address| canonical(address).to_string())
}

/// Gives a connection to the loop with the fewest.
fn deal(loops: &[LoopHandle], connection: AcceptedSocket) {
    if let Some(emptiest) = loops.iter().min_by_key(|one| one.load.load(Ordering::Relaxed)) {
        emptiest.load.fetch_add(1, Ordering::Relaxed);
        // A loop that is gone has drained, so the connection ends with the process.
        let _ = emptiest.commands.send(Command::Serve(connection));
    }
}

/// Whether only the connection that was being accepted is at fault, so that the next may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}
