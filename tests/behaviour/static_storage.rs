//! An engine with static thread-local storage, as allocators such as mimalloc bring (FAULTS P5): what each generation takes
//! for good is told before, and a reload for which there is none left is refused by its true name.

use crate::common::{Host, artefacts, ask, connect, outcome};
use std::process::Command;

/// How many of 20 reloads succeeded, and the error of the first that did not.
async fn reload(host: &Host) -> (usize, String) {
    let mut client = connect(host, "/").await;
    for reloads in 0..20 {
        let (code, _, stderr) = host.control(&["reload"]);
        assert_eq!(ask(&mut client, "hi").await, "hi");
        if code != 0 {
            assert_eq!(code, 69, "{stderr}");
            return (reloads, stderr);
        }
    }
    (20, String::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_without_storage_left_is_refused_and_what_to_do_is_said() {
    let host = Host::with("own-allocator", &[]);
    let told = host.wait_for_log(1, &["reloads are limited"]).remove(0);
    assert!(told.contains("static thread-local storage, for good: about "), "{told}");
    let (reloads, why) = reload(&host).await;
    assert!(why.contains("static thread-local storage of ") && why.contains("restart wshost"), "{why}");
    assert!(why.contains("glibc.rtld.optional_static_tls=") && why.contains("local_dynamic_tls"), "{why}");
    assert!(told.contains(&format!("about {reloads} reloads")), "{reloads} reloads, but {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_go_with_the_storage_that_the_refusal_advises() {
    let host = Host::with("own-allocator", &[]);
    let (_, why) = reload(&host).await;
    let advised = why.split_once("GLIBC_TUNABLES=").and_then(|(_, rest)| rest.split_once(' ')).expect("an advice").0;
    let plugin = artefacts().of("own-allocator");
    let host = Host::with_environment(plugin, &[], &[("GLIBC_TUNABLES", advised)]);
    assert_eq!(reload(&host).await, (20, String::new()));
}

#[test]
fn a_check_notes_how_often_it_can_be_reloaded() {
    let mut command = Command::new(artefacts().wshost());
    command.arg("check").arg(artefacts().of("own-allocator"));
    let (code, stdout, stderr) = outcome(command);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let file = stdout.lines().find(|line| line.split_whitespace().nth(1) == Some("file")).expect("the step");
    assert!(file.contains("note") && stdout.contains("reserve for static"), "{stdout}");
    assert!(stdout.contains("GLIBC_TUNABLES=glibc.rtld.optional_static_tls="), "{stdout}");
}
