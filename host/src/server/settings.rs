//! The server's settings, made from the command line and checked.

use super::loading::LoadRules;
use crate::http::{Folder, HttpLimits};
use std::time::Duration;
use wshost_core::client::audience::Backlog;
use wshost_core::protocol::Limits;
use wshost_core::protocol::deflate::Compression;
use wshost_core::serving::swap::{Probation, SwapLimits};

/// The default limit of a message: 1 MiB.
pub(crate) const MAX_MESSAGE: usize = 1024 * 1024;
/// The default size of a read: 512 KiB. Each event loop has one buffer of this size; a message that arrives whole in
/// one read is not copied.
pub(crate) const READ_SIZE: usize = 512 * 1024;

/// The default limit of one client's backlog: 1 MiB.
pub(crate) const MAX_BACKLOG: usize = 1024 * 1024;

/// The behaviour of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Event loops, each with a thread of its own; at least 1.
    pub loops: usize,
    /// The threads that run jobs. With 0, each job runs at once, on the event loop of its client.
    pub workers: usize,
    /// How far workers give way to event loops if all cores are busy, 0 to 19 as in nice(1). With 0, a loop waits for
    /// milliseconds if jobs have the cores; with 19, jobs hardly run while the loops are busy.
    pub worker_nice: u8,
    /// Bytes per read, and of each loop's read buffer. Larger reads take more memory per loop, not per connection.
    pub read_size: usize,
    /// How long writes wait for their event loop to be idle, at most; `None` if they do not wait.
    pub prefer_read: Option<Duration>,
    /// The most bytes of a message. A longer one closes the connection with 1009. A client can make the host hold this
    /// much per connection.
    pub max_message: usize,
    /// How long a message may take from its first byte to its last. A slower one closes the connection with 1008. A
    /// large value lets a client hold memory for longer.
    pub message_timeout: Duration,
    /// The limit of one client's backlog, and the policy above it. A client can make the host hold this much.
    pub backlog: Backlog,
    /// How messages are compressed for clients that offer it; `None` if they are not.
    pub compression: Option<Compression>,
    /// A client that is silent for this long is pinged; zero means never. `None` means the engine's choice, or 30 s.
    pub ping_after: Option<Duration>,
    /// A pinged client that stays silent for this long is closed; zero means never. `None` means the engine's choice,
    /// or 30 s.
    pub close_after_no_pong: Option<Duration>,
    /// Limits of reloads.
    pub reload: ReloadLimits,
    /// The folder whose files are served to requests that ask for no WebSocket; `None` if there is none. Each client
    /// that gets a file can make the host hold 128 KiB.
    pub static_folder: Option<Folder>,
    /// Limits of the handshake.
    pub http: HttpLimits,
}

/// The limits of reloads.
#[derive(Clone, Copy, Debug)]
pub struct ReloadLimits {
    /// Limits of the swap.
    pub swap: SwapLimits,
    /// The most generations of one engine. Each costs memory until the host ends.
    pub max_generations: usize,
    /// The conditions that a plugin must meet before it is opened.
    pub load: LoadRules,
    /// The probation of new generations, if there is one.
    pub probation: Option<Probation>,
}

impl Settings {
    /// The limits of each connection's protocol.
    pub(crate) fn limits(&self) -> Limits {
        Limits { max_message: self.max_message, assembly_timeout: self.message_timeout }
    }
}
