//! The second version takes over from the first: the handover, on the core in memory.

use super::Counter;
use plugin_api::handover::{Handover, Schema};
use plugin_api::prelude::*;
use plugin_testing::{Swapped, TestHost, WithHandover};

/// What `examples/counter` exports: two versions cannot be exported from one crate, so that it is said here once more.
struct First;

impl Engine for First {
    type Session = u64;

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(First)
    }

    fn on_text(&self, _: &Client, count: &mut u64, _: &str) -> Option<Box<dyn Job>> {
        *count += 1;
        None
    }
}

impl Handover for First {
    const SCHEMA: &'static str = "counter";

    fn export_state(&self) -> Result<Vec<u8>> {
        Ok(7_u64.to_le_bytes().to_vec())
    }

    fn export_session(&self, _: &Client, count: &u64) -> Result<Vec<u8>> {
        Ok(count.to_le_bytes().to_vec())
    }

    fn import_session(&self, _: &Client, _: &Schema, session: &[u8]) -> Result<u64> {
        Ok(u64::from_le_bytes(session.try_into()?))
    }
}

#[test]
fn the_first_version_s_counts_go_on_and_so_do_the_second_s() {
    let host = TestHost::new::<WithHandover<First>>();
    let (alice, bob) = (host.connect("/"), host.connect("/"));
    alice.text("one");
    for text in ["a longer one", "two"] {
        assert_eq!(host.swap::<WithHandover<Counter>>(), Ok(Swapped::HandedOver { clients: 2 }));
        alice.text(text);
    }
    bob.text("hi");
    assert_eq!(alice.received(), ["2 of 8, longest: a longer one", "3 of 9, longest: a longer one"]);
    assert_eq!(bob.received(), ["1 of 10, longest: hi"]);
}

#[test]
fn there_is_no_way_back_to_the_first() {
    let host = TestHost::new::<WithHandover<Counter>>();
    let alice = host.connect("/");
    let refused = host.swap::<WithHandover<First>>().expect_err("it does not know the second version's exports");
    assert_eq!(refused.reason, "the new engine does not accept the state of the old one, which is counter version 2");
    alice.text("still here");
    assert_eq!(alice.received(), ["1 of 1, longest: still here"]);
}
