//! What an event loop can be told, and by whom it is reached.

use crate::descriptors::Reserve;
use crate::net::listener::Listener;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::mpsc::UnboundedSender;
use wshost_core::calls::watch::Watch;

/// What an event loop can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve this connection.
    Serve(AcceptedSocket),
    /// Accept on this socket, and deal connections to all loops.
    Accept { listener: Listener, reserve: Reserve, loops: Arc<[LoopHandle]> },
    /// Accept nothing more, and end with the last connection.
    Drain,
}

/// How others reach a loop.
#[derive(Clone, Debug)]
pub(crate) struct LoopHandle {
    pub commands: UnboundedSender<Command>,
    /// Connections dealt to the loop and not over.
    pub load: Arc<AtomicUsize>,
    /// What it is in.
    pub watch: Arc<Watch>,
}

/// A connection, not yet with a runtime. Its socket does not block.
#[derive(Debug)]
pub(crate) enum AcceptedSocket {
    /// With the peer's address.
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}
