//! Listening sockets: those that the operator names, and those that systemd hands over.
//!
//! Knows addresses, not what comes in; `accept` does.

use crate::unix_socket::{self, BoundPath};
use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Connections that the kernel keeps for us between two accepts.
const BACKLOG: i32 = 4096;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port, of which 0 is any that is free.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a path is needed, as in unix:/run/wshost.sock".into()),
            Some(path) => Ok(Address::Unix(path.into())),
            None => {
                let hint = "give it as 127.0.0.1:9001 or unix:/run/wshost.sock";
                let mut addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {hint}"))?;
                addresses.next().map(Address::Tcp).ok_or_else(|| "no address has this name".into())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens. The file of a Unix socket that was bound here is removed with it.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub(crate) socket: ListeningSocket,
    bound: Option<BoundPath>,
}

/// The socket of a [`Listener`].
#[derive(Debug)]
pub(crate) enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds and listens. A Unix socket's file that nobody listens to any more is replaced.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the address is in use.
    pub fn bind(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => Ok(Listener { socket: ListeningSocket::Tcp(bind_tcp(*address)?), bound: None }),
            Address::Unix(path) => {
                let (socket, bound) = unix_socket::bind(path, None, BACKLOG)?;
                Ok(Listener { socket: ListeningSocket::Unix(socket), bound: Some(bound) })
            }
        }
    }

    /// The sockets that systemd hands over, or whoever follows its protocol (`LISTEN_FDS`). To be called once, before
    /// there are other threads.
    ///
    /// # Errors
    ///
    /// One of them is no stream socket that listens.
    pub fn from_environment() -> io::Result<Vec<Listener>> {
        let mut handed_over = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..handed_over.len() {
            let tcp = handed_over.take_tcp_listener(index);
            let socket = match tcp {
                Ok(tcp) => tcp.map(ListeningSocket::Tcp),
                Err(_) => handed_over.take_unix_listener(index)?.map(ListeningSocket::Unix),
            };
            let Some(socket) = socket else { continue };
            match &socket {
                ListeningSocket::Tcp(socket) => {
                    socket.set_nonblocking(true)?;
                    send_at_once(&SockRef::from(socket));
                }
                ListeningSocket::Unix(socket) => socket.set_nonblocking(true)?,
            }
            listeners.push(Listener { socket, bound: None });
        }
        Ok(listeners)
    }

    /// `ws://127.0.0.1:9001/`, or `unix:/run/wshost.sock`.
    pub fn url(&self) -> String {
        match &self.socket {
            ListeningSocket::Tcp(socket) => match socket.local_addr() {
                Ok(address) => format!("ws://{address}/"),
                Err(error) => format!("an unknown address ({error})"),
            },
            ListeningSocket::Unix(socket) => {
                let address = socket.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                format!("unix:{}", path.unwrap_or(Path::new("")).display())
            }
        }
    }

    /// The socket, and what is to be kept as long as it listens.
    pub(crate) fn into_parts(self) -> (ListeningSocket, impl Send + fmt::Debug + 'static) {
        (self.socket, self.bound)
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart can listen again at once, although connections of its predecessor are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    send_at_once(&socket);
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Has connections send at once what is written, by a setting that Linux has them take over from what listens. Replies are
/// written in whole batches; waiting to fill segments would only delay them, which is all that a failure here costs.
fn send_at_once(socket: &Socket) {
    let _ = socket.set_tcp_nodelay(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_of_a_host_or_a_path() {
        let address = |text: &str| text.parse::<Address>();
        assert_eq!(address("127.0.0.1:9001").unwrap(), Address::Tcp(([127, 0, 0, 1], 9001).into()));
        assert_eq!(address("unix:/run/x.sock").unwrap().to_string(), "unix:/run/x.sock");
        for wrong in ["unix:", "127.0.0.1", "nonsense", "127.0.0.1:70000"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_unix_socket_has_its_path_as_address_and_takes_its_file_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = Address::Unix(path.clone());
        let listener = Listener::bind(&address).unwrap();
        assert_eq!(listener.url(), address.to_string());
        drop(listener);
        assert!(!path.exists());
    }
}
