//! The host, in the hand of the test.

use crate::client::TestClient;
use crate::engine::TestEngine;
use crate::handshake::Handshake;
use crate::metrics::{Key, Kind};
use crate::options::Options;
use crate::report::{EngineFailure, LogLine, NotStarted};
use crate::swapped::{NotSwapped, Swapped};
use crate::world::World;
use plugin_api::{Format, Host, Labels};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A host without sockets, with one engine.
///
/// Everything happens on the test's thread and in an order that is always the same, which leaves three things to the
/// test: when [jobs run](TestHost::run_jobs), when [time passes](TestHost::advance), and when the host
/// [ends](TestHost::shut_down).
///
/// Dropped, it is shut down. A [failure](TestHost::failures) that the test has not asked for fails it then: no panic of
/// the engine goes unnoticed.
pub struct TestHost {
    world: Rc<World>,
}

impl TestHost {
    /// A host with an engine that is given no configuration.
    ///
    /// # Panics
    ///
    /// If the engine's `new` fails.
    #[track_caller]
    pub fn new<E: TestEngine>() -> Self {
        TestHost::with_options::<E>(Options::default())
    }

    /// A host with an engine and its configuration, in TOML.
    ///
    /// # Panics
    ///
    /// If the engine's `new` fails.
    #[track_caller]
    pub fn with_config<E: TestEngine>(config: &str) -> Self {
        TestHost::with_options::<E>(Options { config, ..Options::default() })
    }

    /// A host with these options.
    ///
    /// # Panics
    ///
    /// If the engine's `new` fails.
    #[track_caller]
    pub fn with_options<E: TestEngine>(options: Options<'_>) -> Self {
        match TestHost::start::<E>(options) {
            Ok(host) => host,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`with_options`](TestHost::with_options), for engines that refuse to start.
    ///
    /// # Errors
    ///
    /// The error or panic of the engine's `new`.
    pub fn start<E: TestEngine>(options: Options<'_>) -> Result<Self, NotStarted> {
        World::start::<E>(&options).map(|world| TestHost { world })
    }

    /// Connects a client, with this path and query.
    ///
    /// # Panics
    ///
    /// If the engine does not accept it.
    #[track_caller]
    pub fn connect(&self, resource: &str) -> TestClient {
        self.request(resource).connect()
    }

    /// A request to connect, for clients with headers of their own or that are rejected.
    #[track_caller]
    pub fn request(&self, resource: &str) -> Handshake {
        Handshake::new(&self.world, resource)
    }

    /// Runs all jobs that wait, and those that come up meanwhile. Returns how many.
    ///
    /// Jobs of one client run in order; clients are served in turn. Between two jobs, values that were posted reach
    /// `on_event`. Timers that are due, such as one after no time at all, run too.
    pub fn run_jobs(&self) -> usize {
        self.world.act(|| self.world.run_jobs())
    }

    /// Runs the next job. Returns whether there was one.
    pub fn run_job(&self) -> bool {
        self.world.act(|| self.world.run_job())
    }

    /// How many jobs wait.
    pub fn waiting_jobs(&self) -> usize {
        self.world.waiting_jobs()
    }

    /// Lets time pass, by a clock that stands still otherwise.
    ///
    /// On the way and in order, timers run, idle clients are pinged or closed, and the 5 s end that a client has to
    /// complete the closing handshake. Jobs go on waiting.
    pub fn advance(&self, duration: Duration) {
        self.world.act(|| self.world.advance(duration));
    }

    /// Has another engine take over, as a new version of a plugin does while everyone stays connected: with its
    /// configuration, or with [`swap_with_config`](TestHost::swap_with_config).
    ///
    /// If both engines have a [handover](crate::WithHandover), or sessions of type `()`, all connections pass to the new
    /// one. Else those that there are stay with the engine that they have, and new ones go to the new engine. A swap waits
    /// for jobs that are at work: those that wait are run, and time passes as far as it must, until it succeeds or its
    /// 10 s are over.
    ///
    /// # Errors
    ///
    /// Why the old engine goes on as if nothing had happened: the new one does not start, an export or import fails or
    /// panics, or the new one does not accept what the old one exports.
    ///
    /// # Panics
    ///
    /// If the host was shut down.
    #[track_caller]
    pub fn swap<E: TestEngine>(&self) -> Result<Swapped, NotSwapped> {
        self.world.swap::<E>("", Format::None)
    }

    /// As [`swap`](TestHost::swap), with a configuration for the new engine, in TOML.
    ///
    /// # Errors
    ///
    /// As of [`swap`](TestHost::swap).
    #[track_caller]
    pub fn swap_with_config<E: TestEngine>(&self, config: &str) -> Result<Swapped, NotSwapped> {
        self.world.swap::<E>(config, Format::Toml)
    }

    /// The value of a counter.
    ///
    /// # Panics
    ///
    /// As for all metrics, if the engine has none of this name and these labels, in any order.
    #[track_caller]
    pub fn counter(&self, name: &str, labels: Labels<'_>) -> u64 {
        self.metric(Kind::Counter, name, labels).into_iter().sum::<f64>() as u64
    }

    /// The value of a gauge.
    #[track_caller]
    pub fn gauge(&self, name: &str, labels: Labels<'_>) -> f64 {
        self.metric(Kind::Gauge, name, labels).into_iter().sum()
    }

    /// The values that a histogram has noted, in order.
    #[track_caller]
    pub fn histogram(&self, name: &str, labels: Labels<'_>) -> Vec<f64> {
        self.metric(Kind::Histogram, name, labels)
    }

    #[track_caller]
    fn metric(&self, kind: Kind, name: &str, labels: Labels<'_>) -> Vec<f64> {
        let key = Key::new(kind, name, labels);
        let values = self.world.metrics.values(&key);
        values.unwrap_or_else(|others| panic!("the engine has no {key}; it has {others}"))
    }

    /// What the engine has logged since this was last asked, at every level, and what the host has to say about it, at
    /// `Info` and above.
    ///
    /// Lines from threads of the engine's own are printed instead. If the test has installed a logger of `log`, that
    /// one gets the engine's lines. What the host says, it says by `tracing`: on a thread that has had a test host, nobody
    /// else hears that.
    pub fn logs(&self) -> Vec<LogLine> {
        self.world.settle();
        self.world.records.take_logs()
    }

    /// Panics and mistakes of the engine since this was last asked.
    pub fn failures(&self) -> Vec<EngineFailure> {
        self.world.settle();
        self.world.records.take_failures()
    }

    /// The engine's handle of this host, to call functions of the engine's own that take one, and to ask who is in a
    /// group. After a [swap](TestHost::swap), handles of the generation before reach nobody: ask anew.
    pub fn handle(&self) -> Host {
        self.world.host()
    }

    /// Ends the host as an operator does: clients are closed with 1001, jobs run, timers end, and the engine is dropped
    /// behind its last session. Clients stay readable.
    pub fn shut_down(&self) {
        self.world.shut_down();
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the engine had to say may be why.
            self.world.records.take_logs().iter().for_each(|line| eprintln!("{line}"));
            return;
        }
        self.shut_down();
        let failures: Vec<_> = self.failures().iter().map(ToString::to_string).collect();
        assert!(
            failures.is_empty(),
            "the engine failed, and the test did not ask for its failures():\n{}",
            failures.join("\n")
        );
    }
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestHost({} clients, {} jobs)", self.world.host().client_count(), self.waiting_jobs())
    }
}
