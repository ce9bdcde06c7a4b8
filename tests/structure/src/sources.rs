//! The files that are read: from the disk, or from a test.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Texts by their path from the root of the workspace, with `/`.
#[derive(Default)]
pub struct Sources {
    files: BTreeMap<String, String>,
}

impl Sources {
    /// The workspace that this crate belongs to.
    pub fn of_this_workspace() -> Result<Self> {
        Self::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
    }

    /// The workspace in the folder `root`: manifests, sources, and the text with the rules.
    pub fn of(root: &Path) -> Result<Self> {
        let mut sources = Self::default();
        for name in ["Cargo.toml", "ARCHITECTURE.md"] {
            sources.read(root, name)?;
        }
        for folder in product(sources.text("Cargo.toml").unwrap_or_default())? {
            sources.read(root, &format!("{folder}/Cargo.toml"))?;
            sources.read_folder(root, &format!("{folder}/src"))?;
        }
        Ok(sources)
    }

    /// Adds a file, or replaces it.
    pub fn add(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The folders of the product's crates.
    pub(crate) fn product(&self) -> Result<Vec<String>> {
        product(self.text("Cargo.toml").context("there is no Cargo.toml")?)
    }

    /// Rust files below `folder`.
    pub(crate) fn rust_files<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn read(&mut self, root: &Path, path: &str) -> Result<()> {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        self.files.insert(path.to_owned(), text);
        Ok(())
    }

    fn read_folder(&mut self, root: &Path, folder: &str) -> Result<()> {
        for entry in std::fs::read_dir(root.join(folder)).with_context(|| format!("cannot read {folder}"))? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().with_context(|| format!("a strange name in {folder}"))?;
            let path = format!("{folder}/{name}");
            if entry.file_type()?.is_dir() {
                self.read_folder(root, &path)?;
            } else if name.ends_with(".rs") {
                self.read(root, &path)?;
            }
        }
        Ok(())
    }
}

/// Members that are named one by one and do not lie in `tests`: plugins and examples are users of the product.
fn product(manifest: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse().context("the root's Cargo.toml")?;
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(toml::Value::as_array).context("the workspace names no members")?;
    Ok(members
        .iter()
        .filter_map(toml::Value::as_str)
        .filter(|member| !member.contains('*') && *member != "tests" && !member.starts_with("tests/"))
        .map(str::to_owned)
        .collect())
}
