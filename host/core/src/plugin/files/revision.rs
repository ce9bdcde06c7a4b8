//! Compares an engine's revision of the boundary with this host's, as far as the manifest in the file shows it.
//!
//! The checks after opening (`dlopen`) decide. These only save opening an engine that would be refused. If a difference
//! cannot be told here, the engine passes.

use plugin_api::abi::{EngineTable, FileManifest, Manifest, Table};
use plugin_api::hosting::Mismatch;

/// The difference that keeps the engine from running in this host, if there is one.
pub(super) fn difference(manifest: &FileManifest) -> Option<String> {
    let (theirs, ours) = (&manifest.plugin_api, plugin_api::VERSION);
    if let Some((theirs_breaks, ours_breaks)) = breaking(theirs).zip(breaking(ours))
        && theirs_breaks != ours_breaks
    {
        return Some(other_version(theirs, ours));
    }
    let missing = [Manifest::ID, EngineTable::ID].into_iter().find(|id| !offers(manifest, id))?;
    Some(Mismatch::NotOffered(missing).to_string())
}

pub(super) fn other_version(theirs: impl std::fmt::Display, ours: impl std::fmt::Display) -> String {
    format!("it has plugin-api {theirs}, and {ours} is expected")
}

fn offers(manifest: &FileManifest, id: &str) -> bool {
    // A manifest that names no table leaves this to the module.
    manifest.interfaces.is_empty() || manifest.interfaces.iter().any(|offered| offered == id)
}

/// The part of a version whose change breaks the boundary: `2` of 2.1.0 and, as with cargo, `0.2` of 0.2.1.
fn breaking(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    match (numbers.next()??, numbers.next()??) {
        (0, minor) => Some((0, minor)),
        (major, _) => Some((major, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(plugin_api: &str, interfaces: &[&str]) -> FileManifest {
        FileManifest {
            name: "chat".into(),
            version: "1.0.0".into(),
            description: String::new(),
            plugin_api: plugin_api.into(),
            interfaces: interfaces.iter().map(|id| (*id).to_owned()).collect(),
            rustc: String::new(),
            target: String::new(),
            panic_unwinds: true,
        }
    }

    #[test]
    fn another_major_version_or_a_missing_table_is_another_revision() {
        let needed = [Manifest::ID, EngineTable::ID];
        assert_eq!(difference(&manifest(plugin_api::VERSION, &needed)), None);
        let more = [Manifest::ID, EngineTable::ID, "wshost.engine/2"];
        assert_eq!(difference(&manifest("1.99.0-beta", &more)), None, "a later release of the same major version");
        assert!(difference(&manifest("2.0.0", &needed)).unwrap().contains("plugin-api 2.0.0, and 1."));
        assert!(difference(&manifest("0.9.0", &needed)).unwrap().contains("plugin-api 0.9.0"));
        let without = difference(&manifest(plugin_api::VERSION, &[Manifest::ID, "wshost.engine/2"]));
        assert!(without.unwrap().contains(EngineTable::ID));
    }

    #[test]
    fn what_cannot_be_told_is_left_to_the_library() {
        assert_eq!(difference(&manifest("who knows", &[])), None);
    }

    #[test]
    fn before_1_0_0_minor_versions_break() {
        assert_eq!(breaking("0.2.1"), breaking("0.2.9"));
        assert_ne!(breaking("0.2.1"), breaking("0.3.0"));
        assert_eq!(breaking("1.0.0"), breaking("1.7.3"));
    }
}
