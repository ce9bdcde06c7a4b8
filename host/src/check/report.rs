//! What a check found; as JSON, for machines.

use crate::rehearsal::findings::{LogLine, Step, StepOutcome};
use plugin_api::abi::FileManifest;
use serde::Serialize;
use std::path::PathBuf;

/// What a check found; the names of the fields are those of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// The file that was checked.
    pub file: PathBuf,
    /// Whether it can be served: no step failed.
    pub usable: bool,
    /// Who the engine is, as far as it could be found out.
    pub manifest: Option<FileManifest>,
    /// The steps that were taken, in their order. A failed one is the last.
    pub steps: Vec<StepReport>,
    /// The steps that were not taken.
    pub skipped: Vec<Step>,
    /// What to do now, where the text of the step that failed does not say so.
    pub advice: Option<String>,
    /// The last lines that the engine's process wrote to stdout and stderr.
    pub output: Vec<String>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct StepReport {
    /// Which.
    pub name: Step,
    /// How it went.
    pub outcome: StepOutcome,
    /// What was seen.
    pub text: String,
    /// How long it took.
    pub seconds: f64,
    /// Warnings and errors that were logged meanwhile.
    pub log: Vec<LogLine>,
}

impl Report {
    /// Nothing yet.
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
        // The same words twice help nobody.
        step.log.retain(|line| step.outcome != StepOutcome::Failed || !line.text.contains(&step.text));
        self.usable &= step.outcome != StepOutcome::Failed;
        self.skipped.retain(|skipped| *skipped != step.name);
        self.steps.push(step);
    }

    /// The step that failed.
    pub(super) fn failed(&self) -> Option<&StepReport> {
        self.steps.last().filter(|step| step.outcome == StepOutcome::Failed)
    }

    /// `chat 1.0.0`, or the name of the file where nothing says who it is.
    pub(super) fn engine(&self) -> String {
        match &self.manifest {
            Some(FileManifest { name, version, .. }) => format!("{name} {version}"),
            None => self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy().into_owned(),
        }
    }
}
