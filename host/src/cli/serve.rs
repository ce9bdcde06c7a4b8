//! The options of the server, and the settings made from them.

use crate::cli::values::{PluginArg, PolicyArg, RehearseArg, bytes, message_size, read_size, threshold};
use crate::control::ControlArg;
use crate::http::HttpLimits;
use crate::log::LogFormat;
use crate::net::listener::Address;
use crate::server::loading::LoadRules;
use crate::server::settings::ReloadLimits;
use crate::server::settings::{MAX_BACKLOG, MAX_MESSAGE, READ_SIZE, Settings};
use crate::units::{duration, duration_or_zero};
use bytesize::ByteSize;
use clap::Args;
use clap::builder::BoolishValueParser;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;
use wshost_core::client::audience::Backlog;
use wshost_core::protocol::deflate::Compression;
use wshost_core::serving::swap::{Probation, SwapLimits};

/// How the server runs.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// An engine to serve, as FILE or PATH=FILE; repeatable.
    ///
    /// A bare file name is searched for in the current folder, beside wshost, and in /usr/lib/wshost. Without PATH, the
    /// engine serves every path that no other engine has. With PATH, such as /chat, it serves that path and everything
    /// below it. PATH may be written plainly or percent-encoded (/café or /caf%C3%A9): paths are compared decoded.
    #[arg(long = "plugin", value_name = "[PATH=]FILE", required = true, env = "WSHOST_PLUGIN", value_delimiter = ',')]
    pub plugins: Vec<PluginArg>,

    /// The address to listen on, such as 0.0.0.0:80 or unix:/run/wshost.sock; repeatable. Port 0 picks a free port.
    ///
    /// The wildcard address of IPv6 (`[::]:80`) also accepts IPv4, unless an IPv4 address with the same port is given
    /// as well. A name, such as localhost:9001, means all of its addresses.
    ///
    /// Sockets that systemd passes (LISTEN_FDS) are used in addition [default: 127.0.0.1:9001, unless systemd passes a
    /// socket]
    #[arg(long, value_name = "ADDR", env = "WSHOST_LISTEN", value_delimiter = ',')]
    pub listen: Vec<Address>,

    /// Event loops, each on a thread of its own [default: the number of cores]
    #[arg(long, value_name = "N", env = "WSHOST_LOOPS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub loops: Option<u16>,

    /// Workers: the threads that run the engines' jobs and timers. With 0, each client's job runs at once on the
    /// client's event loop, and one thread runs timers and the jobs that belong to no client [default: the number of
    /// cores]
    #[arg(long, value_name = "N", env = "WSHOST_WORKERS", value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub workers: Option<u16>,

    /// The nice value of workers: how far they give way to event loops and other programs if all cores are busy. 0
    /// means not at all.
    #[arg(long, value_name = "N", default_value_t = 19, env = "WSHOST_WORKER_NICE",
        value_parser = clap::value_parser!(u8).range(0..=19))]
    pub worker_nice: u8,

    /// Bytes per read. Each event loop has one buffer of this size.
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::b(READ_SIZE as u64), env = "WSHOST_READ_SIZE",
        value_parser = read_size)]
    pub read_size: ByteSize,

    /// Read and accept first, and write when nothing else is left to do, or after DURATION at most [default: 2ms]. This
    /// accepts more clients per second in a spike; replies are a little later.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "2ms",
        env = "WSHOST_PREFER_READ", value_parser = duration)]
    pub prefer_read: Option<Duration>,

    /// The largest message that is accepted, such as 64KiB or 16MiB. A larger one closes the connection with 1009.
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::b(MAX_MESSAGE as u64), env = "WSHOST_MAX_MESSAGE",
        value_parser = message_size)]
    pub max_message: ByteSize,

    /// How long a message may take from its first byte to its last. A slower one closes the connection with 1008.
    #[arg(long, value_name = "DURATION", default_value = "60s", env = "WSHOST_MESSAGE_TIMEOUT",
        value_parser = duration)]
    pub message_timeout: Duration,

    /// How many bytes may wait for a client that reads slowly, including the cost of keeping them. Above that,
    /// --backlog-policy applies.
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::b(MAX_BACKLOG as u64), env = "WSHOST_MAX_BACKLOG",
        value_parser = message_size)]
    pub max_backlog: ByteSize,

    /// What happens to a client whose backlog is full.
    #[arg(long, value_name = "POLICY", default_value = "close", env = "WSHOST_BACKLOG_POLICY")]
    pub backlog_policy: PolicyArg,

    /// Compress messages in both directions if the client offers it (permessage-deflate, RFC 7692).
    ///
    /// It costs time on the event loop: about 15 us for a message of 1 KB and 4 us for each further KB. Without
    /// compression, a message takes less than 1 us. A broadcast is compressed once. It costs memory: about 375 KiB per
    /// sending thread, 55 KiB per client while one of its compressed messages is incomplete, and nothing per idle
    /// client; more with --compress-context-takeover. The size after decompression counts towards --max-message.
    ///
    /// Do not use it for messages that hold a secret next to text from a stranger: their lengths reveal the secret,
    /// even if they are encrypted.
    #[arg(long, env = "WSHOST_COMPRESS", value_parser = BoolishValueParser::new())]
    pub compress: bool,

    /// How hard to compress, from 1 (fast) to 9 (small). JSON of 64 KB shrinks to a fifth in 0.1 ms with 1, to a
    /// seventh in 0.2 ms with 3, and hardly further in 0.4 ms with 6. The level does not change the memory needed.
    #[arg(long, value_name = "1..9", default_value_t = Compression::default().level, env = "WSHOST_COMPRESS_LEVEL",
        requires = "compress", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub compress_level: u8,

    /// Messages of fewer bytes are sent uncompressed: compressing small messages costs more time than it saves. Clients
    /// may compress messages of any size.
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::b(Compression::default().threshold as u64),
        env = "WSHOST_COMPRESS_THRESHOLD", requires = "compress", value_parser = threshold)]
    pub compress_threshold: ByteSize,

    /// Whether messages may refer back to earlier messages of their connection, which makes similar messages much
    /// smaller. Each client costs 375 KiB (250 KiB with 9 window bits) until no message has been compressed for it for
    /// 10 s, and up to 32 KiB for the messages that it sends, until it disconnects.
    #[arg(long, value_name = "YES|NO", default_value = "no", env = "WSHOST_COMPRESS_CONTEXT_TAKEOVER",
        requires = "compress", action = clap::ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub compress_context_takeover: bool,

    /// How far back the server looks for repetitions, as a power of two: 9 is 512 bytes, 15 is 32 KiB. Each step down
    /// halves a part of a compressor's memory: 375 KiB with 15, 310 KiB with 14, 250 KiB with 9. A client may ask for
    /// less, and always chooses the value for its own messages.
    #[arg(long, value_name = "9..15", default_value_t = Compression::default().window_bits,
        env = "WSHOST_COMPRESS_WINDOW_BITS", requires = "compress", value_parser = clap::value_parser!(u8).range(9..=15))]
    pub compress_window_bits: u8,

    /// How long a client may be silent until it is pinged; 0s: never [default: the engine's choice, or 30s]
    #[arg(long, value_name = "DURATION", env = "WSHOST_PING_AFTER", value_parser = duration_or_zero)]
    pub ping_after: Option<Duration>,

    /// How long a pinged client may stay silent until it is closed; 0s: never [default: the engine's choice, or 30s]
    #[arg(long, value_name = "DURATION", env = "WSHOST_CLOSE_AFTER_NO_PONG", value_parser = duration_or_zero)]
    pub close_after_no_pong: Option<Duration>,

    /// The configuration of an engine, as FILE or PATH=FILE; repeatable. It is TOML, or JSON if the file is named
    /// *.json.
    ///
    /// PATH is the path of the engine's --plugin. A FILE without PATH is for the engine without a path.
    #[arg(long, value_name = "[PATH=]FILE", env = "WSHOST_ENGINE_CONFIG", value_delimiter = ',')]
    pub engine_config: Vec<PluginArg>,

    /// How long an engine's new may take at the start. After that, wshost ends with exit code 65.
    #[arg(long, value_name = "DURATION", default_value = "60s", env = "WSHOST_START_TIMEOUT", value_parser = duration)]
    pub start_timeout: Duration,

    /// How long a reload may take to hand over the clients, including the jobs that it waits for. After that, the old
    /// engine goes on.
    ///
    /// Clients go on meanwhile, except for the one whose session is being exported; see --reload-max-pause. The new
    /// engine's new may take this long as well.
    #[arg(long, value_name = "DURATION", default_value = "5s", env = "WSHOST_RELOAD_TIMEOUT", value_parser = duration)]
    pub reload_timeout: Duration,

    /// How long a reload may hold up all of an engine's clients at once, whatever the engine does.
    ///
    /// Exporting and importing all sessions must fit into this time. If it takes longer, all clients go on with the old
    /// engine. The reload is then tried again until --reload-timeout is over, unless the new engine has begun to
    /// import. New connections may wait five times as long, for handshakes that are under way.
    #[arg(long, value_name = "DURATION", default_value = "1s", env = "WSHOST_RELOAD_MAX_PAUSE", value_parser = duration)]
    pub reload_max_pause: Duration,

    /// How far a plugin is tried in a process of its own before a reload opens it here. A plugin that crashes, hangs or
    /// fails there is refused, and no client notices.
    ///
    /// open takes some milliseconds and calls none of the engine's callbacks. life finds more: it also makes the
    /// engine, with its configuration, while the old engine runs. Do not use life for engines that cannot exist twice.
    /// Each step may take as long as --reload-timeout. At the start, plugins are only opened in this way.
    #[arg(long, value_name = "EXTENT", default_value = "open", env = "WSHOST_REHEARSE")]
    pub rehearse: RehearseArg,

    /// Refuse an engine that is built with panic = "abort", at the start and at a reload: wshost cannot contain its
    /// panics. Without this option, wshost only warns.
    #[arg(long, env = "WSHOST_STRICT", value_parser = BoolishValueParser::new())]
    pub strict: bool,

    /// How long connections stay with an old engine that offers no handover. Then they are closed with 1012, so that
    /// they connect again, to the new engine [default: until they end]
    #[arg(long, value_name = "DURATION", env = "WSHOST_RELOAD_DRAIN", value_parser = duration)]
    pub reload_drain: Option<Duration>,

    /// Put a reloaded engine on probation for this long. If it panics meanwhile, the engine that ran before comes back,
    /// with the configuration that it had. --watch leaves the failed file alone until it changes.
    ///
    /// Everyone is handed back to the earlier engine. If that fails, connections stay with the engine that panics, and
    /// new ones go to the earlier engine; see --reload-drain.
    #[arg(long, value_name = "DURATION", env = "WSHOST_PROBATION", value_parser = duration)]
    pub probation: Option<Duration>,

    /// How many panics to tolerate during --probation. Each costs at most one client its connection.
    #[arg(long, value_name = "N", default_value_t = 0, env = "WSHOST_PROBATION_PANICS", requires = "probation")]
    pub probation_panics: u32,

    /// Reload an engine automatically when its plugin's file has changed and then stayed the same for 300 ms.
    ///
    /// The file may be replaced, written in place, or reached through symbolic links. A file that is refused is not
    /// tried again until it changes.
    #[arg(long, env = "WSHOST_WATCH", value_parser = BoolishValueParser::new())]
    pub watch: bool,

    /// How often an engine's library may be loaded. Each time costs memory until wshost ends.
    #[arg(long, value_name = "N", default_value_t = 32, env = "WSHOST_MAX_GENERATIONS",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub max_generations: u16,

    /// How long a client may take to send its request, such as 500ms or 10s. The engine has as much time to answer.
    #[arg(long, value_name = "DURATION", default_value = "10s", env = "WSHOST_HANDSHAKE_TIMEOUT",
        value_parser = duration)]
    pub handshake_timeout: Duration,

    /// How long clients, jobs and engines may take when the server ends. Whatever is left then is cut off, and the exit
    /// code is 75.
    #[arg(long, value_name = "DURATION", default_value = "10s", env = "WSHOST_DRAIN_TIMEOUT", value_parser = duration)]
    pub drain_timeout: Duration,

    /// A folder whose files are served to browsers. If a request is no WebSocket handshake, its path names a file in
    /// DIR.
    ///
    /// A folder in DIR shows its index.html. Names that begin with a dot (except /.well-known) and links that lead out
    /// of DIR are hidden. A link inside DIR may lead to any name in it.
    #[arg(long = "static", value_name = "DIR", env = "WSHOST_STATIC")]
    pub static_folder: Option<PathBuf>,

    /// The control socket, through which wshost reload and wshost status reach this process; none: no control socket.
    ///
    /// It is a Unix socket of mode 0600, and only the same user and root get answers [default: PID.sock in the first of
    /// $XDG_RUNTIME_DIR/wshost, /run/wshost and $TMPDIR/wshost-UID that this user owns or can create]
    #[arg(long, value_name = "PATH", env = "WSHOST_CONTROL")]
    pub control: Option<ControlArg>,

    /// How the log on stderr is written.
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "WSHOST_LOG_FORMAT")]
    pub log_format: LogFormat,
}

