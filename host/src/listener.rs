//! Accepts connections and deals each to the event loop that has fewest.
//!
//! Long-lived connections stay where they were dealt, so the deal has to be even: SO_REUSEPORT would hash them.

use crate::event_loop::{Command, LoopHandle};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;

/// Connections that the kernel keeps for us between two accepts.
const BACKLOG: i32 = 4096;
/// How long to wait when the process or the system is out of what a connection needs.
const PAUSE_WHEN_EXHAUSTED: Duration = Duration::from_millis(100);

/// Binds a listening TCP socket.
///
/// # Errors
///
/// What the system says, for example that the address is in use.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart can listen again at once, although connections of its predecessor are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until it is dropped. Runs on the first event loop.
pub(crate) async fn accept(listener: TcpListener, loops: Arc<[LoopHandle]>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Replies are written in whole batches; waiting to fill segments would only delay them.
                let _ = stream.set_nodelay(true);
                match stream.into_std() {
                    Ok(stream) => deal(&loops, Command::Serve { stream, peer }),
                    Err(error) => tracing::warn!(%peer, "connection lost before it was served: {error}"),
                }
            }
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
