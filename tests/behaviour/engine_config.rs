//! `--engine-config`: an engine's configuration, and the error about a wrong one.

use crate::common::{Host, artefacts, ask, connect};
use std::fs;
use std::path::Path;

/// A file with this content, as text for the command line.
fn file(folder: &Path, name: &str, content: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, content).expect("written");
    file.to_str().expect("UTF-8").to_owned()
}

async fn config(host: &Host, path: &str) -> String {
    ask(&mut connect(host, path).await, "config").await
}

#[tokio::test(flavor = "multi_thread")]
async fn toml_and_json_come_to_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let toml = file(folder.path(), "probe.toml", "greeting = \"moin\"\n[rooms]\nlimit = 8\n");
    let json = file(folder.path(), "probe.json", "{\"greeting\": \"moin\", \"rooms\": {\"limit\": 8}}");
    for file in [&toml, &json] {
        assert_eq!(config(&Host::with("probe", &["--engine-config", file]), "/").await, "moin 8", "{file}");
    }
    assert_eq!(config(&Host::with("probe", &[]), "/").await, "hello 0", "the engine's own defaults");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_engine_has_the_file_that_names_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = format!("/one={}", file(folder.path(), "one.toml", "greeting = \"one\""));
    let two = format!("/two={}", file(folder.path(), "two.json", "{\"greeting\": \"two\"}"));
    let probe = artefacts().of("probe").display().to_string();
    let plugins = [format!("/one={probe}"), format!("/two={probe}"), format!("/three={probe}")];
    let arguments = ["--plugin", &plugins[0], "--plugin", &plugins[1], "--plugin", &plugins[2]];
    let host = Host::start(
        artefacts().wshost(),
        &[&arguments[..], &["--engine-config", &two, "--engine-config", &one]].concat(),
    );
    assert_eq!(config(&host, "/one").await, "one 0");
    assert_eq!(config(&host, "/two").await, "two 0");
    assert_eq!(config(&host, "/three").await, "hello 0");
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_with_file_line_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = artefacts().of("probe").display().to_string();
    let cases = [
        ("type.toml", "greeting = \"moin\"\n[rooms]\nlimit = \"many\"\n", "line 3, key rooms.limit: invalid type"),
        ("type.json", "{\"rooms\":\n{\"limit\": \"many\"}}", "line 2, key rooms.limit: invalid type"),
        ("unknown.toml", "\ncolour = \"red\"\n", "line 2"),
        ("unknown.json", "{\"colour\": \"red\"}", "unknown field `colour`"),
        ("broken.toml", "greeting = \n", "line 1"),
        ("broken.json", "{\"greeting\":", "line 1"),
    ];
    for (name, content, said) in cases {
        let file = file(folder.path(), name, content);
        let (code, stdout, stderr) = Host::refuses(&["--plugin", &plugin, "--engine-config", &file], &[]);
        assert_eq!(code, 78, "{name}: {stderr}");
        assert!(stdout.is_empty(), "{name}: nothing is ready: {stdout}");
        let sentence = stderr.lines().last().unwrap_or_default();
        assert!(sentence.starts_with("wshost: ") && sentence.contains("probe"), "{name}: {stderr}");
        assert!(sentence.contains(&file) && sentence.contains(said), "{name}: {stderr}");
    }
}

#[test]
fn a_file_that_is_missing_or_for_nobody_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = artefacts().of("probe").display().to_string();
    let missing = folder.path().join("missing.toml").display().to_string();
    let (code, _, stderr) = Host::refuses(&["--plugin", &plugin, "--engine-config", &missing], &[]);
    assert_eq!(code, 78, "{stderr}");
    assert!(stderr.contains(&missing), "{stderr}");

    let stray = format!("/nowhere={}", file(folder.path(), "stray.toml", "greeting = \"who?\""));
    let (code, _, stderr) = Host::refuses(&["--plugin", &plugin, "--engine-config", &stray], &[]);
    assert!([64, 78].contains(&code), "{code}: {stderr}");
    assert!(stderr.contains("/nowhere"), "{stderr}");
}