impl ServeArgs {
    /// The server's settings. The folder of `--static` is not among them, since it has to be examined first.
    pub fn settings(&self) -> Settings {
        let cores = available_parallelism().map_or(1, usize::from);
        Settings {
            loops: self.loops.map_or(cores, usize::from),
            workers: self.workers.map_or(cores, usize::from),
            worker_nice: self.worker_nice,
            read_size: bytes(self.read_size),
            prefer_read: self.prefer_read,
            max_message: bytes(self.max_message),
            message_timeout: self.message_timeout,
            compression: self.compress.then(|| Compression {
                level: self.compress_level,
                threshold: bytes(self.compress_threshold),
                context_takeover: self.compress_context_takeover,
                window_bits: self.compress_window_bits,
            }),
            backlog: Backlog { limit: bytes(self.max_backlog), policy: self.backlog_policy.into() },
            ping_after: self.ping_after,
            close_after_no_pong: self.close_after_no_pong,
            reload: ReloadLimits {
                swap: SwapLimits {
                    deadline: self.reload_timeout,
                    max_pause: self.reload_max_pause,
                    drain: self.reload_drain,
                },
                max_generations: usize::from(self.max_generations),
                load: self.load_rules(),
                probation: self.probation.map(|length| Probation { length, panics: self.probation_panics }),
            },
            static_folder: None,
            http: HttpLimits { handshake_timeout: self.handshake_timeout, ..HttpLimits::default() },
        }
    }

