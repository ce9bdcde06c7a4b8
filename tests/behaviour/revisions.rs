//! The boundary over time: engines and hosts of different revisions of plugin-api meet.
//!
//! Copies of the workspace are changed as a later release would be, and built for real.

use crate::common::{Artefacts, Host, artefacts, build, connect, workspace};
use futures_util::{SinkExt, StreamExt};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio_tungstenite::tungstenite::Message;

/// One change to a file: what stands there, and what replaces it.
type Change = (&'static str, &'static str, &'static str);

const VERSION: &str = "plugin-api/Cargo.toml";
const ENGINE_TABLE: &str = "plugin-api/src/abi/engine.rs";
const EXPORT: &str = "plugin-api/src/export/mod.rs";

/// A later release: a minor version on, with a second revision of the engine's table beside the first, which the host
/// prefers if an engine has it.
const NEXT_RELEASE: [Change; 4] = [
    (VERSION, "version = \"1.0.0\"", "version = \"1.1.0\""),
    (
        "plugin-api/src/abi/mod.rs",
        "// SAFETY: each id is named once.",
        "/// The engine's table of the next revision.\n#[repr(C)]\n#[derive(StableAbi)]\npub struct EngineTable2 {\n    \
         /// New.\n    pub greeting: RStr<'static>,\n}\n// SAFETY: each id is named once.\n\
         unsafe impl Table for EngineTable2 {\n    const ID: &'static str = \"wshost.engine/2\";\n}\n// SAFETY: as above.",
    ),
    (
        EXPORT,
        "        _ => ROption::RNone,",
        "        \"wshost.engine/2\" => ROption::RSome(Interface::new(\n            const { &crate::abi::EngineTable2 \
         { greeting: RStr::from_str(\"from the next revision\") } },\n        )),\n        _ => ROption::RNone,",
    ),
    (
        "host/core/src/plugin/files/dlopen.rs",
        "    EngineTables::of(module)",
        "    match plugin_api::hosting::offered::<plugin_api::abi::EngineTable2>(module) {\n        \
         Ok(Some(next)) => tracing::info!(\"greeting {}\", next.greeting),\n        \
         other => tracing::info!(\"an older engine: {}\", other.is_ok()),\n    }\n    EngineTables::of(module)",
    ),
];

/// A release that breaks the boundary, and says so by its major version.
const BREAKING_RELEASE: [Change; 1] = [(VERSION, "version = \"1.0.0\"", "version = \"2.0.0\"")];

/// A mistake: a table that grew under its old id.
const GROWN_TABLE: [Change; 2] = [
    (
        ENGINE_TABLE,
        "    /// The engine's own default for `--ping-after`",
        "    /// New.\n    pub grown: u64,\n    /// The engine's own default for `--ping-after`",
    ),
    (EXPORT, "        ping_after_ms:", "        grown: 1,\n        ping_after_ms:"),
];

async fn echoes(host: &Host) {
    let mut client = connect(host, "/").await;
    client.send(Message::text("across revisions")).await.expect("sent");
    assert_eq!(client.next().await.expect("a reply").expect("a message"), Message::text("across revisions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_engines_run_in_old_and_new_hosts() {
    let next = variant("next", &NEXT_RELEASE, &["wshost", "echo"]);
    let plugin = |artefacts: &Artefacts| artefacts.of("echo").to_str().expect("UTF-8").to_owned();

    let newer_engine_in_older_host = Host::with_plugin(next.of("echo"), &[]);
    newer_engine_in_older_host.wait_for_log(1, &["plugin loaded", "plugin_api=\"1.1.0\""]);
    echoes(&newer_engine_in_older_host).await;

    let older_engine_in_newer_host = Host::start(next.wshost(), &["--plugin", &plugin(artefacts())]);
    older_engine_in_newer_host.wait_for_log(1, &["an older engine: true"]);
    echoes(&older_engine_in_newer_host).await;

    let newer_engine_in_newer_host = Host::start(next.wshost(), &["--plugin", &plugin(&next)]);
    newer_engine_in_newer_host.wait_for_log(1, &["greeting from the next revision"]);
    echoes(&newer_engine_in_newer_host).await;
}

// E6
#[test]
fn an_engine_of_another_revision_is_refused() {
    for (name, changes, said) in
        [("breaking", &BREAKING_RELEASE[..], "it has plugin-api 2.0.0"), ("grown", &GROWN_TABLE, "wshost.engine/1")]
    {
        let other = variant(name, changes, &["echo"]);
        let plugin = other.of("echo").to_str().expect("UTF-8");
        let (code, stdout, stderr) = Host::refuses(&["--plugin", plugin], &[]);
        assert_eq!(code, 65, "{stderr}");
        assert!(stdout.is_empty(), "{stdout}");
        assert!(stderr.contains("another revision of plugin-api") && stderr.contains(said), "{stderr}");
        assert!(
            stderr.contains("engine echo 1.0.0") && stderr.contains("this wshost has plugin-api 1.0.0"),
            "{stderr}"
        );
    }
}

/// Builds a changed copy of the workspace.
fn variant(name: &str, changes: &[Change], packages: &[&str]) -> Artefacts {
    // One target folder for all, so that the dependencies are built once; its artefacts are moved out of the way.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    let root = artefacts().wshost().ancestors().nth(2).expect("a target folder").join("revisions");
    let copy = root.join(name);
    let _ = fs::remove_dir_all(&copy);
    for part in ["Cargo.toml", "Cargo.lock", "host", "plugin-api", "plugins", "examples", "tests"] {
        copy_tree(&workspace().join(part), &copy.join(part));
    }
    for (file, from, to) in changes {
        let path = copy.join(file);
        let text = fs::read_to_string(&path).expect("a source file");
        assert!(text.contains(from), "{file} has changed: adapt this test to find {from:?}");
        fs::write(&path, text.replacen(from, to, 1)).expect("written");
    }
    let built = build(&copy, Some(&root.join("target")), packages);
    built.moved_to(&copy.join("built"))
}

fn copy_tree(from: &Path, to: &Path) {
    const LEFT_OUT: [&str; 3] = ["target", ".tools", "load"];
    if from.is_file() {
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::copy(from, to).expect("copied");
        return;
    }
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name: PathBuf = entry.file_name().expect("a name").into();
        if !LEFT_OUT.iter().any(|left_out| name == Path::new(left_out)) {
            copy_tree(&entry, &to.join(name));
        }
    }
}
