//! Timers and keepalive, by a clock that the test moves.

use crate::probe::{Probe, calls};
use plugin_api::prelude::*;
use plugin_testing::{BacklogPolicy, Message, NOTHING, Options, TestHost};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn timers_run_when_they_are_due_and_in_order() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    let say = |text: &'static str| {
        let client = alice.handle();
        move || {
            client.send_text(text);
        }
    };
    drop(host.handle().after(3 * SECOND, say("after 3")));
    let tick = host.handle().every(2 * SECOND, say("tick"));
    drop(host.handle().after(5 * SECOND, say("after 5")));
    drop(host.handle().after(5 * SECOND, say("and behind it")));
    host.advance(SECOND);
    assert_eq!(alice.received(), NOTHING);
    host.advance(4 * SECOND);
    assert_eq!(alice.received(), ["tick", "after 3", "tick", "after 5", "and behind it"]);
    tick.cancel();
    host.advance(20 * SECOND);
    assert_eq!(alice.received(), NOTHING);
}

#[test]
fn a_timer_may_cancel_itself_and_start_others() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    let (client, engine) = (alice.handle(), host.handle());
    let mut left = 3;
    drop(host.handle().every(SECOND, move || {
        left -= 1;
        let client = client.clone();
        drop(engine.after(Duration::ZERO, move || {
            client.send_text(&left.to_string());
        }));
    }));
    host.advance(2 * SECOND);
    assert_eq!(alice.received(), ["2", "1"]);

    let slot = std::sync::Arc::new(std::sync::OnceLock::<Timer>::new());
    let (own, client) = (std::sync::Arc::clone(&slot), alice.handle());
    let timer = host.handle().every(SECOND / 4, move || {
        client.send_text("once");
        own.get().expect("set").cancel();
    });
    slot.set(timer).expect("first");
    host.advance(SECOND / 2);
    assert_eq!(alice.received(), ["once"]);
}

#[test]
fn after_no_time_a_timer_runs_with_the_jobs() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    let client = alice.handle();
    drop(host.handle().after(Duration::ZERO, move || {
        client.send_text("at once");
    }));
    assert_eq!(host.run_jobs(), 0);
    assert_eq!(alice.received(), ["at once"]);
}

#[test]
fn an_idle_client_is_pinged_and_answers() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    host.advance(29 * SECOND);
    assert_eq!((alice.received(), alice.handle().idle()), (NOTHING.into(), 29 * SECOND));
    host.advance(SECOND);
    assert_eq!(alice.received(), [Message::ping("")]);
    assert_eq!((alice.handle().idle(), alice.handle().is_pinged()), (Duration::ZERO, false));
    assert_eq!(calls(&host), ["open ", "pong ", "read complete"]);
    host.advance(3600 * SECOND);
    assert_eq!((alice.received().len(), alice.state()), (120, State::Open));
}

#[test]
fn a_silent_client_is_given_up() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/?name=alice");
    alice.fall_silent();
    host.advance(59 * SECOND);
    assert!(alice.handle().is_pinged());
    host.advance(SECOND);
    assert_eq!(alice.received(), [Message::ping(""), Message::close(1008, "no pong")]);
    host.advance(5 * SECOND);
    assert_eq!(calls(&host), ["open alice", "closed alice 1006 after 0 texts"]);
}

#[test]
fn whatever_a_client_sends_is_a_sign_of_life() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    alice.fall_silent();
    for _ in 0..10 {
        host.advance(29 * SECOND);
        alice.text("still here");
    }
    assert_eq!(alice.received(), NOTHING);
}

/// Has ideas of its own about keepalive.
struct Impatient;

impl Engine for Impatient {
    type Session = u32;
    const PING_AFTER: Option<Duration> = Some(Duration::from_secs(10));
    const CLOSE_AFTER_NO_PONG: Option<Duration> = Some(Duration::from_secs(5));

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Impatient)
    }

    fn on_idle(&self, client: &Client, _: &mut u32, idle: Idle) -> Option<Box<dyn Job>> {
        client.send_text(&format!("{idle:?} at {:?}", client.idle()));
        None
    }
}

#[test]
fn the_engine_s_wishes_hold_unless_the_operator_has_others() {
    let host = TestHost::new::<Impatient>();
    let alice = host.connect("/");
    host.advance(15 * SECOND);
    assert_eq!(alice.received(), ["PingDue at 10s", "PongMissing at 15s"]);

    let operator =
        Options { ping_after: Some(SECOND), close_after_no_pong: Some(Duration::ZERO), ..Options::default() };
    let host = TestHost::with_options::<Impatient>(operator);
    let alice = host.connect("/");
    host.advance(2 * SECOND);
    assert_eq!(alice.received(), ["PingDue at 1s", "PingDue at 2s"]);

    let never = Options { ping_after: Some(Duration::ZERO), ..Options::default() };
    let host = TestHost::with_options::<Impatient>(never);
    let alice = host.connect("/");
    host.advance(3600 * SECOND);
    assert_eq!(alice.received(), NOTHING);
}

/// Says when it pings.
struct Patient;

impl Engine for Patient {
    type Session = u32;
    const PING_AFTER: Option<Duration> = Some(Duration::from_secs(10));
    const CLOSE_AFTER_NO_PONG: Option<Duration> = Some(Duration::from_secs(60));

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Patient)
    }

    fn on_idle(&self, client: &Client, _: &mut u32, idle: Idle) -> Option<Box<dyn Job>> {
        client.send_text(&format!("{idle:?}"));
        client.ping(b"");
        None
    }

    fn on_text(&self, client: &Client, _: &mut u32, _: &str) -> Option<Box<dyn Job>> {
        client.pause_reading();
        None
    }
}

