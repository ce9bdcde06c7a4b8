//! Builds the programs that the tests run: `cargo test` does not build the dynamic libraries of other packages.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Programs and libraries by the name of their package.
pub(crate) struct Artefacts(HashMap<String, PathBuf>);

impl Artefacts {
    /// The `wshost` program.
    pub(crate) fn wshost(&self) -> &Path {
        self.of("wshost")
    }

    /// The same artefacts as copies in another folder, where no later build overwrites them.
    pub(crate) fn moved_to(self, folder: &Path) -> Artefacts {
        fs::create_dir_all(folder).expect("a folder can be made");
        let moved = self.0.into_iter().map(|(name, file)| {
            let copy = folder.join(file.file_name().expect("a file"));
            fs::copy(&file, &copy).expect("an artefact can be copied");
            (name, copy)
        });
        Artefacts(moved.collect())
    }

    /// The program or dynamic library that a package builds.
    pub(crate) fn of(&self, package: &str) -> &Path {
        self.0.get(package).unwrap_or_else(|| panic!("{package} was not built"))
    }
}

/// The artefacts of this workspace. The first test that needs them builds them.
pub(crate) fn artefacts() -> &'static Artefacts {
    static BUILT: OnceLock<Artefacts> = OnceLock::new();
    BUILT.get_or_init(|| build(&workspace(), None, &PACKAGES))
}

/// The packages that tests run: the host, the shipped engines, the examples and the fixtures.
const PACKAGES: [&str; 20] = [
    "wshost",
    "echo",
    "chat",
    "hello",
    "auth",
    "broadcast",
    "counter",
    "counter-2",
    "cpu-bound",
    "fragments",
    "groups",
    "progress",
    "timers",
    "hanging-initialiser",
    "heir",
    "hostile",
    "opinionated",
    "own-allocator",
    "probe",
    "unruly",
];

/// The root of this workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Builds packages of a workspace.
pub(crate) fn build(workspace: &Path, target: Option<&Path>, packages: &[&str]) -> Artefacts {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--message-format=json-render-diagnostics"]).current_dir(workspace);
    if let Some(target) = target {
        cargo.arg("--target-dir").arg(target);
    }
    for package in packages {
        cargo.args(["-p", package]);
    }
    built_by(&mut cargo)
}

fn built_by(cargo: &mut Command) -> Artefacts {
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "{cargo:?} failed");
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    Artefacts(messages.lines().filter_map(artefact).collect())
}

/// The engine `aborts`. Its own crate is compiled with `-C panic=abort`.
pub(crate) fn aborting() -> &'static Path {
    static BUILT: OnceLock<Artefacts> = OnceLock::new();
    BUILT.get_or_init(|| build_with("aborts", &["-C", "panic=abort"])).of("aborts")
}

/// Builds a package of this workspace with options for the compiler of its own crate. Nothing else may build it.
pub(crate) fn build_with(package: &str, options: &[&str]) -> Artefacts {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustc", "-p", package, "--message-format=json-render-diagnostics", "--"]).args(options);
    built_by(cargo.current_dir(workspace()))
}

/// A program or dynamic library in one of cargo's messages.
fn artefact(message: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?;
    let kinds = target.get("kind")?.as_array()?;
    if message.get("reason")? != "compiler-artifact" || !kinds.iter().any(|kind| kind == "bin" || kind == "cdylib") {
        return None;
    }
    let file = message.get("filenames")?.as_array()?.first()?.as_str()?;
    // A library of the package cpu-bound is called cpu_bound.
    Some((target.get("name")?.as_str()?.replace('_', "-"), file.into()))
}
