//! What the operator of the host would set.

use plugin_api::Format;
use std::time::Duration;
use wshost_core::client::audience;
use wshost_core::protocol::deflate;

/// The engine's configuration, and the host's options that engines notice. For [`TestHost::start`](crate::TestHost::start).
///
/// ```
/// # use plugin_testing::Options;
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
    /// `--max-message` in bytes: a longer one closes the connection with 1009. Default: 1 MiB.
    pub max_message: usize,
    /// `--message-timeout`: a message that is not complete after so long closes the connection with 1008. Default: 60 s.
    pub message_timeout: Duration,
    /// `--compress` and what belongs to it: whether messages are compressed for clients that [offer](crate::Handshake::compress)
    /// it. Default: they are not.
    pub compression: Option<Compression>,
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

/// How messages are compressed.
///
/// ```
/// # use plugin_testing::{Compression, Options};
/// let small = Options { compression: Some(Compression { context_takeover: true, ..Compression::default() }), ..Options::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// `--compress-threshold` in bytes: shorter messages are sent as they are. Default: 256.
    pub threshold: usize,
    /// `--compress-context-takeover`: whether messages refer to those before them. Default: they do not.
    pub context_takeover: bool,
}

impl Default for Compression {
    fn default() -> Self {
        let deflate::Compression { threshold, context_takeover, .. } = deflate::Compression::default();
        Compression { threshold, context_takeover }
    }
}

impl Compression {
    pub(crate) fn settings(self) -> deflate::Compression {
        let Compression { threshold, context_takeover } = self;
        deflate::Compression { threshold, context_takeover, ..deflate::Compression::default() }
    }
}

impl BacklogPolicy {
    pub(crate) fn settings(self) -> audience::BacklogPolicy {
        match self {
            BacklogPolicy::Close => audience::BacklogPolicy::Close,
            BacklogPolicy::Drop => audience::BacklogPolicy::Drop,
        }
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            config: "",
            format: Format::Toml,
            max_backlog: 1024 * 1024,
            backlog_policy: BacklogPolicy::Close,
            max_message: 1024 * 1024,
            message_timeout: Duration::from_secs(60),
            compression: None,
            ping_after: None,
            close_after_no_pong: None,
        }
    }
}
