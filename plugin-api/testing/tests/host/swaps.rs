//! The next version takes over while clients stay connected.

use plugin_api::handover::{Handover, Schema};
use plugin_api::prelude::*;
use plugin_testing::{Frame, Message, NOTHING, Swapped, TestHost, WithHandover};
use std::any::Any;
use std::time::Duration;

/// Counts each client's texts, in version `V`: which of them it may break is configured.
struct Counter<const V: u32> {
    host: Host,
    breaks: String,
}

/// How many texts came, and events.
#[derive(Clone, Default, PartialEq, Eq)]
struct Count(u32, u32);

impl<const V: u32> Engine for Counter<V> {
    type Session = Count;

    fn new(host: Host, config: &Config) -> Result<Self> {
        let breaks = config.text().trim_start_matches("breaks = ").trim_matches(['"', '\n']).to_owned();
        assert!(breaks != "new", "no new");
        Ok(Counter { host, breaks })
    }

    fn on_text(&self, client: &Client, count: &mut Count, text: &str) -> Option<Box<dyn Job>> {
        count.0 += 1;
        let (client, answer) = (client.clone(), format!("v{V}: {text} {}+{}", count.0, count.1));
        match text {
            "job" => {
                return Some(Box::new(move || {
                    client.send_text(&answer);
                    client.post("from a job");
                }));
            }
            "later" => {
                let later = move || {
                    client.send_text(&answer);
                };
                drop(self.host.after(Duration::from_secs(1), later));
            }
            _ => {
                client.send_text(&answer);
            }
        }
        None
    }

    fn on_event(&self, _: &Client, count: &mut Count, _: Box<dyn Any + Send>) -> Option<Box<dyn Job>> {
        count.1 += 1;
        None
    }

    fn on_closed(&self, _: &Client, count: Count, code: u16) {
        log::info!(target: "closed", "v{V} {code} {}+{}", count.0, count.1);
    }
}

impl<const V: u32> Handover for Counter<V> {
    const SCHEMA: &'static str = "count";

    fn accepts(&self, schema: &Schema) -> bool {
        self.breaks != "accepts" && schema.name == Self::SCHEMA
    }

    fn export_session(&self, _: &Client, count: &Count) -> Result<Vec<u8>> {
        if self.breaks == "export" {
            return Err("no export".into());
        }
        Ok([count.0.to_le_bytes(), count.1.to_le_bytes()].concat())
    }

    fn import_session(&self, client: &Client, _: &Schema, bytes: &[u8]) -> Result<Count> {
        assert!(self.breaks != "import", "no import");
        if V == 3 {
            client.send_text("imported");
        }
        let (texts, events) = bytes.split_at(4);
        Ok(Count(u32::from_le_bytes(texts.try_into()?), u32::from_le_bytes(events.try_into()?)))
    }
}

type First = WithHandover<Counter<1>>;
type Second = WithHandover<Counter<2>>;
type Third = WithHandover<Counter<3>>;

const TWO: Result<Swapped, plugin_testing::NotSwapped> = Ok(Swapped::HandedOver { clients: 2 });

fn closed(host: &TestHost) -> Vec<String> {
    host.logs().into_iter().filter(|line| line.target == "closed").map(|line| line.message).collect()
}

#[test]
fn sessions_pass_to_the_next_version_and_nobody_notices() {
    let host = TestHost::new::<First>();
    let (alice, bob) = (host.connect("/alice"), host.connect("/bob"));
    alice.handle().join("lobby");
    alice.text("a");
    alice.text("b");
    assert_eq!(host.swap::<Second>(), TWO);
    alice.text("c");
    bob.text("a");
    assert_eq!(alice.received(), ["v1: a 1+0", "v1: b 2+0", "v2: c 3+0"]);
    assert_eq!(bob.received(), ["v2: a 1+0"]);
    assert_eq!((host.handle().client_count(), host.handle().group("lobby").len()), (2, 1));
    let carol = host.connect("/carol");
    assert_eq!(host.swap::<Third>(), Ok(Swapped::HandedOver { clients: 3 }));
    carol.text("a");
    assert_eq!(carol.received(), ["imported", "v3: a 1+0"]);
    alice.close(1000, "");
    assert_eq!(closed(&host), ["v3 1000 3+0"]);
}

#[test]
fn handles_of_the_version_before_reach_nobody() {
    let host = TestHost::new::<First>();
    let alice = host.connect("/");
    let (client, before) = (alice.handle(), host.handle());
    assert_eq!(client.send_text("before"), Sent::Sent);
    host.swap::<Second>().expect("a swap");
    assert!(before.is_retired() && !host.handle().is_retired());
    assert_eq!((client.send_text("too late"), before.broadcast_text("too late")), (Sent::Gone, 0));
    assert_eq!(alice.handle().send_text("after"), Sent::Sent);
    assert_eq!(alice.received(), ["before", "after"]);
}

#[test]
fn a_message_in_fragments_may_be_half_here() {
    let host = TestHost::new::<First>();
    let alice = host.connect("/");
    alice.frame(Frame::part("to be "));
    host.swap::<Second>().expect("a swap");
    assert_eq!(alice.received(), NOTHING);
    alice.frame(Frame::whole("continued"));
    assert_eq!(alice.received(), ["v2: to be continued 1+0"]);
}

