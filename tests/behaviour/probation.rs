//! `--probation`: a new engine that panics soon after it has taken over makes way for the one before.

use crate::common::{Client, Deployed, Host, artefacts, ask, closed_with, connect, say};

/// A host whose `heir`, `old`, is about to be replaced by one that panics at every text.
fn about_to_fail(config: &str, options: &[&str]) -> (Deployed, Host) {
    let deployed = Deployed::new("heir");
    deployed.configure(&format!("label = 'old'\n{config}"));
    let host = deployed.start(&[&["--probation", "60s"], options].concat());
    (deployed, host)
}

/// Replaces it.
fn fail(deployed: &Deployed, host: &Host) {
    deployed.configure("label = 'new'\nfails = 'text'");
    deployed.replace(artefacts().of("heir"));
    host.hang_up();
    host.wait_for_log(1, &["reloaded: ", "generation=2"]);
}

/// Has the new engine panic.
async fn panic_at(host: &Host, client: &mut Client) {
    say(client, "panic").await;
    assert_eq!(closed_with(client).await, 1011);
    host.wait_for_log(1, &["on_text panicked at tests/fixtures/heir/src/lib.rs:", "told to panic in on_text"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_panics_on_probation_makes_way_for_the_one_before() {
    let (deployed, host) = about_to_fail("", &[]);
    let (mut stays, mut victim) = (connect(&host, "/").await, connect(&host, "/").await);
    assert_eq!(ask(&mut stays, "a").await, "old 0 a");
    fail(&deployed, &host);
    panic_at(&host, &mut victim).await;
    host.wait_for_log(1, &["the new engine has panicked on probation: going back", "panics=1"]);
    host.wait_for_log(1, &["went back: 1 connections handed over", "generation=3"]);
    // The old engine has its configuration, and the session that went to the new engine and back.
    assert_eq!(ask(&mut stays, "b").await, "old 1 b");
    assert_eq!(ask(&mut connect(&host, "/").await, "c").await, "old 0 c");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_panics_are_put_up_with() {
    let (deployed, host) = about_to_fail("", &["--probation-panics", "2"]);
    let mut stays = connect(&host, "/").await;
    fail(&deployed, &host);
    for _ in 0..2 {
        panic_at(&host, &mut connect(&host, "/").await).await;
    }
    assert!(!host.log().contains("going back"));
    panic_at(&host, &mut connect(&host, "/").await).await;
    host.wait_for_log(1, &["going back", "panics=3"]);
    host.wait_for_log(1, &["went back: "]);
    assert_eq!(ask(&mut stays, "a").await, "old 0 a");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_handover_back_connections_stay_until_they_are_drained() {
    let (deployed, host) = about_to_fail("fails = 'schema'", &["--reload-drain", "1s"]);
    let (mut stays, mut victim) = (connect(&host, "/").await, connect(&host, "/").await);
    fail(&deployed, &host);
    panic_at(&host, &mut victim).await;
    host.wait_for_log(1, &["cannot be handed over: the new engine does not accept the state of the old one"]);
    host.wait_for_log(1, &["went back: new connections go to it, 1 stay with the engine they have"]);
    assert_eq!(ask(&mut connect(&host, "/").await, "a").await, "old 0 a");
    assert_eq!(closed_with(&mut stays).await, 1012);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_failed_on_probation_is_watched_but_not_taken_again() {
    let deployed = Deployed::new("heir");
    deployed.configure("label = 'old'");
    let host = deployed.start(&["--probation", "60s", "--watch"]);
    deployed.configure("label = 'new'\nfails = 'text'");
    deployed.replace(artefacts().of("heir"));
    host.wait_for_log(1, &["reloaded: ", "generation=2"]);
    panic_at(&host, &mut connect(&host, "/").await).await;
    host.wait_for_log(1, &["went back: ", "generation=3"]);
    assert_eq!(ask(&mut connect(&host, "/").await, "a").await, "old 0 a");
    // The next file is taken, and was the only other one.
    deployed.configure("label = 'good'");
    deployed.replace(artefacts().of("heir"));
    host.wait_for_log(1, &["reloaded: ", "generation=4"]);
    assert_eq!(ask(&mut connect(&host, "/").await, "a").await, "good 0 a");
    assert_eq!(host.wait_for_log(2, &["the plugin's file has changed"]).len(), 2);
}
