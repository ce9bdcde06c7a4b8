//! Sockets.

pub mod wire;
