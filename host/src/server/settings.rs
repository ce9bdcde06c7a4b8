//! The server's settings, checked: what the command line comes to.

use super::loading::LoadRules;
use crate::http::{Folder, HttpLimits};
use std::time::Duration;
use wshost_core::client::audience::Backlog;
use wshost_core::protocol::Limits;
use wshost_core::protocol::deflate::Compression;
use wshost_core::serving::swap::{Probation, SwapLimits};

/// A message at most, unless set: 1 MiB.
pub(crate) const MAX_MESSAGE: usize = 1024 * 1024;
/// Bytes per read, unless set: 512 KiB. One buffer of this size per event loop; what arrives whole in one read is not
/// copied.
pub(crate) const READ_SIZE: usize = 512 * 1024;

/// The backlog of one client at most, unless set: 1 MiB.
pub(crate) const MAX_BACKLOG: usize = 1024 * 1024;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Event loops, each with a thread of its own; at least 1.
    pub loops: usize,
    /// Threads that run jobs; with 0 each runs at once, on the event loop of its client.
    pub workers: usize,
    /// How far workers give way to event loops when all cores are busy, 0 to 19 as in nice(1). With 0 a loop waits for
    /// milliseconds when jobs have the cores; with 19 jobs hardly run while the loops have much to do.
    pub worker_nice: u8,
    /// Bytes per read, and of each loop's read buffer. Larger reads take more memory per loop, not per connection.
    pub read_size: usize,
    /// Writes wait until their event loop is idle, or for this long at most. `None`: they do not wait.
    pub prefer_read: Option<Duration>,
    /// Bytes of a message at most; a longer one closes the connection with 1009. A client can make the host hold this
    /// much per connection.
    pub max_message: usize,
    /// From a message's first byte to its last; a slower one closes the connection with 1008. A large value lets a
    /// client hold memory for longer.
    pub message_timeout: Duration,
    /// How much may wait for one client, and what becomes of it then. A client can make the host hold this much.
    pub backlog: Backlog,
    /// Whether messages are compressed where clients offer it, and how.
    pub compression: Option<Compression>,
    /// A client that is silent for this long is pinged; zero is never. `None`: as the engine wishes, or 30 s.
    pub ping_after: Option<Duration>,
    /// A pinged client that stays silent for this long is closed; zero is never. `None`: as the engine wishes, or 30 s.
    pub close_after_no_pong: Option<Duration>,
    /// Limits of reloads.
    pub reload: ReloadLimits,
    /// Whose files are served to requests that ask for no WebSocket. `None`: no files. Each client that is sent one can make
    /// the host hold 128 KiB.
    pub static_folder: Option<Folder>,
    /// Limits of the handshake.
    pub http: HttpLimits,
}

/// What reloads are held to.
#[derive(Clone, Copy, Debug)]
pub struct ReloadLimits {
    /// Limits of the swap.
    pub swap: SwapLimits,
    /// Generations of one engine at most, each of which costs memory until the host ends.
    pub max_generations: usize,
    /// What a plugin is held to before it is opened.
    pub load: LoadRules,
    /// How new generations are tried, if they are.
    pub probation: Option<Probation>,
}

impl Settings {
    /// What each connection's protocol is held to.
    pub(crate) fn limits(&self) -> Limits {
        Limits { max_message: self.max_message, assembly_timeout: self.message_timeout }
    }
}
