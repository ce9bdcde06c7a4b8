//! Swaps that are refused, under traffic: the old generation goes on, and no client notices more than a pause.

use crate::common::{Deployed, Traffic, artefacts, ask, connect};
use std::fs;
use std::path::Path;

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_refuses_the_swap_and_nobody_notices() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--loops", "2", "--workers", "2", "--reload-timeout", "30s"]);
    let traffic = Traffic::start(&host, 200).await;
    let garbage = deployed.folder.path().join("garbage");
    fs::write(&garbage, [0xa5; 5000]).expect("written");
    let heir = artefacts().of("heir");
    let foreign = deployed.folder.path().join("foreign");
    fs::write(&foreign, of_another_revision(fs::read(heir).expect("libheir.so"))).expect("written");
    let cases: [(&Path, &str, &str); 8] = [
        (&garbage, "", "is not a dynamic library"),
        (&foreign, "", "was built for another revision of plugin-api"),
        (heir, "no_such_key = 1", "unknown field `no_such_key`"),
        (heir, "fails = 'new'", "told to panic in new"),
        (heir, "fails = 'schema'", "does not accept the state of the old one, which is heir"),
        (heir, "fails = 'import-state'", "told to take no state"),
        (heir, "fails = 'import-session'\nfails_at = 150", "told to fail at session 150"),
        (heir, "fails = 'import-panics'", "told to panic in import_session"),
    ];
    for (number, (file, config, why)) in cases.into_iter().enumerate() {
        deployed.replace(file);
        deployed.configure(config);
        host.hang_up();
        let line = host.wait_for_log(number + 1, &["reload refused, the engine runs on as it was"]).remove(number);
        assert!(line.contains(why), "{line}");
        assert!(ask(&mut connect(&host, "/").await, "hello").await.starts_with(" 0 hello"));
    }
    assert!(traffic.end().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_cannot_export_runs_on() {
    let cases = [
        ("fails = 'export-state'", "told to keep its state"),
        ("fails = 'export-session'", "export_session panicked at tests/fixtures/heir/src/lib.rs:"),
        ("fails = 'export-blocks'", "not done after 2s: export_session of client "),
    ];
    for (config, why) in cases {
        let deployed = Deployed::new("heir");
        deployed.configure(config);
        let host = deployed.start(&["--reload-timeout", "2s"]);
        let traffic = Traffic::start(&host, 200).await;
        deployed.configure("");
        host.hang_up();
        let line = host.wait_for_log(1, &["reload refused, the engine runs on as it was"]).remove(0);
        assert!(line.contains(why), "{line}");
        assert!(ask(&mut connect(&host, "/").await, "hello").await.starts_with(" 0 hello"));
        assert!(traffic.end().await > 0);
    }
}

/// A plugin as if a table of another revision had a field of another name.
fn of_another_revision(mut plugin: Vec<u8>) -> Vec<u8> {
    let (from, to) = (b"panic_unwinds;", b"panic_unwound;");
    let found: Vec<_> = (0..plugin.len() - from.len()).filter(|at| plugin[*at..].starts_with(from)).collect();
    assert!(!found.is_empty(), "the layout of the manifest is in the plugin");
    for at in found {
        plugin[at..at + to.len()].copy_from_slice(to);
    }
    // Another build, of which no linker tells that it covers every byte.
    let id = b"\x03\0\0\0GNU\0";
    if let Some(at) = plugin.windows(id.len()).position(|bytes| bytes == id) {
        plugin[at + id.len()] ^= 1;
    }
    let linker = b"Linker: LLD";
    if let Some(at) = plugin.windows(linker.len()).position(|bytes| bytes == linker) {
        plugin[at] = b'l';
    }
    plugin
}
