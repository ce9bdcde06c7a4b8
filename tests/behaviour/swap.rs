//! The live swap: a new generation takes over, and no client notices more than a pause.

use crate::common::{Deployed, Traffic, artefacts, ask, closed_with, connect, hear};

#[tokio::test(flavor = "multi_thread")]
async fn everyone_stays_connected_and_no_message_is_lost_repeated_or_reordered() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--loops", "2", "--workers", "2"]);
    let traffic = Traffic::start(&host, 50).await;
    for swap in 1..=20 {
        deployed.configure(&format!("label = \"g{swap}\""));
        host.hang_up();
        host.wait_for_log(swap, &["reloaded: 50 connections handed over in"]);
        assert!(ask(&mut connect(&host, "/").await, "hello").await.starts_with(&format!("g{swap} 0 ")));
    }
    assert!(traffic.end().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_version_takes_over_the_state_of_the_first() {
    let deployed = Deployed::new("counter");
    let host = deployed.start(&[]);
    let mut ann = connect(&host, "/").await;
    let mut bob = connect(&host, "/").await;
    assert_eq!(ask(&mut ann, "a long message").await, "1 of 1");
    assert_eq!(ask(&mut bob, "hi").await, "1 of 2");
    deployed.replace(artefacts().of("counter-2"));
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 2 connections handed over", "generation=2", "version=\"2.0.0\""]);
    assert_eq!(ask(&mut ann, "short").await, "2 of 3, longest: short");
    assert_eq!(ask(&mut bob, "hello").await, "2 of 4, longest: hello");
    // And on to itself.
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 2 connections handed over", "generation=3"]);
    assert_eq!(ask(&mut ann, "now").await, "3 of 5, longest: short");
    // But not back: the first version does not read what the second exports.
    deployed.replace(artefacts().of("counter"));
    host.hang_up();
    host.wait_for_log(1, &["reload refused", "does not accept the state of the old one"]);
    assert_eq!(ask(&mut ann, "still").await, "4 of 6, longest: short");
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_without_sessions_hand_over_by_themselves() {
    let deployed = Deployed::new("broadcast");
    let host = deployed.start(&[]);
    let mut ann = connect(&host, "/").await;
    let mut bob = connect(&host, "/").await;
    for swap in 1..=3 {
        host.hang_up();
        host.wait_for_log(swap, &["reloaded: 2 connections handed over"]);
        let mut late = connect(&host, "/").await;
        assert_eq!(ask(&mut ann, "to all").await, "to all");
        assert_eq!(hear(&mut bob).await, "to all");
        assert_eq!(hear(&mut late).await, "to all");
        late.close(None).await.expect("closed");
        closed_with(&mut late).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_handover_old_connections_keep_the_old_engine_until_they_end() {
    let deployed = Deployed::new("groups");
    let host = deployed.start(&[]);
    let mut old = connect(&host, "/").await;
    assert_eq!(ask(&mut old, "join lobby").await, "joined lobby");
    host.hang_up();
    host.wait_for_log(1, &["reloaded: new connections go to it, 1 stay with", "generation=2"]);
    let mut new = connect(&host, "/").await;
    assert_eq!(ask(&mut new, "join lobby").await, "joined lobby");
    // They are clients of one engine all the same.
    assert_eq!(ask(&mut old, "who lobby").await, "2 in lobby");
    assert_eq!(ask(&mut old, "say lobby hello").await, "heard by 1");
    assert_eq!(hear(&mut new).await, "lobby: hello");
    // A second swap leaves both where they are.
    host.hang_up();
    host.wait_for_log(1, &["reloaded: new connections go to it, 2 stay", "generation=3"]);
    assert_eq!(ask(&mut new, "leave lobby").await, "left lobby");
    assert_eq!(ask(&mut old, "who lobby").await, "1 in lobby");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_handover_a_deadline_closes_old_connections_with_1012() {
    let deployed = Deployed::new("groups");
    let host = deployed.start(&["--reload-drain", "1s"]);
    let mut old = connect(&host, "/").await;
    assert_eq!(ask(&mut old, "join lobby").await, "joined lobby");
    host.hang_up();
    host.wait_for_log(1, &["reloaded: new connections go to it, 1 stay with", "generation=2"]);
    let mut new = connect(&host, "/").await;
    assert_eq!(ask(&mut old, "who lobby").await, "1 in lobby");
    assert_eq!(closed_with(&mut old).await, 1012);
    assert_eq!(ask(&mut new, "join lobby").await, "joined lobby");
}
