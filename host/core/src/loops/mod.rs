//! What an event loop has for its connections: deadlines, wake-ups from other threads, and whose turn it is.

pub mod deadlines;
pub mod prefer_read;
pub mod turnstile;
pub mod wakes;
