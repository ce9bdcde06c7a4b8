//! The rig does what the server does, when it is told.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

use plugin_api::export::engine_module;
use plugin_api::handover::{Handover, Schema, from_json, to_json};
use plugin_api::prelude::*;
use plugin_testing::rig::{Asks, Attempt, Outcome, Rig, Setup};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use wshost_core::client::Closing;
use wshost_core::client::audience::{Backlog, BacklogPolicy, Whom};
use wshost_core::engine::metrics::Metrics;
use wshost_core::engine::{self, Unborn};
use wshost_core::plugin::Plugin;
use wshost_core::protocol::Limits;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap::{Successor, SwapLimits, Way, succeed};

/// Counts texts and answers with the count: at once, from a job, or after 1.5 s.
/// The text "many" sets the count to [`TOO_MANY`].
struct Counting(Host);

/// From this count on, a session cannot be exported.
const TOO_MANY: u32 = 1000;

impl Engine for Counting {
    type Session = u32;

    fn new(host: Host, _: &Config) -> Result<Self> {
        Ok(Counting(host))
    }

    fn authenticate(&self, _: &Request) -> std::result::Result<Accept<u32>, Reject> {
        Ok(Accept::new(0))
    }

    fn on_text(&self, client: &Client, count: &mut u32, text: &str) -> Option<Box<dyn Job>> {
        *count = if text == "many" { TOO_MANY } else { *count + 1 };
        let (client, answer) = (client.clone(), format!("{text}{count}"));
        let answer = move || {
            client.send_text(&answer);
        };
        match text {
            "job" => return Some(Box::new(answer)),
            "later" => {
                drop(self.0.after(Duration::from_millis(1500), answer));
            }
            _ => answer(),
        }
        None
    }
}

impl Handover for Counting {
    const SCHEMA: &'static str = "counting";

    fn export_session(&self, _: &Client, count: &u32) -> Result<Vec<u8>> {
        if *count >= TOO_MANY { Err("too many".into()) } else { to_json(count) }
    }

    fn import_session(&self, _: &Client, _: &Schema, count: &[u8]) -> Result<u32> {
        from_json(count)
    }
}

export_engine!(Counting, handover);

fn rig() -> Rig {
    let setup = Setup {
        loops: 2,
        backlog: Backlog { limit: 1024, policy: BacklogPolicy::Close },
        compression: None,
        keepalive: (Some(Duration::from_secs(30)), Some(Duration::from_secs(30))),
        limits: Limits { max_message: 1024, assembly_timeout: Duration::from_secs(10) },
        read_size: 4096,
        prefer_read: None,
    };
    Rig::new(setup, Metrics::new(metrics::NoopRecorder))
}

fn plugin() -> Plugin {
    Plugin::linked(engine_module::<Counting>()).unwrap()
}

fn mount(rig: &Rig) -> Rc<Mount> {
    let unborn = Unborn::first(plugin(), Default::default(), rig.facilities());
    let made = rig.enter(|| unborn.make()).unwrap();
    Rc::new(Mount::new(None, made, PathBuf::new(), None))
}

fn connect(rig: &Rig, mount: &Rc<Mount>, event_loop: usize) -> Attempt {
    connect_and_keep(rig, mount, event_loop).0
}

/// Returns the handle that the host has of the client as well.
fn connect_and_keep(rig: &Rig, mount: &Rc<Mount>, event_loop: usize) -> (Attempt, Arc<engine::Client>) {
    let (resource, peer) = ("/".to_owned(), "peer".to_owned());
    let attempt = rig.connect(mount, Asks { resource, peer, headers: Vec::new(), deflate: None, event_loop });
    rig.settle();
    let Some(Outcome::Open { client, .. }) = attempt.take() else { panic!("it may connect") };
    (attempt, client)
}

