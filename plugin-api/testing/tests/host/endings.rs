//! How connections end, and the host.

use crate::probe::{Probe, calls, in_callback, job};
use plugin_api::prelude::*;
use plugin_testing::{Message, NOTHING, TestHost};
use std::time::Duration;

#[test]
fn the_client_says_goodbye() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    alice.text("hi");
    alice.close(4001, "enough");
    assert_eq!((alice.received(), alice.state()), (vec![Message::close(4001, "")], State::Closed));
    assert_eq!(calls(&host)[3..], ["closed alice 4001 after 1 texts"]);
    let bob = host.connect("/?name=bob");
    bob.close(1005, "");
    assert_eq!(bob.received(), [Message::close(1005, "")]);
    assert_eq!(calls(&host), ["open bob", "closed bob 1005 after 0 texts"]);
}

#[test]
fn the_engine_says_goodbye_behind_what_it_sent() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    in_callback(&alice, |client, _| {
        client.send_text("last words");
        assert_eq!(client.close(4002, &"é".repeat(100)), Sent::Sent);
        assert_eq!((client.send_text("too late"), client.close(1000, "")), (Sent::Gone, Sent::Gone));
        assert_eq!(client.state(), State::Closing);
    });
    assert_eq!(alice.received(), ["last words".into(), Message::close(4002, "é".repeat(61))]);
    assert_eq!(calls(&host), ["open alice", "closed alice 4002 after 0 texts"]);
}

#[test]
fn closing_now_drops_what_waits() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    in_callback(&alice, |client, _| {
        client.send_text("dropped");
        client.close_now(1000, "now");
    });
    assert_eq!(alice.received(), [Message::close(1000, "now")]);
}

#[test]
fn the_connection_breaks() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    alice.disconnect();
    alice.disconnect();
    assert_eq!(alice.state(), State::Closed);
    drop(host.connect("/?name=bob"));
    let expected = ["open alice", "closed alice 1006 after 0 texts", "open bob", "closed bob 1006 after 0 texts"];
    assert_eq!(calls(&host), expected);
    assert!(host.handle().client(alice.id()).is_none());
}

#[test]
fn a_client_that_does_not_answer_has_five_seconds() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    alice.fall_silent();
    alice.handle().close(1000, "");
    alice.text("the engine does not hear this");
    host.advance(Duration::from_millis(4999));
    assert_eq!(alice.state(), State::Closing);
    host.advance(Duration::from_millis(1));
    assert_eq!(calls(&host), ["open alice", "read complete", "closed alice 1006 after 0 texts"]);
}

/// Found by the simulation: the time for which nothing had been read before came on top of the five seconds.
#[test]
fn a_client_that_was_not_read_from_has_no_more_than_that() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    alice.fall_silent();
    alice.handle().pause_reading();
    host.advance(Duration::from_secs(20));
    calls(&host);
    alice.handle().close(1000, "");
    host.advance(Duration::from_millis(4999));
    assert_eq!(alice.state(), State::Closing);
    host.advance(Duration::from_millis(501));
    assert_eq!(calls(&host), ["closed alice 1006 after 0 texts"]);
}

/// Lets clients wait for an answer to their close frame.
struct Lingering;

impl Engine for Lingering {
    type Session = ();

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Lingering)
    }

    fn on_close(&self, client: &Client, _: &mut (), code: u16, reason: &str) -> Option<Box<dyn Job>> {
        let (client, words) = (client.clone(), format!("you said {code} {reason}"));
        Some(Box::new(move || {
            client.send_text(&words);
            client.close(4000, "answered");
        }))
    }
}

#[test]
fn an_engine_may_answer_a_close_frame_itself_and_later() {
    let host = TestHost::new::<Lingering>();
    let alice = host.connect("/");
    alice.close(1001, "bye");
    assert_eq!((alice.received(), alice.state()), (NOTHING.into(), State::Closing));
    host.run_jobs();
    assert_eq!(alice.received(), ["you said 1001 bye".into(), Message::close(4000, "answered")]);
    assert_eq!(alice.state(), State::Closed);
}

#[test]
fn an_engine_that_answers_no_close_frame_has_five_seconds() {
    let host = TestHost::new::<Lingering>();
    let alice = host.connect("/");
    alice.close(1001, "bye");
    host.advance(Duration::from_secs(5));
    assert_eq!((alice.received(), alice.state()), (NOTHING.into(), State::Closed));
}

#[test]
fn the_host_ends_in_order() {
    let host = TestHost::new::<Probe>();
    let (alice, bob) = (host.connect("/?name=alice"), host.connect("/?name=bob"));
    bob.stop_reading();
    job(&alice, |client| log::info!(target: "calls", "job: {:?}", client.state()));
    let handle = host.handle();
    drop(handle.every(Duration::from_secs(1), || log::info!(target: "calls", "a timer that has ended")));
    calls(&host);
    assert!(!handle.is_retired());
    host.shut_down();
    assert!(handle.is_retired());
    assert_eq!(alice.received(), [Message::close(1001, "the server is shutting down")]);
    assert_eq!((bob.received(), bob.state()), (NOTHING.into(), State::Closed));
    let closed = ["closed alice 1001 after 0 texts", "job: Closed", "closed bob 1006 after 0 texts", "dropped"];
    assert_eq!(calls(&host), closed);
    handle.spawn(|| unreachable!("nothing runs any more"));
    assert_eq!(host.run_jobs(), 0);
}
