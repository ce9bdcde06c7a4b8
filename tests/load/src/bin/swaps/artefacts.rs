//! What a run needs of the workspace, built by cargo: the host, and the engine in two builds.

use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs and libraries of a run.
pub(crate) struct Artefacts {
    pub(crate) wshost: PathBuf,
    /// The engine, as build 1 and build 2.
    pub(crate) engines: [PathBuf; 2],
}

impl Artefacts {
    /// Builds them with optimization, or takes `wshost` as it is.
    pub(crate) fn build(wshost: Option<&Path>) -> Result<Artefacts> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut cargo = Command::new("cargo");
        cargo.args([
            "build",
            "--release",
            "--message-format=json-render-diagnostics",
            "-p",
            "ledger",
            "-p",
            "ledger-2",
        ]);
        if wshost.is_none() {
            cargo.args(["-p", "wshost"]);
        }
        let output = cargo.current_dir(workspace).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
        if !output.status.success() {
            bail!("cargo build has failed");
        }
        let built: HashMap<_, _> = String::from_utf8(output.stdout)?.lines().filter_map(artefact).collect();
        let of = |name: &str| built.get(name).cloned().with_context(|| format!("cargo has not built {name}"));
        let wshost = wshost.map_or_else(|| of("wshost"), |file| Ok(file.to_owned()))?;
        Ok(Artefacts { wshost, engines: [of("ledger")?, of("ledger_2")?] })
    }
}

/// The name and the file of a program or dynamic library in one of cargo's messages.
fn artefact(message: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?;
    let kinds = target.get("kind")?.as_array()?;
    if !kinds.iter().any(|kind| kind == "bin" || kind == "cdylib") {
        return None;
    }
    let file = message.get("filenames")?.as_array()?.first()?.as_str()?;
    Some((target.get("name")?.as_str()?.to_owned(), file.into()))
}
