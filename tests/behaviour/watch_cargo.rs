//! `cargo build` writes over the plugin's file under `--watch`, again and again.

use crate::common::{Host, artefacts, ask, build, connect, workspace};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of builds.
const BUILDS: usize = 50;

/// An engine that says which version it is.
const ENGINE: &str = r#"
use plugin_api::prelude::*;

struct Versioned;

impl Engine for Versioned {
    type Session = ();

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Versioned)
    }

    fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
        client.send_text(&format!("{text} {}", env!("CARGO_PKG_VERSION")));
        None
    }
}

export_engine!(Versioned);
"#;

fn write_crate(folder: &Path, version: usize) {
    let plugin_api = workspace().join("plugin-api");
    let manifest = format!(
        "[package]\nname = \"versioned\"\nversion = \"1.0.{version}\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nplugin-api = {{ path = {plugin_api:?} }}\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
}

/// The version in an engine's answer.
fn version_in(answer: &str) -> usize {
    answer.strip_prefix("which 1.0.").and_then(|version| version.parse().ok()).expect(answer)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds an engine 50 times"]
async fn there_is_a_working_engine_all_the_while() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("src")).expect("made");
    fs::write(folder.path().join("src/lib.rs"), ENGINE).expect("written");
    fs::copy(workspace().join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("copied");
    write_crate(folder.path(), 0);
    let target = folder.path().join("target");
    let plugin = build(folder.path(), Some(&target), &["versioned"]).of("versioned").to_owned();
    assert!(artefacts().wshost().exists());
    let host = Arc::new(Host::with_plugin(&plugin, &["--watch", "--max-generations", "100"]));

    // One client stays, and others come and go: each is answered, by one version or the next.
    let over = Arc::new(AtomicBool::new(false));
    let newcomers = tokio::spawn({
        let (host, over) = (Arc::clone(&host), Arc::clone(&over));
        async move {
            let (mut count, mut last) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let version = version_in(&ask(&mut connect(&host, "/").await, "which").await);
                assert!(version >= last, "back from {last} to {version}");
                (count, last) = (count + 1, version);
            }
            count
        }
    });
    let mut stays = connect(&host, "/").await;
    for version in 1..=BUILDS {
        write_crate(folder.path(), version);
        build(folder.path(), Some(&target), &["versioned"]);
        let (reloaded, version_is) = ("reloaded: ", format!("version=\"1.0.{version}\""));
        tokio::task::block_in_place(|| host.wait_for_log(1, &[reloaded, &version_is]));
        assert_eq!(version_in(&ask(&mut stays, "which").await), version);
    }
    over.store(true, Ordering::Relaxed);
    let count = newcomers.await.expect("every newcomer is answered");
    let log = host.log();
    assert!(!log.contains("reload refused"), "{log}");
    println!("{BUILDS} builds, {count} newcomers");
}