    /// The conditions that plugins must meet before they run.
    pub(crate) fn load_rules(&self) -> LoadRules {
        LoadRules { rehearse: self.rehearse.extent(), strict: self.strict }
    }

    /// The path that two plugins claim, if there is one.
    pub(crate) fn path_claimed_twice(&self) -> Option<&str> {
        named_twice(&self.plugins)
    }

    /// The path for which two configurations are given, if there is one.
    pub(crate) fn path_configured_twice(&self) -> Option<&str> {
        named_twice(&self.engine_config)
    }

    /// A path for which a configuration is given, but no plugin.
    pub(crate) fn configured_without_plugin(&self) -> Option<&str> {
        let has_plugin = |config: &&PluginArg| self.plugins.iter().any(|plugin| plugin.is_of(config.path.as_deref()));
        self.engine_config.iter().find(|config| !has_plugin(config)).map(PluginArg::path_in_words)
    }

    /// The configuration file of the engine under this path.
    pub(crate) fn config_of(&self, path: Option<&str>) -> Option<&Path> {
        let of_path = |config: &&PluginArg| config.is_of(path);
        self.engine_config.iter().find(of_path).map(|config| config.file.as_path())
    }
}

fn named_twice(arguments: &[PluginArg]) -> Option<&str> {
    let mut earlier = arguments.iter().enumerate();
    let twice = earlier.find(|(at, argument)| arguments[..*at].iter().any(|one| one.is_of(argument.path.as_deref())));
    twice.map(|(_, argument)| argument.path_in_words())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn parse(arguments: &[&str]) -> Result<ServeArgs, clap::Error> {
        Cli::try_parse_from([&["wshost"], arguments].concat()).map(|cli| cli.serve)
    }

    #[test]
    fn sizes_and_durations_have_units() {
        let cli = parse(&["--plugin", "x", "--max-message", "16MiB", "--handshake-timeout", "500ms"]).unwrap();
        let settings = cli.settings();
        assert_eq!(settings.max_message, 16 * 1024 * 1024);
        assert_eq!(settings.http.handshake_timeout, Duration::from_millis(500));
        assert!(parse(&["--plugin", "x", "--max-message", "many"]).is_err());
        assert!(parse(&["--plugin", "x", "--handshake-timeout", "0s"]).is_err());
        assert!(parse(&["--plugin", "x", "--loops", "0"]).is_err());
        assert!(parse(&[]).is_err(), "there must be a plugin");
    }

    #[test]
    fn compression_is_off_unless_asked_for() {
        let compression =
            |arguments: &[&str]| parse(&[&["--plugin", "x"], arguments].concat()).map(|cli| cli.settings().compression);
        assert_eq!(compression(&[]).unwrap(), None);
        assert_eq!(compression(&["--compress"]).unwrap(), Some(Compression::default()));
        let all = ["--compress", "--compress-level=9", "--compress-threshold=1KiB", "--compress-window-bits=9"];
        let expected = Compression { level: 9, threshold: 1024, context_takeover: true, window_bits: 9 };
        let takeover = ["--compress-context-takeover", "yes"];
        assert_eq!(compression(&[&all[..], &takeover].concat()).unwrap(), Some(expected));
        for wrong in
            ["--compress-level=0", "--compress-level=10", "--compress-window-bits=8", "--compress-window-bits=16"]
        {
            assert!(compression(&["--compress", wrong]).is_err(), "{wrong}");
        }
        assert!(compression(&["--compress-level=6"]).is_err(), "an option that would do nothing");
    }

    #[test]
    fn reloads_are_tried_only_where_asked_for() {
        let reload =
            |arguments: &[&str]| parse(&[&["--plugin", "x"], arguments].concat()).map(|cli| cli.settings().reload);
        let default = reload(&[]).unwrap();
        assert_eq!((default.probation, default.swap.drain), (None, None));
        let length = Duration::from_secs(30);
        let probation = |arguments: &[&str]| reload(&[&["--probation", "30s"], arguments].concat()).unwrap().probation;
        assert_eq!(probation(&[]), Some(Probation { length, panics: 0 }));
        assert_eq!(probation(&["--probation-panics", "3"]), Some(Probation { length, panics: 3 }));
        assert!(reload(&["--probation-panics", "3"]).is_err(), "an option that would do nothing");
        assert_eq!(reload(&["--reload-drain", "1m"]).unwrap().swap.drain, Some(Duration::from_secs(60)));
    }

    #[test]
    fn two_plugins_cannot_have_one_path() {
        let twice = parse(&["--plugin", "/a=x", "--plugin", "/a/=y"]).unwrap();
        assert_eq!(twice.path_claimed_twice(), Some("/a"));
        let every = parse(&["--plugin", "x", "--plugin", "y"]).unwrap();
        assert_eq!(every.path_claimed_twice(), Some("every path"));
        let fine = parse(&["--plugin", "x", "--plugin", "/=x", "--plugin", "/a=y"]).unwrap();
        assert_eq!(fine.path_claimed_twice(), None);
    }
}
