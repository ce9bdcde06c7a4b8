//! Sockets: where to listen, what a connection's bytes go over, and the answer to those for which there is no room.
//! Knows neither frames nor engines.
//!
//! | file | subject |
//! |---|---|
//! | `addresses` | where to listen: what the operator names, and what it comes to together |
//! | `listener`, `unix_socket` | sockets that listen, bound here or handed over by systemd; the files of Unix sockets |
//! | `wire` | a connection's socket, as the core sees it; the short way to it for large messages |
//! | `turned_away` | the answer to those for which there is no room |

pub(crate) mod addresses;
pub(crate) mod listener;
pub(crate) mod turned_away;
pub(crate) mod unix_socket;
pub(crate) mod wire;

pub use listener::Listener;
