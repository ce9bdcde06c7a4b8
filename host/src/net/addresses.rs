//! The addresses to listen on, as the operator names them, and how they combine.
//!
//! It knows no sockets; `listener` binds them.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port; port 0 means any free one.
    Tcp(SocketAddr),
    /// A name, such as localhost:9001, and its addresses, at least one.
    Named(String, Vec<SocketAddr>),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let needed = || Err("a path is needed, as in unix:/run/wshost.sock".into());
            return if path.is_empty() { needed() } else { Ok(Address::Unix(path.into())) };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Address::Tcp(canonical(address)));
        }
        let hint = "give it as 127.0.0.1:9001, [::1]:9001, localhost:9001 or unix:/run/wshost.sock";
        if text.rsplit_once(':').is_some_and(|(host, _)| host.contains(':') || host.is_empty()) {
            return Err(format!("an IPv6 address stands in brackets, and a port needs an address; {hint}"));
        }
        let addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {hint}"))?;
        let mut addresses: Vec<_> = addresses.map(canonical).collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.first().is_some_and(|first| first.port() == 0) {
            // Each address would get a port of its own.
            addresses.truncate(1);
        }
        if addresses.is_empty() {
            Err("no address has this name".into())
        } else {
            Ok(Address::Named(text.into(), addresses))
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Named(name, _) => name.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Its TCP addresses, if it has any.
    pub(crate) fn of_tcp(&self) -> &[SocketAddr] {
        match self {
            Address::Tcp(address) => std::slice::from_ref(address),
            Address::Named(_, addresses) => addresses,
            Address::Unix(_) => &[],
        }
    }
}

/// Turns an IPv4 address in IPv6 form, `::ffff:1.2.3.4`, into its IPv4 form.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        // Keep the whole address, since a link-local one has a scope.
        IpAddr::V6(_) => address,
    }
}

/// Whether a socket at `whole` also serves `part`: it is the wildcard address of the same family, with the same port.
pub(crate) fn is_part(part: SocketAddr, whole: SocketAddr) -> bool {
    let differ = part.ip() != whole.ip() && part.is_ipv4() == whole.is_ipv4();
    differ && whole.ip().is_unspecified() && part.port() == whole.port() && part.port() != 0
}

/// Whether a socket at `address` must leave IPv4 to other sockets, which are at these addresses. If not, a socket at
/// the wildcard address of IPv6 accepts IPv4 as well.
pub(crate) fn is_for_ipv6_alone(address: SocketAddr, others: &[SocketAddr]) -> bool {
    address.is_ipv6()
        && others.iter().any(|other| other.is_ipv4() && other.port() == address.port() && other.port() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_a_port_of_a_host_or_a_path() {
        let address = |text: &str| text.parse::<Address>();
        assert_eq!(address("127.0.0.1:9001").unwrap(), Address::Tcp(([127, 0, 0, 1], 9001).into()));
        assert_eq!(address("[::]:9001").unwrap().to_string(), "[::]:9001");
        assert_eq!(address("[::ffff:127.0.0.1]:9001").unwrap().to_string(), "127.0.0.1:9001");
        assert_eq!(address("unix:/run/x.sock").unwrap().to_string(), "unix:/run/x.sock");
        let named = address("localhost:9001").unwrap();
        assert_eq!(named.to_string(), "localhost:9001");
        assert!(named.of_tcp().iter().all(|one| one.ip().is_loopback() && one.port() == 9001), "{named:?}");
        assert_eq!(address("localhost:0").unwrap().of_tcp().len(), 1);
        for wrong in
            ["unix:", "127.0.0.1", "nonsense", "127.0.0.1:70000", "::1:9001", ":::9001", ":9001", "9001", "", "[::1]"]
        {
            assert!(address(wrong).unwrap_err().len() > 10, "{wrong}");
        }
        assert!(address("::1:9001").unwrap_err().contains("brackets"));
    }

    #[test]
    fn ipv4_in_ipv6_is_shown_as_what_it_is() {
        assert_eq!(canonical(tcp("[::ffff:1.2.3.4]:5")), tcp("1.2.3.4:5"));
        assert_eq!(canonical(tcp("[fe80::1%3]:5")), tcp("[fe80::1%3]:5"));
        assert_eq!(canonical(tcp("[::]:5")), tcp("[::]:5"));
    }

    #[test]
    fn every_address_has_each_as_its_part() {
        assert!(is_part(tcp("127.0.0.1:80"), tcp("0.0.0.0:80")) && is_part(tcp("[::1]:80"), tcp("[::]:80")));
        for (part, whole) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "0.0.0.0:81"),
            ("127.0.0.1:0", "0.0.0.0:0"),
            ("127.0.0.1:80", "[::]:80"),
            ("127.0.0.1:80", "127.0.0.2:80"),
        ] {
            assert!(!is_part(tcp(part), tcp(whole)), "{part} {whole}");
        }
    }

    #[test]
    fn ipv6_leaves_ipv4_to_a_socket_of_its_own() {
        let alone = |address, others: &[&str]| {
            is_for_ipv6_alone(tcp(address), &others.iter().map(|one| tcp(one)).collect::<Vec<_>>())
        };
        assert!(alone("[::]:80", &["0.0.0.0:80"]) && alone("[::]:80", &["127.0.0.1:80"]));
        assert!(
            !alone("[::]:80", &[])
                && !alone("[::]:80", &["0.0.0.0:81", "[::1]:80"])
                && !alone("[::]:0", &["0.0.0.0:0"])
        );
    }
}
