//! Values on the command line that are more than a number: files under paths, choices, and sizes within bounds.

use crate::http::{are_same, without_slashes_behind};
use crate::rehearsal::Extent;
use crate::units::size;
use bytesize::ByteSize;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use wshost_core::client::audience::BacklogPolicy;
use wshost_core::plugin::find;

/// What happens to a client whose backlog is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyArg {
    /// Drop its backlog and close it with 1008.
    Close,
    /// Drop new messages until there is room again.
    Drop,
}

/// How far a plugin is rehearsed before a server opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RehearseArg {
    /// Not at all.
    No,
    /// Open it and check its tables.
    Open,
    /// Make its engine as well, visit it, hand it its own export, and drop it.
    Life,
}

impl RehearseArg {
    pub(super) fn extent(self) -> Option<Extent> {
        match self {
            RehearseArg::No => None,
            RehearseArg::Open => Some(Extent::Open),
            RehearseArg::Life => Some(Extent::Life),
        }
    }
}

/// One `--plugin` or `--engine-config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginArg {
    /// The path it is served under, without a slash at its end; `None` for every path.
    pub path: Option<String>,
    /// The file, as given.
    pub file: PathBuf,
}

impl std::str::FromStr for PluginArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A file whose own name contains an equals sign is still a file.
        let split = if Path::new(text).exists() { None } else { split(text) };
        let Some((path, file)) = split else {
            return if text.is_empty() { Err("a file is needed".into()) } else { Ok(PluginArg::file(text)) };
        };
        if !path.starts_with('/') || path.contains(['?', '#']) {
            let why = "must begin with a slash and have no ? or # in it, other than as %3F or %23, as in /chat=FILE";
            return Err(format!("the path {path:?} {why}"));
        }
        if file.is_empty() {
            return Err(format!("a file is needed behind {path}="));
        }
        let path = without_slashes_behind(path);
        Ok(PluginArg { path: Some(path.into()), file: file.into() })
    }
}

/// The path and the file, divided by an equals sign. If there are several, the first one after which the rest names an
/// existing file counts.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut splits = text.match_indices('=').map(|(at, _)| (&text[..at], &text[at + 1..]));
    splits.find(|(_, file)| !file.is_empty() && find(Path::new(file)).is_ok()).or_else(|| text.split_once('='))
}

impl PluginArg {
    pub(super) fn file(file: &str) -> Self {
        PluginArg { path: None, file: file.into() }
    }

    /// Whether it is for this path, in whatever spelling.
    pub(super) fn is_of(&self, path: Option<&str>) -> bool {
        are_same(self.path.as_deref(), path)
    }

    pub(super) fn path_in_words(&self) -> &str {
        self.path.as_deref().unwrap_or("every path")
    }
}

impl From<PolicyArg> for BacklogPolicy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Close => BacklogPolicy::Close,
            PolicyArg::Drop => BacklogPolicy::Drop,
        }
    }
}

pub(super) fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

pub(super) fn read_size(text: &str) -> Result<ByteSize, String> {
    size(text, ByteSize::b(512), ByteSize::mib(64))
}

pub(super) fn threshold(text: &str) -> Result<ByteSize, String> {
    size(text, ByteSize::b(0), ByteSize::gib(2))
}

pub(super) fn message_size(text: &str) -> Result<ByteSize, String> {
    size(text, ByteSize::b(1), ByteSize::gib(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equals_sign_may_be_in_the_path_and_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lib=chat.so");
        std::fs::write(&file, "").unwrap();
        let file = file.to_str().unwrap();
        for path in ["/chat", "/a=b", "/a=b=c"] {
            let plugin: PluginArg = format!("{path}={file}").parse().unwrap();
            assert_eq!((plugin.path.as_deref(), plugin.file.to_str()), (Some(path), Some(file)));
        }
        let plugin: PluginArg = "/a=b=missing.so".parse().unwrap();
        assert_eq!((plugin.path.as_deref(), plugin.file.to_str()), (Some("/a"), Some("b=missing.so")));
    }

    #[test]
    fn a_plugin_is_a_file_or_a_path_and_a_file() {
        let plugin = |text: &str| text.parse::<PluginArg>();
        assert_eq!(plugin("libecho.so").unwrap(), PluginArg::file("libecho.so"));
        assert_eq!(plugin("/opt/libecho.so").unwrap(), PluginArg::file("/opt/libecho.so"));
        let chat = PluginArg { path: Some("/chat".into()), file: "libchat.so".into() };
        assert_eq!(plugin("/chat=libchat.so").unwrap(), chat);
        assert_eq!(plugin("/chat/=libchat.so").unwrap(), chat);
        assert_eq!(plugin("/=libchat.so").unwrap().path.as_deref(), Some("/"));
        assert_eq!(plugin("//=libchat.so").unwrap().path.as_deref(), Some("/"));
        let room = PluginArg { path: Some("/my room".into()), file: "libchat.so".into() };
        assert_eq!(plugin("/my room=libchat.so").unwrap(), room);
        assert!(room.is_of(Some("/m%79%20room/")) && !room.is_of(None));
        assert!(plugin("/a?b=libchat.so").unwrap_err().contains("%3F"));
        assert!(plugin("chat=libchat.so").unwrap_err().contains("begin with a slash"));
        assert!(plugin("/chat=").unwrap_err().contains("a file is needed"));
        assert!(plugin("").is_err());
    }
}