/// Sends a text, with a mask of zeros.
fn say(attempt: &Attempt, text: &str) {
    attempt.peer.send([&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat());
}

/// The text of the one frame that has come, or nothing.
fn heard(attempt: &Attempt) -> String {
    String::from_utf8(attempt.peer.received().split_off(2)).unwrap()
}

#[test]
fn nothing_happens_before_it_is_asked_for() {
    let rig = rig();
    let mount = mount(&rig);
    let clients = [connect(&rig, &mount, 0), connect(&rig, &mount, 1)];
    for client in &clients {
        say(client, "x");
        assert!(client.peer.received().is_empty());
        rig.settle();
        assert_eq!(heard(client), "x1");
        say(client, "job");
        rig.settle();
        assert!(client.peer.received().is_empty());
        assert!(rig.do_one_job() && !rig.do_one_job());
        rig.settle();
        assert_eq!(heard(client), "job2");
    }
}

#[test]
fn time_passes_when_it_is_told_to() {
    let rig = rig();
    let mount = mount(&rig);
    let client = connect(&rig, &mount, 0);
    say(&client, "later");
    rig.settle();
    let began = rig.now();
    let mut ran_at = None;
    rig.advance(Duration::from_secs(3), || {
        if rig.do_one_job() {
            ran_at = Some(rig.now() - began);
        }
        assert_eq!(rig.now() - began >= Duration::from_millis(1500), ran_at.is_some());
    });
    assert_eq!((ran_at, rig.now() - began), (Some(Duration::from_millis(1500)), Duration::from_secs(3)));
    rig.settle();
    assert_eq!(heard(&client), "later1");
    rig.advance(Duration::from_secs(28), || ());
    assert_eq!(client.peer.received(), [0x89, 0], "it was pinged");
    rig.advance(Duration::from_secs(40), || ());
    assert!(client.peer.received().starts_with(&[0x88]));
}

#[test]
fn a_swap_waits_for_whom_it_must() {
    let rig = rig();
    let mount = mount(&rig);
    let client = connect(&rig, &mount, 0);
    say(&client, "x");
    rig.settle();
    assert_eq!(heard(&client), "x1");
    let limits = SwapLimits { deadline: Duration::from_secs(5), max_pause: Duration::from_secs(1), drain: None };
    let successor = || Successor { plugin: Arc::new(plugin()), config: Default::default(), always_gently: false };
    let swapping = rig.swap(&mount, successor(), limits);
    rig.settle();
    assert!(swapping.take().is_none(), "new runs on a thread that has not run");
    while rig.enter(|| rig.queues().do_one()) {
        rig.settle();
    }
    let way = swapping.take().unwrap().unwrap().way;
    assert_eq!(way, Way::Handover { sessions: 1, pause: Duration::ZERO });
    say(&client, "x");
    rig.settle();
    assert_eq!(heard(&client), "x2");
    // An engine that blocks.
    let swapping = rig.swap(&mount, successor(), limits);
    rig.advance(Duration::from_secs(6), || ());
    let refused = swapping.take().unwrap().unwrap_err().to_string();
    assert!(refused.contains("did not start"), "{refused}");
}

#[test]
fn a_swap_that_is_given_up_anywhere_lets_everyone_go_on() {
    for not_exported in [None, Some(0), Some(1)] {
        let rig = rig();
        let mount = mount(&rig);
        let clients = [connect(&rig, &mount, 0), connect(&rig, &mount, 1)];
        let mut counts = [0, 0];
        if let Some(index) = not_exported {
            say(&clients[index], "many");
            rig.settle();
            assert_eq!(heard(&clients[index]), "many1000");
            counts[index] = TOO_MANY;
        }
        let steps = (0..)
            .find(|steps| {
                let is_over = swap_for(*steps, &rig, &mount);
                for client in &clients {
                    say(client, "later");
                    say(client, "x");
                }
                rig.settle();
                let answers = clients.each_ref().map(heard);
                assert_eq!(answers, counts.map(|count| format!("x{}", count + 2)), "after {steps} steps");
                rig.advance(Duration::from_secs(2), || while rig.do_one_job() {});
                let answers = clients.each_ref().map(heard);
                assert_eq!(answers, counts.map(|count| format!("later{}", count + 1)), "after {steps} steps");
                counts = counts.map(|count| count + 2);
                is_over
            })
            .unwrap();
        assert!(steps > 10, "{steps} steps");
    }
}

/// Does so many steps of a swap and of what it waits for, and then gives it up. Returns whether it was over before.
fn swap_for(steps: u32, rig: &Rig, mount: &Mount) -> bool {
    let limits = SwapLimits { deadline: Duration::from_secs(5), max_pause: Duration::from_secs(1), drain: None };
    let successor = Successor { plugin: Arc::new(plugin()), config: Default::default(), always_gently: false };
    let mut swapping = Box::pin(succeed(mount, &successor, &limits));
    let mut poll = || swapping.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    let is_over = (0..steps).any(|step| {
        match step % 4 {
            1 => drop(rig.settle()),
            3 => drop(rig.enter(|| rig.queues().do_one())),
            _ => return rig.enter(&mut poll),
        }
        false
    });
    drop(swapping);
    rig.settle();
    while rig.enter(|| rig.queues().do_one()) {
        rig.settle();
    }
    is_over
}

#[test]
fn a_task_that_panics_leaves_nothing_of_its_client_behind() {
    let rig = rig();
    let mount = mount(&rig);
    let other = connect(&rig, &mount, 0);
    let (faulty, client) = connect_and_keep(&rig, &mount, 0);
    let audience = client.audience();
    audience.join(&client, "room");
    let counts = || [Whom::Everyone, Whom::Group("room")].map(|whom| audience.count(whom));
    assert_eq!(counts(), [2, 1]);
    assert!(!rig.queues().retire_one());

    faulty.peer.fail_task();
    rig.settle();
    assert!(faulty.peer.is_gone());
    assert_eq!((counts(), client.closing()), ([1, 0], Closing::Gone));
    assert!(rig.queues().retire_one() && !rig.queues().retire_one(), "its session is discarded");

    say(&other, "x");
    rig.settle();
    assert_eq!(heard(&other), "x1");
    rig.advance(Duration::from_secs(31), || ());
    assert_eq!(other.peer.received(), [0x89, 0], "a ping, and nobody else has a deadline");
    let limits = SwapLimits { deadline: Duration::from_secs(1), max_pause: Duration::from_secs(1), drain: None };
    let successor = Successor { plugin: Arc::new(plugin()), config: Default::default(), always_gently: false };
    let swapping = rig.swap(&mount, successor, limits);
    rig.settle();
    while rig.enter(|| rig.queues().do_one()) {
        rig.settle();
    }
    let swapped = swapping.take().unwrap().unwrap();
    assert!(matches!(swapped.way, Way::Handover { sessions: 1, .. }), "{swapped:?}");
}
