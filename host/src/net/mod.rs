//! Sockets: the addresses to listen on, the byte streams of connections, and the answer if there is no room for a
//! connection. It knows neither frames nor engines.
//!
//! | file | subject |
//! |---|---|
//! | `addresses` | the addresses to listen on, as the operator names them, and how they combine |
//! | `listener`, `unix_socket` | sockets that listen, bound here or handed over by systemd; the files of Unix sockets |
//! | `wire` | a connection's socket, as the core sees it; the short way to it for large messages |
//! | `turned_away` | the answer to a connection for which there is no room |

pub(crate) mod addresses;
pub(crate) mod listener;
pub(crate) mod turned_away;
pub(crate) mod unix_socket;
pub(crate) mod wire;

pub use listener::Listener;
