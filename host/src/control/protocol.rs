//! What goes over the control socket. The names are what other programs rely on: they may become more, and stay.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How the server is.
    Status {},
    /// Load an engine's plugin again.
    Reload {
        /// The engine's path. Without it: the only engine, the one that runs from `plugin`, or the one for every path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Another file for it, absolute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugin: Option<PathBuf>,
    },
}

/// What stands beside the fault in a request that cannot be read.
pub(crate) const EXPECTED: &str = "one JSON object per line is expected, such as {\"command\":\"status\"} or \
    {\"command\":\"reload\",\"path\":\"/chat\",\"plugin\":\"/opt/libchat.so\"}, where path and plugin may be left out";

/// What the server answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// To `status`.
    Status(Status),
    /// The new generation runs.
    Accepted(AcceptedReload),
    /// Nothing has changed.
    Refused(Refusal),
    /// The request cannot be read.
    Error(String),
}

/// How a server is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Of wshost.
    pub version: String,
    pub pid: u32,
    pub uptime_seconds: u64,
    /// Whether it has been told to end.
    pub ending: bool,
    pub loops: usize,
    pub workers: usize,
    /// Jobs that no worker has begun.
    pub jobs_waiting: usize,
    /// Lines of the log that nobody will read: they could not be written, or nobody took them in time.
    #[serde(default)]
    pub log_lines_lost: u64,
    /// Generations of one engine at most.
    pub max_generations: usize,
    pub engines: Vec<EngineStatus>,
}

/// How one engine is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EngineStatus {
    pub name: String,
    pub version: String,
    /// `None`: every path that no other engine has.
    pub path: Option<String>,
    /// What the present generation was loaded from.
    pub file: String,
    /// The present generation, counted over all engines.
    pub generation: u32,
    /// Of all its generations.
    pub connections: usize,
    /// Those among them that stay with an earlier generation.
    pub connections_with_retired: usize,
    /// How often it can still be reloaded.
    pub generations_left: usize,
    pub retired: RetiredGenerations,
}

/// The libraries of generations that are not the present one. Each stays mapped until the process ends.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RetiredGenerations {
    /// How many, those that were refused after loading included.
    pub generations: usize,
    /// What of their mappings is in memory: the sum of Rss in `/proc/PID/smaps`. `None`: the system does not tell.
    pub resident_bytes: Option<u64>,
    /// Address space that they take: the sum of Size there.
    pub mapped_bytes: Option<u64>,
    /// Their private copies in the temporary folder. These have no name any more, but keep their room.
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
    /// New connections go to it; so many stay where they are until they end.
    Gentle { staying: usize },
}

/// Why nothing was done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub reason: String,
    /// With what `wshost` ends that asked for it, as in sysexits.
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
