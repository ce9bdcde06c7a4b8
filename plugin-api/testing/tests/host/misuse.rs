//! Tests that ask for what cannot be fail with a sentence that says so.

use crate::probe::Probe;
use plugin_api::prelude::*;
use plugin_testing::{Message, TestHost};

#[test]
#[should_panic(
    expected = "TestClient(/chat from 192.0.2.1:40001, Closed) cannot send Text(\"hi\"): its connection is closed"
)]
fn sending_on_a_closed_connection() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/chat");
    alice.close(1000, "");
    alice.text("hi");
}

#[test]
#[should_panic(expected = "it has sent a close frame already")]
fn sending_behind_a_close_frame() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    alice.stop_reading();
    alice.close(1000, "");
    alice.text("hi");
}

#[test]
#[should_panic(expected = "a ping or pong has at most 125 bytes")]
fn a_long_ping() {
    let host = TestHost::new::<Probe>();
    host.connect("/").ping(&[0; 126]);
}

#[test]
#[should_panic(expected = "1006 is no close code that a client may send")]
fn a_close_code_that_is_not_for_the_wire() {
    let host = TestHost::new::<Probe>();
    host.connect("/").send(Message::close(1006, ""));
}

#[test]
#[should_panic(expected = "\"chat\" is no path with a query, such as /chat?name=alice")]
fn a_resource_without_a_slash() {
    let host = TestHost::new::<Probe>();
    drop(host.connect("chat"));
}

#[test]
#[should_panic(expected = "the header x-name holds a character that no header may hold")]
fn a_header_with_a_line_break() {
    let host = TestHost::new::<Probe>();
    drop(host.request("/").header("X-Name", "a\r\nb"));
}

#[test]
#[should_panic(expected = "this host was shut down")]
fn connecting_behind_the_end() {
    let host = TestHost::new::<Probe>();
    host.shut_down();
    drop(host.connect("/"));
}

#[test]
#[should_panic(expected = "the engine has no gauge games{room=\"lobby\"}; it has counter games{}")]
fn a_metric_that_is_not_there() {
    let host = TestHost::new::<Probe>();
    host.handle().counter("games", &[]).increment(1);
    host.gauge("games", &[("room", "lobby")]);
}

/// Turns everybody away.
struct Closed;

impl Engine for Closed {
    type Session = ();

    fn new(_: Host, config: &Config) -> Result<Self> {
        if config.text().is_empty() { Ok(Closed) } else { Err("it takes no configuration".into()) }
    }

    fn authenticate(&self, _: &Request) -> Result<Accept<()>, Reject> {
        Err(Reject::new(403).body("closed"))
    }
}

#[test]
#[should_panic(expected = "the client of /door is rejected: status 403, \"closed\"")]
fn connecting_where_nobody_is_let_in() {
    let host = TestHost::new::<Closed>();
    drop(host.connect("/door"));
}

#[test]
#[should_panic(expected = "the engine does not start: new failed: it takes no configuration")]
fn an_engine_that_does_not_start() {
    drop(TestHost::with_config::<Closed>("a = 1"));
}

/// Posts to itself for ever.
struct Restless;

impl Engine for Restless {
    type Session = ();

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Restless)
    }

    fn on_text(&self, client: &Client, _: &mut (), _: &str) -> Option<Box<dyn Job>> {
        client.post(());
        None
    }

    fn on_event(&self, client: &Client, _: &mut (), _: Box<dyn std::any::Any + Send>) -> Option<Box<dyn Job>> {
        client.post(());
        None
    }
}

#[test]
#[should_panic(expected = "the engine does not come to rest")]
fn an_engine_that_never_comes_to_rest() {
    let host = TestHost::new::<Restless>();
    let alice = host.connect("/");
    alice.text("go");
}
