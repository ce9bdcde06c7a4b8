//! The messages of the control socket. Other programs rely on these names: new ones may be added, none may change.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A client's request.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Ask for the server's status.
    Status {},
    /// Load an engine's plugin again.
    Reload {
        /// The engine's path. Without it: the only engine, the one that runs from `plugin`, or the one for every path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Another file for the engine, as an absolute path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugin: Option<PathBuf>,
    },
}

/// The format that is expected, for the reply to a request that cannot be read.
pub(crate) const EXPECTED: &str = "one JSON object per line is expected, such as {\"command\":\"status\"} or \
    {\"command\":\"reload\",\"path\":\"/chat\",\"plugin\":\"/opt/libchat.so\"}, and path and plugin are optional";

/// The server's reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The reply to `status`.
    Status(Status),
    /// The new generation runs.
    Accepted(AcceptedReload),
    /// Nothing has changed.
    Refused(Refusal),
    /// The request cannot be read.
    Error(String),
}

/// The state of a server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The version of wshost.
    pub version: String,
    pub pid: u32,
    pub uptime_seconds: u64,
    /// Whether it has been told to end.
    pub ending: bool,
    pub loops: usize,
    pub workers: usize,
    /// Jobs that no worker has begun.
    pub jobs_waiting: usize,
    /// Lines of the log that are lost: they could not be written, or nobody read them in time.
    #[serde(default)]
    pub log_lines_lost: u64,
    /// The most generations of one engine.
    pub max_generations: usize,
    pub engines: Vec<EngineStatus>,
}

/// The state of one engine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EngineStatus {
    pub name: String,
    pub version: String,
    /// `None` means every path that no other engine has.
    pub path: Option<String>,
    /// The file that the present generation was loaded from.
    pub file: String,
    /// The present generation, counted over all engines.
    pub generation: u32,
    /// The connections of all its generations.
    pub connections: usize,
    /// The connections that stay with an earlier generation.
    pub connections_with_retired: usize,
    /// How often it can still be loaded.
    pub generations_left: usize,
    pub retired: RetiredGenerations,
}

/// The libraries of generations that are not the present one. Each stays mapped until the process ends.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RetiredGenerations {
    /// How many there are, including those that were refused after loading.
    pub generations: usize,
    /// How much of their mappings is in memory: the sum of Rss in `/proc/PID/smaps`. `None` if the system does not
    /// tell.
    pub resident_bytes: Option<u64>,
    /// The address space that they take: the sum of Size there.
    pub mapped_bytes: Option<u64>,
    /// The size of their private copies in the temporary folder. The copies have no name any more, but still take
    /// space.
    pub file_bytes: u64,
}

/// A new generation runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AcceptedReload {
    pub engine: String,
    pub version: String,
    pub path: Option<String>,
    pub generation: u32,
    #[serde(flatten)]
    pub way: ReloadWay,
}

/// How it took over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case")]
pub(crate) enum ReloadWay {
    /// All sessions passed over.
    Handover { sessions: usize, pause_ms: f64 },
    /// New connections go to it. This many stay where they are until they end.
    Gentle { staying: usize },
}

/// Why nothing was done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub reason: String,
    /// The exit code, as in sysexits, for the `wshost` that asked.
    pub exit_code: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_documentation_says() {
        let request = |line: &str| serde_json::from_str::<Request>(line);
        assert_eq!(request(r#"{"command":"status"}"#).unwrap(), Request::Status {});
        assert_eq!(request(r#"{"command":"reload"}"#).unwrap(), Request::Reload { path: None, plugin: None });
        let whole = Request::Reload { path: Some("/chat".into()), plugin: Some("/opt/libchat.so".into()) };
        assert_eq!(request(r#"{"command":"reload","path":"/chat","plugin":"/opt/libchat.so"}"#).unwrap(), whole);
        assert_eq!(request(&serde_json::to_string(&whole).unwrap()).unwrap(), whole);
        for wrong in [r#"{"command":"stop"}"#, r#"{"command":"status","path":"/"}"#, "{}", "[]", "status", ""] {
            assert!(request(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reply_says_at_its_head_what_it_is() {
        let refused = Reply::Refused(Refusal { reason: "no".into(), exit_code: 65 });
        assert_eq!(serde_json::to_string(&refused).unwrap(), r#"{"refused":{"reason":"no","exit_code":65}}"#);
        let accepted = Reply::Accepted(AcceptedReload {
            engine: "chat".into(),
            version: "2.0.0".into(),
            path: None,
            generation: 3,
            way: ReloadWay::Gentle { staying: 4 },
        });
        let json = serde_json::to_string(&accepted).unwrap();
        assert!(json.starts_with(r#"{"accepted":{"#) && json.contains(r#""way":"gentle","staying":4"#), "{json}");
        assert!(matches!(serde_json::from_str(&json).unwrap(), Reply::Accepted(AcceptedReload { generation: 3, .. })));
    }
}
