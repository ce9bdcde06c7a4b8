//! What the operator of the host would set.

use crate::Format;
use std::time::Duration;

/// The engine's configuration, and the host's options that engines notice. For [`TestHost::start`](super::TestHost::start).
///
/// ```
/// # use plugin_api::testing::Options;
/// let slow_clients = Options { max_backlog: 1000, ..Options::default() };
/// # assert!(slow_clients.config.is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The engine's configuration. Empty, the default: none is given.
    pub config: &'a str,
    /// How it is written. Default: TOML.
    pub format: Format,
    /// `--max-backlog` in bytes: a message is refused while more than this waits for its client. Default: 1 MiB.
    pub max_backlog: usize,
    /// `--backlog-policy`. Default: [`Close`](BacklogPolicy::Close).
    pub backlog_policy: BacklogPolicy,
    /// `--ping-after`; zero is never. Default: what the engine wishes, or 30 s.
    pub ping_after: Option<Duration>,
    /// `--close-after-no-pong`; zero is never. Default: what the engine wishes, or 30 s.
    pub close_after_no_pong: Option<Duration>,
}

/// What becomes of a client whose backlog is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BacklogPolicy {
    /// What waits is dropped, and the client is closed with 1008.
    Close,
    /// New messages are dropped until there is room again.
    Drop,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            config: "",
            format: Format::Toml,
            max_backlog: 1024 * 1024,
            backlog_policy: BacklogPolicy::Close,
            ping_after: None,
            close_after_no_pong: None,
        }
    }
}
