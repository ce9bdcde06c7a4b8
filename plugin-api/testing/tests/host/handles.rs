//! What the engine's handles answer.

use crate::probe::Probe;
use plugin_api::prelude::*;
use plugin_testing::{NOTHING, TestHost};

#[test]
fn calls_that_are_wrong_are_refused_and_the_log_says_why() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    let handle = alice.handle();
    let refused = [
        handle.ping(&[0; 126]),
        handle.pong(&[0; 126]),
        handle.close(1006, ""),
        handle.close_now(5000, ""),
        handle.join(""),
        handle.join(&"x".repeat(256)),
    ];
    assert_eq!(refused, [Sent::Refused; 6]);
    assert_eq!(handle.join(&"x".repeat(255)), Sent::Sent);
    let warnings: Vec<_> = host.logs().into_iter().filter(|line| line.target == "wshost").collect();
    assert_eq!(warnings.len(), 6);
    assert_eq!(warnings[0].to_string(), "WARN wshost: refused: a Ping of 126 bytes; 125 at most");
    assert_eq!((alice.received(), alice.state()), (NOTHING.into(), State::Open));
}

#[test]
fn a_handle_outlives_its_connection_harmlessly() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/room");
    let handle = alice.handle();
    handle.join("lobby");
    drop(alice);
    assert_eq!((handle.state(), handle.buffered(), handle.resource()), (State::Closed, 0, "/room"));
    let gone = [
        handle.send_text(""),
        handle.send_binary(&[]),
        handle.ping(&[]),
        handle.close(1000, ""),
        handle.join("lobby"),
        handle.post("anything"),
        handle.pause_reading(),
    ];
    assert_eq!(gone, [Sent::Gone; 7]);
    assert!(!handle.leave("lobby"));
    drop(host);
    assert_eq!(handle.send_text("even now"), Sent::Gone);
}

#[test]
fn clients_are_found_by_their_ids_in_their_own_host() {
    let (host, other) = (TestHost::new::<Probe>(), TestHost::new::<Probe>());
    let (alice, bob) = (host.connect("/"), other.connect("/"));
    assert_eq!(host.handle().client(alice.id()), Some(alice.handle()));
    assert_eq!(host.handle().client(bob.id()), None);
}