#[test]
fn bytes_of_one_frame_may_be_half_here() {
    let host = TestHost::new::<First>();
    let alice = host.connect("/");
    let bytes = plugin_testing::masked(0x81, b"whole");
    let (first, second) = bytes.split_at(8);
    alice.raw(first);
    host.swap::<Second>().expect("a swap");
    alice.raw(second);
    assert_eq!(alice.received(), ["v2: whole 1+0"]);
}

#[test]
fn jobs_and_events_of_the_version_before_come_first() {
    let host = TestHost::new::<First>();
    let alice = host.connect("/");
    alice.text("job");
    alice.text("job");
    alice.handle().post("from the test");
    assert_eq!(host.waiting_jobs(), 2);
    host.swap::<Second>().expect("a swap");
    assert_eq!(host.waiting_jobs(), 0, "a swap waits for them");
    alice.text("a");
    assert_eq!(alice.received(), ["v1: job 1+0", "v1: job 2+0", "v2: a 3+3"]);
}

#[test]
fn timers_end_with_their_version() {
    let host = TestHost::new::<First>();
    let alice = host.connect("/");
    alice.text("later");
    host.swap::<Second>().expect("a swap");
    alice.text("later");
    host.advance(Duration::from_secs(2));
    assert_eq!(alice.received(), ["v2: later 2+0"]);
}

#[test]
fn what_is_sent_to_a_client_that_does_not_read_comes_in_order() {
    let host = TestHost::new::<First>();
    let alice = host.connect("/");
    alice.stop_reading();
    alice.text("a");
    host.swap::<Third>().expect("a swap");
    alice.text("b");
    alice.start_reading();
    assert_eq!(alice.received(), ["v1: a 1+0", "imported", "v3: b 2+0"]);
}

/// Whatever fails, the old version goes on with what it had.
#[test]
fn a_version_that_fails_changes_nothing() {
    let host = TestHost::new::<First>();
    let (alice, bob) = (host.connect("/"), host.connect("/"));
    alice.text("a");
    for (breaks, callback, said) in
        [("new", Some("new"), "no new"), ("import", Some("import_session"), "no import"), ("accepts", None, "count")]
    {
        let refused = host.swap_with_config::<Second>(&format!("breaks = \"{breaks}\"\n")).expect_err(breaks);
        assert!(refused.reason.contains(said), "{refused}");
        assert_eq!(refused.failure.as_ref().map(|failure| failure.callback), callback);
        assert!(refused.failure.is_none_or(|failure| failure.location.contains("swaps.rs:")));
    }
    alice.text("b");
    bob.text("a");
    assert_eq!(alice.received(), ["v1: a 1+0", "v1: b 2+0"]);
    assert_eq!((bob.received(), host.failures()), (vec!["v1: a 1+0".into()], vec![]));
    assert_eq!(host.swap::<Third>(), TWO);
}

#[test]
fn an_export_that_fails_keeps_the_next_version_out() {
    let host = TestHost::with_config::<First>("breaks = \"export\"\n");
    let alice = host.connect("/");
    let refused = host.swap::<Second>().expect_err("no export");
    assert_eq!(refused.to_string(), "export_session failed: no export");
    alice.text("a");
    assert_eq!(alice.received(), ["v1: a 1+0"]);
}

#[test]
fn without_a_handover_clients_stay_and_newcomers_go_to_the_next_version() {
    let host = TestHost::new::<Counter<1>>();
    let alice = host.connect("/");
    assert_eq!(host.swap::<Counter<2>>(), Ok(Swapped::Gently { left: 1 }));
    let bob = host.connect("/");
    alice.text("job");
    bob.text("a");
    host.run_jobs();
    assert_eq!((alice.received(), bob.received()), (vec!["v1: job 1+0".into()], vec!["v2: a 1+0".into()]));
    assert_eq!(alice.handle().send_text("to either"), Sent::Sent);
    assert_eq!(alice.received(), ["to either"]);
    host.shut_down();
    assert_eq!(closed(&host), ["v1 1001 1+1", "v2 1001 1+0"]);
}

/// Keeps nothing for its clients.
struct Stateless<const V: u32>;

impl<const V: u32> Engine for Stateless<V> {
    type Session = ();

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Stateless)
    }

    fn on_binary(&self, client: &Client, _: &mut (), _: &[u8]) -> Option<Box<dyn Job>> {
        client.send_binary(&V.to_le_bytes());
        None
    }
}

#[test]
fn sessions_of_nothing_pass_over_by_themselves() {
    let host = TestHost::new::<Stateless<1>>();
    let alice = host.connect("/");
    assert_eq!(host.swap::<Stateless<2>>(), Ok(Swapped::HandedOver { clients: 1 }));
    alice.binary(&[]);
    assert_eq!(alice.received(), [Message::binary([2, 0, 0, 0])]);
}

/// Found by the simulation: all that was sent later waited for the end of a message that nobody could send any more.
#[test]
fn a_message_in_parts_that_a_retired_generation_has_begun_ends_its_connection() {
    let host = TestHost::new::<WithHandover<Counter<1>>>();
    let (alice, bob) = (host.connect("/"), host.connect("/"));
    let mut report = alice.handle().text_fragments();
    report.send("a");
    host.swap::<WithHandover<Counter<2>>>().unwrap();
    assert_eq!((report.send("b"), alice.state()), (Sent::Gone, State::Closed));
    let frames = alice.received_frames();
    assert!(
        matches!(&frames[..], [Frame { last: false, .. }, Frame { content: Message::Close { code: 1012, .. }, .. }]),
        "{frames:?}"
    );
    bob.text("hi");
    assert_eq!(bob.received(), ["v2: hi 1+0"]);
}
