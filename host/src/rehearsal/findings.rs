//! The steps of a check, and the child's report on them: one line of JSON for each finding.

use plugin_api::abi::FileManifest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A step of an engine's life, in order; `check --help` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    File,
    Open,
    Interfaces,
    New,
    Connect,
    Text,
    Binary,
    Close,
    Handover,
    Shutdown,
    Exit,
}

impl Step {
    /// All of them.
    pub(crate) const ALL: [Step; 11] = [
        Step::File,
        Step::Open,
        Step::Interfaces,
        Step::New,
        Step::Connect,
        Step::Text,
        Step::Binary,
        Step::Close,
        Step::Handover,
        Step::Shutdown,
        Step::Exit,
    ];

    /// The step after this one.
    pub(crate) fn next(self) -> Step {
        Step::ALL.into_iter().skip_while(|other| *other != self).nth(1).unwrap_or(Step::Exit)
    }

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::File => "file",
            Step::Open => "open",
            Step::Interfaces => "interfaces",
            Step::New => "new",
            Step::Connect => "connect",
            Step::Text => "text",
            Step::Binary => "binary",
            Step::Close => "close",
            Step::Handover => "handover",
            Step::Shutdown => "shutdown",
            Step::Exit => "exit",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepOutcome {
    /// The step is as it should be.
    Ok,
    /// The engine can be served, but somebody should look at this.
    Note,
    /// The engine cannot be served like this.
    Failed,
}

/// A warning or an error of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLine {
    /// `WARN` or `ERROR`.
    pub level: String,
    /// Its message.
    pub text: String,
}

/// A message of the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Finding {
    /// A step begins.
    Began(Step),
    /// This was logged meanwhile.
    Logged(LogLine),
    /// The engine's manifest, from its tables.
    Manifest(FileManifest),
    /// The step that began last has ended.
    Ended { outcome: StepOutcome, text: String, seconds: f64 },
}
