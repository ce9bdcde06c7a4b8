//! The steps of a check, and what the child says of them: one line of JSON for each finding.

use plugin_api::abi::FileManifest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A step of an engine's life, in their order; `check --help` tells what each is.
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

    /// The step that comes behind this one.
    pub(crate) fn next(self) -> Step {
        Step::ALL.into_iter().skip_while(|other| *other != self).nth(1).unwrap_or(Step::Exit)
    }

    /// As in reports.
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
    /// As it should.
    Ok,
    /// It can be served, and somebody should look at this.
    Note,
    /// It cannot be served like this.
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

/// What the child tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Finding {
    /// A step begins.
    Began(Step),
    /// This was logged meanwhile.
    Logged(LogLine),
    /// Who the engine is, from its tables.
    Manifest(FileManifest),
    /// The step that began last has ended.
    Ended { outcome: StepOutcome, text: String, seconds: f64 },
}
