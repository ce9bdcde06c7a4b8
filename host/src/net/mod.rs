//! Sockets: where to listen, what a connection's bytes go over, and the answer to those for which there is no room.

pub(crate) mod addresses;
pub(crate) mod listener;
pub(crate) mod turned_away;
pub(crate) mod unix_socket;
pub(crate) mod wire;

pub use listener::Listener;