/// FAULTS K1.
#[test]
fn each_silence_is_pinged_whatever_is_done_about_missing_pongs() {
    let host = TestHost::new::<Patient>();
    let alice = host.connect("/");
    host.advance(35 * SECOND);
    assert_eq!(alice.received().len(), 3 * 2, "a ping and a text each");
}

/// FAULTS K3.
#[test]
fn a_client_that_is_not_read_from_is_pinged_and_not_judged() {
    let host = TestHost::new::<Patient>();
    let alice = host.connect("/");
    alice.text("pause");
    host.advance(300 * SECOND);
    let received = alice.received();
    assert!(received.len() >= 4, "{received:?}");
    assert!(received.iter().all(|message| *message == Message::ping("") || *message == Message::text("PingDue")));
}

/// Found by the simulation: the ping came when the one would have been due that what was sent last had made needless.
#[test]
fn a_client_that_is_not_read_from_is_pinged_once_it_is_idle_and_not_before() {
    let host = TestHost::new::<Patient>();
    let alice = host.connect("/");
    host.advance(8 * SECOND);
    alice.text("pause");
    host.advance(9 * SECOND);
    assert_eq!(alice.received(), NOTHING);
    host.advance(2 * SECOND);
    assert_eq!(alice.received(), [Message::ping(""), Message::text("PingDue")]);
}

/// FAULTS K1. Found by the simulation: the next ping was put off by all the time in which nothing was read.
#[test]
fn a_client_that_is_read_from_again_is_pinged_no_later() {
    let never = Options { close_after_no_pong: Some(Duration::ZERO), ..Options::default() };
    let host = TestHost::with_options::<Patient>(never);
    let alice = host.connect("/");
    alice.fall_silent();
    alice.text("pause");
    host.advance(35 * SECOND);
    assert_eq!(alice.received().len(), 3 * 2, "a ping and a text each");
    alice.handle().resume_reading();
    host.advance(6 * SECOND);
    assert_eq!(alice.received(), [Message::ping(""), Message::text("PingDue")]);
}

/// FAULTS K1. Found by the simulation: the next ping was due after another such time.
#[test]
fn a_ping_for_which_there_was_no_room_comes_once_there_is() {
    let full = Options { max_backlog: 1000, backlog_policy: BacklogPolicy::Drop, ..Options::default() };
    let host = TestHost::with_options::<Patient>(full);
    let alice = host.connect("/");
    alice.stop_reading();
    let long = "x".repeat(1001);
    alice.handle().send_text(&long);
    host.advance(12 * SECOND);
    alice.start_reading();
    assert_eq!(alice.received(), [Message::text(&long), Message::ping(""), Message::text("PingDue")]);
}

/// Pings, and then takes long.
struct Slow;

impl Engine for Slow {
    type Session = u32;

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Slow)
    }

    fn on_idle(&self, client: &Client, _: &mut u32, idle: Idle) -> Option<Box<dyn Job>> {
        client.ping(format!("{idle:?}").as_bytes());
        if idle == Idle::PingDue {
            let time_passes = pin!(tokio::time::advance(7 * SECOND));
            let _ = time_passes.poll(&mut Context::from_waker(Waker::noop()));
        }
        None
    }
}

/// FAULTS K2.
#[test]
fn a_ping_that_leaves_late_is_awaited_no_less() {
    let keepalive =
        Options { ping_after: Some(10 * SECOND), close_after_no_pong: Some(5 * SECOND), ..Options::default() };
    let host = TestHost::with_options::<Slow>(keepalive);
    let alice = host.connect("/");
    alice.fall_silent();
    host.advance(10 * SECOND);
    assert_eq!(alice.received(), [Message::ping("PingDue")]);
    host.advance(4 * SECOND);
    assert_eq!(alice.received(), NOTHING);
    host.advance(2 * SECOND);
    assert_eq!(alice.received(), [Message::ping("PongMissing")]);
}

#[test]
fn hosts_on_one_thread_have_a_time_each() {
    let (host, other) = (TestHost::new::<Probe>(), TestHost::new::<Probe>());
    let (alice, bob) = (host.connect("/"), other.connect("/"));
    host.advance(3600 * SECOND);
    for (host, client) in [(&other, bob.handle()), (&host, alice.handle())] {
        drop(host.handle().after(SECOND, move || {
            client.send_text("after a second");
        }));
    }
    alice.received();
    host.advance(SECOND / 2);
    assert_eq!((alice.received(), bob.received()), (NOTHING.into(), NOTHING.into()));
    other.advance(SECOND);
    assert_eq!((alice.received(), bob.received()), (NOTHING.into(), vec!["after a second".into()]));
    host.advance(SECOND / 2);
    assert_eq!(alice.received(), ["after a second"]);
}

/// Found by the simulation: the next ping came later by as much as nothing had been read before the last.
#[test]
fn a_client_that_is_read_from_again_is_pinged_as_every_other() {
    let never = Options { close_after_no_pong: Some(Duration::ZERO), ..Options::default() };
    let host = TestHost::with_options::<Patient>(never);
    let alice = host.connect("/");
    alice.text("pause");
    alice.fall_silent();
    host.advance(10 * SECOND);
    assert_eq!(alice.received().len(), 2, "a ping and a text");
    alice.handle().resume_reading();
    host.advance(11 * SECOND);
    assert_eq!(alice.received().len(), 2);
}
