//! The commands to an event loop, and the handle through which others reach it.

use crate::descriptors::Reserve;
use crate::net::listener::Listener;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::mpsc::UnboundedSender;
use wshost_core::calls::watch::Watch;

/// A command to an event loop.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve this connection.
    Serve(AcceptedSocket),
    /// Accept on this socket, and deal connections to all loops.
    Accept { listener: Listener, reserve: Reserve, loops: Arc<[LoopHandle]> },
    /// Accept nothing more, and end with the last connection.
    Drain,
}

/// The handle through which others reach a loop.
#[derive(Clone, Debug)]
pub(crate) struct LoopHandle {
    pub commands: UnboundedSender<Command>,
    /// The number of connections that were dealt to the loop and are not over.
    pub load: Arc<AtomicUsize>,
    /// The callback that the loop is in.
    pub watch: Arc<Watch>,
}

/// A connection that has no runtime yet. Its socket does not block.
#[derive(Debug)]
pub(crate) enum AcceptedSocket {
    /// A connection with the peer's address.
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}
