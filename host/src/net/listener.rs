//! Listening sockets: those that the operator names, and those that systemd passes.
//!
//! It knows addresses, but nothing about connections; `accept` handles those.

pub(crate) use super::addresses::Address;
use super::addresses::{canonical, is_for_ipv6_alone, is_part};
use super::unix_socket::{self, BoundPath};
use listenfd::ListenFd;
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// How many connections the kernel keeps for us between two accepts.
const BACKLOG: i32 = 4096;

/// Why a socket cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBound {
    /// One address is part of another.
    #[error("{part} is part of {whole}, which is listened on as well; give one of them with --listen")]
    Twice {
        /// The first address.
        part: SocketAddr,
        /// The other address, the wildcard of the same family.
        whole: SocketAddr,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {}; choose another address with --listen", in_words(error))]
    System {
        /// The address as the operator gave it.
        address: Address,
        /// The system's error.
        error: io::Error,
    },
}

fn in_words(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::AFNOSUPPORT) => format!("this machine has no IPv6 ({error})"),
        Some(Errno::ADDRNOTAVAIL) => format!("this machine does not have the address ({error})"),
        _ => error.to_string(),
    }
}

/// A socket that listens. If it is a Unix socket that was bound here, dropping this removes its file.
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
    /// Binds and listens. A name with several addresses gets the first that works. A Unix socket's file is replaced if
    /// nobody listens to it any more.
    ///
    /// # Errors
    ///
    /// The system refuses the address, for example because it is in use.
    pub fn bind(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Unix(path) => {
                let (socket, bound) = unix_socket::bind(path, None, BACKLOG)?;
                Ok(Listener { socket: ListeningSocket::Unix(socket), bound: Some(bound) })
            }
            tcp => Listener::bind_tcp(*tcp.of_tcp().first().ok_or(io::ErrorKind::AddrNotAvailable)?, false),
        }
    }

    /// Binds all of these, in addition to sockets that already listen. An address that is named twice is bound once. If
    /// IPv4 and IPv6 have the same port, each has a socket of its own; a wildcard socket of IPv6 without one for IPv4
    /// accepts both.
    ///
    /// # Errors
    ///
    /// The first address that cannot be bound.
    pub(crate) fn bind_all(addresses: &[Address], beside: &[Listener]) -> Result<Vec<Listener>, NotBound> {
        let beside = beside.iter().filter_map(Listener::address);
        let named = addresses.iter().flat_map(Address::of_tcp).copied();
        let all: Vec<SocketAddr> = beside.clone().chain(named).collect();
        for part in &all {
            if let Some(whole) = all.iter().find(|whole| is_part(*part, **whole)) {
                return Err(NotBound::Twice { part: *part, whole: *whole });
            }
        }
        let mut listeners = Vec::new();
        let mut taken: Vec<SocketAddr> = beside.filter(|address| address.port() != 0).collect();
        let mut paths: Vec<&PathBuf> = Vec::new();
        for address in addresses {
            let fault = |error| NotBound::System { address: address.clone(), error };
            if let Address::Unix(path) = address {
                if !paths.contains(&path) {
                    listeners.push(Listener::bind(address).map_err(fault)?);
                    paths.push(path);
                }
                continue;
            }
            let (mut bound, mut missing) = (false, None);
            for one in address.of_tcp() {
                if one.port() != 0 && taken.contains(one) {
                    bound = true;
                    continue;
                }
                match Listener::bind_tcp(*one, is_for_ipv6_alone(*one, &all)) {
                    Ok(listener) => {
                        listeners.push(listener);
                        taken.push(*one);
                        bound = true;
                    }
                    // A name may have IPv6 addresses even on a machine without IPv6.
                    Err(error) if is_missing(&error) => missing = Some(error),
                    Err(error) => return Err(fault(error)),
                }
            }
            if let Some(error) = missing.filter(|_| !bound) {
                return Err(fault(error));
            }
        }
        Ok(listeners)
    }

    fn bind_tcp(address: SocketAddr, for_ipv6_alone: bool) -> io::Result<Listener> {
        Ok(Listener { socket: ListeningSocket::Tcp(bind_tcp(address, for_ipv6_alone)?), bound: None })
    }

    /// Its TCP address, if it has one.
    fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListeningSocket::Tcp(socket) => socket.local_addr().ok().map(canonical),
            ListeningSocket::Unix(_) => None,
        }
    }

    /// The sockets that systemd passes, or another program that follows its protocol (`LISTEN_FDS`). Call this once,
    /// before there are other threads.
    ///
    /// # Errors
    ///
    /// One of them is no stream socket that listens.
    pub(crate) fn from_environment() -> io::Result<Vec<Listener>> {
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

    /// The socket, and a value that must be kept as long as it listens.
    pub(crate) fn into_parts(self) -> (ListeningSocket, impl Send + fmt::Debug + 'static) {
        (self.socket, self.bound)
    }
}

/// Whether an error says that the machine does not have the address.
fn is_missing(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

fn bind_tcp(address: SocketAddr, for_ipv6_alone: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Set this in any case, since the system's default can be configured.
        socket.set_only_v6(for_ipv6_alone)?;
    }
    // After a restart, the address works at once, although connections of the old process are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    send_at_once(&socket);
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Makes connections send written data at once. On Linux, they inherit this setting from the listening socket. Replies
/// are written in whole batches, so waiting to fill segments would only delay them. A failure here costs no more than
/// that.
fn send_at_once(socket: &Socket) {
    let _ = socket.set_tcp_nodelay(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_is_bound_once() {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let unix = Address::Unix(folder.path().join("socket"));
        let addresses =
            [Address::Tcp(free), unix.clone(), Address::Tcp(free), unix, Address::Named("x".into(), vec![free])];
        let listeners = Listener::bind_all(&addresses, &[]).unwrap();
        assert_eq!(listeners.len(), 2);
        assert!(Listener::bind_all(&addresses[..1], &listeners).unwrap().is_empty(), "it is there");
        let any = [Address::Tcp("127.0.0.1:0".parse().unwrap())];
        assert_eq!(Listener::bind_all(&[&any[..], &any].concat(), &[]).unwrap().len(), 2, "two ports");
        let whole = Address::Tcp(SocketAddr::new([0, 0, 0, 0].into(), free.port()));
        let twice = Listener::bind_all(&[whole], &listeners).unwrap_err();
        assert!(twice.to_string().starts_with(&format!("{free} is part of 0.0.0.0:")), "{twice}");
    }

    #[test]
    fn a_name_is_bound_where_the_machine_has_it() {
        // RFC 5737 and RFC 3849: addresses for documentation, which no machine has.
        let [none, nor_this] = ["192.0.2.1:0", "[2001:db8::1]:0"].map(|text| text.parse::<SocketAddr>().unwrap());
        let here = "127.0.0.1:0".parse().unwrap();
        let bind =
            |addresses: &[SocketAddr]| Listener::bind_all(&[Address::Named("x:0".into(), addresses.to_vec())], &[]);
        assert_eq!(bind(&[none, here, nor_this]).unwrap().len(), 1);
        let error = bind(&[none, nor_this]).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on x:0: this machine"), "{error}");
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
