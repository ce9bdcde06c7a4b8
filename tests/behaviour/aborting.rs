//! Engines that are built with panic = "abort" (FAULTS E8): warned of, or with `--strict` refused, at the start and at a
//! reload; `wshost check` notes it.

use crate::common::{Deployed, Host, aborting, artefacts, ask, connect, outcome};
use std::process::Command;

const SAID: &str = "panic = \"abort\"";

fn name() -> &'static str {
    aborting().to_str().expect("a path in UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn its_start_is_warned_of_and_with_strict_refused() {
    let host = Host::with_plugin(aborting(), &[]);
    let line = host.wait_for_log(1, &[SAID]).remove(0);
    assert!(line.contains("WARN") && line.contains("aborts"), "{line}");
    assert_eq!(ask(&mut connect(&host, "/").await, "hi").await, "hi");
    let (code, stdout, stderr) = Host::refuses(&["--plugin", name(), "--strict"], &[]);
    assert_eq!((code, stdout.as_str()), (65, ""), "{stderr}");
    assert!(stderr.contains(SAID) && stderr.contains("aborts 0.1.0") && stderr.contains("unwind"), "{stderr}");
    let echo = artefacts().of("echo");
    assert_eq!(ask(&mut connect(&Host::with_plugin(echo, &["--strict"]), "/").await, "hi").await, "hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_reload_is_warned_of_and_with_strict_refused() {
    for strict in [false, true] {
        let deployed = Deployed::new("echo");
        let host = deployed.start(if strict { &["--strict"] } else { &[] });
        let mut client = connect(&host, "/").await;
        deployed.replace(aborting());
        let (code, _, stderr) = host.control(&["reload"]);
        assert_eq!(code, if strict { 65 } else { 0 }, "{stderr}");
        let line = host.wait_for_log(1, &[SAID]).remove(0);
        assert!(line.contains(if strict { "reload refused" } else { "WARN" }), "{line}");
        assert_eq!(ask(&mut client, "hi").await, "hi");
    }
}

#[test]
fn a_check_notes_it() {
    let mut command = Command::new(artefacts().wshost());
    command.args(["check", name()]);
    let (code, stdout, stderr) = outcome(command);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let file = stdout.lines().find(|line| line.split_whitespace().nth(1) == Some("file")).expect("the step");
    assert!(file.contains("note") && file.contains(SAID), "{file}");
}
