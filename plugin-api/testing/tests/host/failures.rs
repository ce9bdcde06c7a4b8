//! What goes wrong in an engine: told, contained, and not overlooked.

use crate::probe::{Probe, calls, in_callback, job};
use plugin_api::prelude::*;
use plugin_testing::{Message, Options, TestHost};
use std::time::Duration;

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("the grenade went off");
    }
}

#[test]
fn a_panic_in_a_callback_ends_that_connection_alone() {
    let host = TestHost::new::<Probe>();
    let (alice, bob) = (host.connect("/?name=alice"), host.connect("/?name=bob"));
    calls(&host);
    in_callback(&alice, |client, _| {
        client.send_text("before");
        panic!("alice:\n  again");
    });
    assert_eq!(alice.received(), ["before".into(), Message::close(1011, "the engine failed")]);
    assert_eq!(calls(&host), ["closed alice 1011 after 0 texts"]);
    let [failure] = host.failures().try_into().expect("one failure");
    assert_eq!((failure.callback, failure.message.as_str()), ("on_event", "alice:; again"));
    assert_eq!(failure.client, Some(alice.id()));
    assert!(failure.location.contains("failures.rs:"), "{}", failure.location);
    assert!(failure.to_string().starts_with("on_event panicked at "));
    assert_eq!((bob.state(), host.failures()), (State::Open, vec![]));
}

#[test]
fn a_panic_in_a_job_ends_the_connection_that_it_is_for() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    job(&alice, |_| panic!("overworked"));
    assert_eq!(alice.state(), State::Open);
    host.run_jobs();
    assert_eq!(alice.received(), [Message::close(1011, "the engine failed")]);
    let [failure] = host.failures().try_into().expect("one failure");
    assert_eq!((failure.callback, failure.client), ("job", Some(alice.id())));
}

#[test]
fn panics_that_are_nobody_s_end_no_connection() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    host.handle().spawn(|| panic!("spawned"));
    drop(host.handle().after(Duration::from_secs(1), || panic!("late")));
    alice.handle().post(Grenade);
    host.run_jobs();
    host.advance(Duration::from_secs(1));
    let failures: Vec<_> = host.failures().into_iter().map(|failure| (failure.callback, failure.message)).collect();
    let expected = [("on_event", "the grenade went off"), ("job", "spawned"), ("timer", "late")];
    assert_eq!(failures, expected.map(|(callback, message)| (callback, message.to_owned())));
}

#[test]
fn panics_of_drops_are_told_by_what_was_dropped() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    alice.disconnect();
    alice.handle().post(Grenade);
    let timer = host.handle().after(Duration::from_secs(1), {
        let grenade = Grenade;
        move || drop(grenade)
    });
    timer.cancel();
    host.shut_down();
    let grenade = Grenade;
    host.handle().spawn(move || drop(grenade));
    let failed: Vec<_> = host.failures().iter().map(|failure| failure.callback).collect();
    assert_eq!(failed, ["drop of an event", "drop of a timer", "drop of a job"]);
}

#[test]
#[should_panic(expected = "the test did not ask for its failures():\non_event panicked at ")]
fn a_failure_that_is_overlooked_fails_the_test() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    in_callback(&alice, |_, _| panic!("who will notice?"));
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Picky {
    level: u32,
}

impl Engine for Picky {
    type Session = ();

    fn new(_: Host, config: &Config) -> Result<Self> {
        let picky: Picky = config.parse()?;
        match picky.level {
            0 => Err("level 0 is too low")?,
            9 => panic!("level 9\n  is too high"),
            _ => Ok(picky),
        }
    }

    fn on_text(&self, client: &Client, _: &mut (), _: &str) -> Option<Box<dyn Job>> {
        client.send_text(&self.level.to_string());
        None
    }
}

#[test]
fn an_engine_gets_its_configuration_in_either_format() {
    let json = Options { config: r#"{"level": 2}"#, format: plugin_api::Format::Json, ..Options::default() };
    for (host, level) in
        [(TestHost::with_config::<Picky>("level = 1"), "1"), (TestHost::with_options::<Picky>(json), "2")]
    {
        let alice = host.connect("/");
        alice.text("level?");
        assert_eq!(alice.received(), [level]);
    }
}

#[test]
fn an_engine_may_refuse_to_start() {
    let start = |config| TestHost::start::<Picky>(Options { config, ..Options::default() }).expect_err("refused");
    let refused = start("level = 0");
    assert_eq!(refused.to_string(), "the engine does not start: new failed: level 0 is too low");
    assert!(!refused.configuration_at_fault);
    let refused = start("level = 1\ncolour = 2");
    assert!(refused.configuration_at_fault);
    assert!(refused.failure.message.starts_with("test.toml, line 2, key colour: unknown field"), "{refused}");
    let refused = start("");
    assert!(refused.failure.message.starts_with("no configuration was given"), "{refused}");
    let refused = start("level = 9");
    assert!(refused.failure.location.contains("failures.rs"), "{refused}");
    assert_eq!(refused.failure.message, "level 9; is too high");
}
