//! Accepts connections and deals each to the event loop that has fewest.
//!
//! Long-lived connections stay where they were dealt, so the deal has to be even: SO_REUSEPORT would hash them.

use crate::event_loop::{Command, LoopHandle};
use crate::listener::{Listener, ListeningSocket};
use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};

/// How long to wait when the process or the system is out of what a connection needs.
const PAUSE_WHEN_EXHAUSTED: Duration = Duration::from_millis(100);

/// A connection, not yet with a runtime.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Accepts until it is dropped. Runs on the first event loop.
pub(crate) async fn accept(listener: Listener, loops: Arc<[LoopHandle]>) {
    let (socket, _kept) = listener.into_parts();
    let failed = match socket {
        ListeningSocket::Tcp(socket) => match TcpListener::from_std(socket) {
            Ok(socket) => match forever(&loops, async || accept_tcp(&socket).await).await {},
            Err(error) => error,
        },
        ListeningSocket::Unix(socket) => match UnixListener::from_std(socket) {
            Ok(socket) => match forever(&loops, async || accept_unix(&socket).await).await {},
            Err(error) => error,
        },
    };
    tracing::error!("cannot accept connections: {failed}");
}

async fn accept_tcp(socket: &TcpListener) -> io::Result<(Accepted, String)> {
    let (stream, peer) = socket.accept().await?;
    // Replies are written in whole batches; waiting to fill segments would only delay them.
    let _ = stream.set_nodelay(true);
    Ok((Accepted::Tcp(stream.into_std()?), peer.to_string()))
}

async fn accept_unix(socket: &UnixListener) -> io::Result<(Accepted, String)> {
    let (stream, _) = socket.accept().await?;
    let pid = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
    let peer = pid.map_or_else(|| "unix".to_owned(), |pid| format!("unix:pid={pid}"));
    Ok((Accepted::Unix(stream.into_std()?), peer))
}

async fn forever(loops: &[LoopHandle], accept: impl AsyncFn() -> io::Result<(Accepted, String)>) -> Infallible {
    loop {
        match accept().await {
            Ok((stream, peer)) => deal(loops, Command::Serve { stream, peer }),
            Err(error) if is_of_one_connection(&error) => tracing::debug!("connection lost in accept: {error}"),
            Err(error) => {
                tracing::error!("cannot accept connections: {error}; trying again in {PAUSE_WHEN_EXHAUSTED:?}");
                tokio::time::sleep(PAUSE_WHEN_EXHAUSTED).await;
            }
        }
    }
}

/// Gives a connection to the loop that has fewest.
fn deal(loops: &[LoopHandle], connection: Command) {
    if let Some(emptiest) = loops.iter().min_by_key(|one| one.load.load(Ordering::Relaxed)) {
        emptiest.load.fetch_add(1, Ordering::Relaxed);
        // A loop that is gone has drained: the connection ends with the process.
        let _ = emptiest.commands.send(connection);
    }
}

/// Whether only the connection that was being accepted is at fault, and the next may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}
