//! `wshost check`: an engine led through its life in a process of its own, and what is said of those that fail.

use crate::common::{Host, artefacts, connect};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The result of a check.
struct Checked {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Checked {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// `outcome` and `text` of a step.
    fn step(&self, name: &str) -> (String, String) {
        let report = self.json();
        let step = report["steps"].as_array().expect("steps").iter().find(|step| step["name"] == name);
        let step = step.unwrap_or_else(|| panic!("no step {name}: {}", self.stdout));
        let text = |key: &str| step[key].as_str().expect("a text").to_owned();
        (text("outcome"), text("text"))
    }

    /// The log lines of a step.
    fn logged(&self, name: &str) -> String {
        let report = self.json();
        let steps = report["steps"].as_array().expect("steps");
        steps.iter().filter(|step| step["name"] == name).map(|step| step["log"].to_string()).collect()
    }

    /// Asserts that this step failed and is the last, and returns what was said of it.
    fn failed(&self, step: &str) -> String {
        assert_eq!(self.code, 65, "{}", self.stderr);
        let report = self.json();
        assert_eq!(report["usable"], false);
        let last = report["steps"].as_array().expect("steps").last().expect("a step").clone();
        assert_eq!((last["name"].as_str(), last["outcome"].as_str()), (Some(step), Some("failed")), "{}", self.stdout);
        let text = last["text"].as_str().expect("a text").to_owned();
        let verdict = self.stderr.lines().last().expect("a verdict");
        assert!(verdict.starts_with("wshost: ") && verdict.contains(&format!("{step} failed")), "{verdict}");
        text
    }
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Checked {
    let mut command = Command::new(artefacts().wshost());
    command.arg("check").args(arguments).envs(environment.iter().copied());
    let output = command.output().expect("wshost starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("wshost writes UTF-8");
    Checked {
        code: output.status.code().expect("an exit code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn name(file: &Path) -> &str {
    file.to_str().expect("a path in UTF-8")
}

fn check(package: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Checked {
    run(&[&[name(artefacts().of(package)), "--json"], arguments].concat(), environment)
}

/// The engine that does as it is told here.
fn unruly(told_to: &str, arguments: &[&str]) -> Checked {
    check("unruly", arguments, &[("UNRULY", told_to)])
}

const ALL: [&str; 11] =
    ["file", "open", "interfaces", "new", "connect", "text", "binary", "close", "handover", "shutdown", "exit"];

#[test]
fn an_engine_that_works_passes_every_step() {
    let checked = check("echo", &[], &[]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{}", checked.stdout);
    let report = checked.json();
    assert_eq!(report["usable"], true);
    let manifest = &report["manifest"];
    assert_eq!((&manifest["name"], &manifest["version"]), (&"echo".into(), &"1.0.0".into()));
    assert_eq!((&manifest["plugin_api"], &manifest["panic_unwinds"]), (&"1.0.0".into(), &true.into()));
    assert_eq!(manifest["interfaces"].to_string(), r#"["wshost.engine/1","wshost.manifest/1","wshost.handover/1"]"#);
    let names: Vec<_> = report["steps"].as_array().expect("steps").iter().map(|step| step["name"].clone()).collect();
    assert_eq!(names, ALL);
    assert!(checked.step("text").1.contains("a message came back"), "{}", checked.stdout);
    assert!(checked.step("binary").1.contains("a message came back"), "{}", checked.stdout);
}

#[test]
fn a_list_for_people_has_the_manifest_on_top_and_the_verdict_at_its_end() {
    let counter = name(artefacts().of("counter"));
    let checked = run(&[counter], &[]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.starts_with("counter 1.0.0: "), "{}", checked.stdout);
    for step in ALL {
        let has = |line: &str| line.split_whitespace().nth(1) == Some(step);
        assert!(checked.stdout.lines().any(has), "no {step} in {}", checked.stdout);
    }
    let verdict = checked.stdout.lines().last().expect("a verdict");
    assert!(verdict.starts_with("counter 1.0.0 can be served") && verdict.contains("--plugin"), "{verdict}");
    assert!(!checked.stdout.contains("FAILED"), "{}", checked.stdout);
}

#[test]
fn state_and_session_pass_over_where_there_is_a_handover_and_nothing_fails_where_there_is_none() {
    let (outcome, text) = check("counter", &[], &[]).step("handover");
    assert!(outcome != "failed" && text.contains("a client passed over"), "{outcome}: {text}");
    let checked = check("chat", &[], &[]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    assert_eq!(checked.step("handover").0, "note");
    let (outcome, text) = checked.step("binary");
    assert!(outcome == "note" && text.contains("1003"), "the chat takes text only: {text}");
    assert_ne!(checked.step("close").0, "failed", "the client came back");
}

#[test]
fn an_engine_that_wants_credentials_is_not_at_fault() {
    let checked = check("auth", &[], &[]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let (outcome, text) = checked.step("connect");
    assert!(outcome == "note" && text.contains("401"), "{outcome}: {text}");
    assert_eq!(checked.json()["skipped"].to_string(), r#"["text","binary","close"]"#);
}

#[test]
fn a_configuration_reaches_the_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("probe.toml");
    fs::write(&file, "greeting = 'moin'").expect("written");
    assert_eq!(check("probe", &["--engine-config", name(&file)], &[]).code, 0);
    fs::write(&file, "\ngreeting = 7").expect("written");
    let text = check("probe", &["--engine-config", name(&file)], &[]).failed("new");
    assert!(text.contains("probe.toml, line 2, key greeting"), "{text}");
    let missing = folder.path().join("missing.toml");
    let text = check("probe", &["--engine-config", name(&missing)], &[]).failed("new");
    assert!(text.contains("missing.toml"), "{text}");
}

#[test]
fn an_error_or_a_panic_in_new_is_told() {
    assert!(unruly("error-in-new", &[]).failed("new").contains("told to fail in new"));
    let text = unruly("panic-in-new", &[]).failed("new");
    assert!(text.contains("unruly/src/lib.rs:") && text.contains("told to panic in new"), "{text}");
}

#[test]
fn a_panic_elsewhere_fails_the_step_that_it_happens_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("heir.toml");
    let heir = |fails: &str| {
        fs::write(&file, format!("fails = '{fails}'")).expect("written");
        check("heir", &["--engine-config", name(&file)], &[])
    };
    let checked = heir("text");
    assert!(checked.failed("text").contains("1011"), "{}", checked.stdout);
    assert!(checked.logged("text").contains("told to panic in on_text"), "{}", checked.stdout);
    assert!(heir("export-session").failed("handover").contains("told to panic in export_session"));
    assert!(heir("import-state").failed("handover").contains("told to take no state"));

    let checked = unruly("panic-in-on_closed", &[]);
    checked.failed("close");
    assert!(checked.logged("close").contains("on_closed panicked"), "{}", checked.stdout);
    let checked = unruly("panic-in-drop", &[]);
    assert_eq!(checked.code, 65, "{}", checked.stdout);
    assert!(checked.stdout.contains("drop of the engine panicked"), "{}", checked.stdout);
}

#[test]
fn a_crash_names_its_step_and_signal() {
    let checked = unruly("crash-in-new", &[]);
    assert!(checked.failed("new").contains("SIGSEGV"), "{}", checked.stdout);
    assert!(checked.json()["output"].to_string().contains("crashing, as told"), "its last words: {}", checked.stdout);
    assert!(unruly("abort-in-new", &[]).failed("new").contains("SIGABRT"));
    assert!(check("hanging-initialiser", &[], &[("AT_OPENING", "abort-at-exit")]).failed("exit").contains("SIGABRT"));
}

#[test]
fn an_engine_that_exits_has_failed_whatever_its_exit_code() {
    let text = unruly("exit-in-new", &[]).failed("new");
    assert!(text.contains("exit code 0"), "{text}");
}

#[test]
fn a_hang_ends_with_the_timeout_and_names_its_step() {
    let text = unruly("hang-in-new", &["--timeout", "500ms"]).failed("new");
    assert!(text.contains("500ms") && text.contains("--timeout"), "{text}");
    let checked = unruly("hang-in-on_text", &["--timeout", "3s"]);
    checked.failed("text");
    assert!(checked.logged("text").contains("on_text has been at work"), "{}", checked.stdout);
}

#[test]
fn an_engine_that_does_not_answer_pings_is_noted_and_checked_to_its_end() {
    let checked = unruly("no-pong", &[]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let (outcome, text) = checked.step("text");
    assert!(outcome == "note" && text.contains("on_ping"), "{outcome}: {text}");
    assert_ne!(checked.step("exit").0, "failed");
}

#[test]
fn files_that_are_no_engine_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let echo = fs::read(artefacts().of("echo")).expect("libecho.so");
    let cases: [(&str, &[u8], &str); 3] = [
        ("empty.so", b"", "empty"),
        ("text.so", b"no library", "not a dynamic library"),
        ("half.so", &echo[..echo.len() / 2], "truncated"),
    ];
    for (file, content, said) in cases {
        let file = folder.path().join(file);
        fs::write(&file, content).expect("written");
        let text = run(&[name(&file), "--json"], &[]).failed("file");
        assert!(text.contains(said), "{text}");
    }
    let text = run(&["/bin/true", "--json"], &[]).failed("file");
    assert!(text.contains("/bin/true") && text.contains("not an engine"), "{text}");
}

#[test]
fn the_loaders_own_reason_is_told() {
    let mut echo = fs::read(artefacts().of("echo")).expect("libecho.so");
    let (there, missing) = (b"\0libc.so.6\0", b"\0libc.so.9\0");
    let at = echo.windows(there.len()).position(|bytes| bytes == there).expect("a library that it needs");
    echo[at..at + there.len()].copy_from_slice(missing);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("libecho.so");
    fs::write(&file, echo).expect("written");
    let text = run(&[name(&file), "--json"], &[]).failed("open");
    assert!(text.contains("libc.so.9") && !text.contains("dlopen failed"), "{text}");
}

/// The engine's manifest says another revision, and its library cannot be opened at all: had anybody tried, that would
/// be what is said.
#[test]
fn an_engine_of_another_revision_is_named_without_being_opened() {
    let mut echo = fs::read(artefacts().of("echo")).expect("libecho.so");
    let (ours, theirs) = (b"\0plugin_api=1.", b"\0plugin_api=7.");
    let at = echo.windows(ours.len()).position(|bytes| bytes == ours).expect("a manifest");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("libother.so");
    needing_what_is_not_there(&mut echo);
    fs::write(&file, &echo).expect("written");
    run(&[name(&file), "--json"], &[]).failed("open");

    echo[at..at + theirs.len()].copy_from_slice(theirs);
    fs::write(&file, &echo).expect("written");
    let checked = run(&[name(&file), "--json"], &[]);
    let text = checked.failed("file");
    assert!(text.contains("engine echo 1.0.0") && text.contains("it has plugin-api 7.0.0"), "{text}");
    assert!(text.contains("this wshost has plugin-api 1.0.0"), "{text}");
    assert_eq!(checked.json()["manifest"]["name"], "echo");

    let (code, _, stderr) = Host::refuses(&["--plugin", name(&file)], &[]);
    assert_eq!(code, 65, "{stderr}");
    assert!(stderr.contains("engine echo 1.0.0") && stderr.contains("it has plugin-api 7.0.0"), "{stderr}");
}

/// Renames a library that it needs to one that there is not, so that no loader takes it.
fn needing_what_is_not_there(library: &mut [u8]) {
    let (from, to) = (b"\0libgcc_s.so.1\0", b"\0libgcc_x.so.1\0");
    let at = library.windows(from.len()).position(|bytes| bytes == from).expect("it needs libgcc");
    library[at..at + to.len()].copy_from_slice(to);
}

/// `strip`, or a packer of images, leaves some libraries without names of sections.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_a_manifest_in_its_file_is_opened_and_named() {
    let mut echo = fs::read(artefacts().of("echo")).expect("libecho.so");
    let magic = b"wshost.manifest.text/1";
    let at = echo.windows(magic.len()).position(|bytes| bytes == magic).expect("a manifest");
    echo[at] = b'?';
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("libechoes.so");
    fs::write(&file, &echo).expect("written");
    let checked = run(&[name(&file), "--json"], &[]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    assert_eq!(checked.step("file").0, "note");
    assert_eq!(checked.json()["manifest"]["name"], "echo");
    connect(&Host::with_plugin(&file, &[]), "/").await;
}

#[test]
fn no_file_is_66_and_wrong_usage_64() {
    let checked = run(&["libnowhere.so", "--json"], &[]);
    assert_eq!((checked.code, checked.stdout.as_str()), (66, ""), "{}", checked.stderr);
    assert!(checked.stderr.contains("libnowhere.so"), "{}", checked.stderr);
    assert_eq!(run(&["/"], &[]).code, 66);
    assert_eq!(run(&[], &[]).code, 64);
    assert_eq!(run(&["x", "--timeout", "0s"], &[]).code, 64);
}
