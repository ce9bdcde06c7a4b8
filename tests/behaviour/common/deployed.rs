//! A plugin as an operator has it: a file that is replaced, and a configuration.

use super::{Host, artefacts};
use std::fs;
use std::path::{Path, PathBuf};

/// A plugin's file that can be replaced, as an operator would, with its configuration.
pub(crate) struct Deployed {
    /// The folder of the files.
    pub(crate) folder: tempfile::TempDir,
}

impl Deployed {
    /// A deployed engine of this workspace.
    pub(crate) fn new(package: &str) -> Deployed {
        let deployed = Deployed { folder: tempfile::tempdir().expect("a folder") };
        deployed.replace(artefacts().of(package));
        deployed.configure("");
        deployed
    }

    /// The plugin's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("libcurrent.so")
    }

    /// Its configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("engine.toml")
    }

    /// Puts another file in its place, at once.
    pub(crate) fn replace(&self, with: &Path) {
        let new = self.folder.path().join("new.so");
        fs::copy(with, &new).expect("copied");
        fs::rename(new, self.file()).expect("renamed");
    }

    /// Writes the engine's configuration.
    pub(crate) fn configure(&self, toml: &str) {
        fs::write(self.config(), toml).expect("written");
    }

    /// Starts wshost with it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Host {
        let config = self.config();
        let configured = ["--engine-config", config.to_str().expect("a path in UTF-8")];
        Host::with_plugin(&self.file(), &[&configured, arguments].concat())
    }
}
