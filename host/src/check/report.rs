//! What a check found. Serialised as JSON, it is for machines.

use crate::rehearsal::findings::{LogLine, Step, StepOutcome};
use plugin_api::abi::FileManifest;
use serde::Serialize;
use std::path::PathBuf;

/// What a check found. The field names are those of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// The file that was checked.
    pub file: PathBuf,
    /// Whether it can be served, which means that no step failed.
    pub usable: bool,
    /// The engine's manifest, as far as it is known.
    pub manifest: Option<FileManifest>,
    /// The steps that were taken, in order. If one failed, it is the last.
    pub steps: Vec<StepReport>,
    /// The steps that were not taken.
    pub skipped: Vec<Step>,
    /// What to do next, unless the text of the failed step says so.
    pub advice: Option<String>,
    /// The last lines that the engine's process wrote to stdout and stderr.
    pub output: Vec<String>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct StepReport {
    /// Which step.
    pub name: Step,
    /// How it went.
    pub outcome: StepOutcome,
    /// What was observed.
    pub text: String,
    /// How long it took.
    pub seconds: f64,
    /// Warnings and errors that were logged meanwhile.
    pub log: Vec<LogLine>,
}

impl Report {
    /// An empty report.
    pub(super) fn new(file: PathBuf) -> Report {
        Report {
            file,
            usable: true,
            manifest: None,
            steps: Vec::new(),
            skipped: Step::ALL.to_vec(),
            advice: None,
            output: Vec::new(),
        }
    }

    /// Adds a step.
    pub(super) fn add(&mut self, mut step: StepReport) {
        // Do not print the same words twice.
        step.log.retain(|line| step.outcome != StepOutcome::Failed || !line.text.contains(&step.text));
        self.usable &= step.outcome != StepOutcome::Failed;
        self.skipped.retain(|skipped| *skipped != step.name);
        self.steps.push(step);
    }

    /// The step that failed.
    pub(super) fn failed(&self) -> Option<&StepReport> {
        self.steps.last().filter(|step| step.outcome == StepOutcome::Failed)
    }

    /// `chat 1.0.0`, or the name of the file if the engine's name is unknown.
    pub(super) fn engine(&self) -> String {
        match &self.manifest {
            Some(FileManifest { name, version, .. }) => format!("{name} {version}"),
            None => self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy().into_owned(),
        }
    }
}
