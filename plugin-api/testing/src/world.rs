//! The rig with one engine, and the clients of a test. Lives on the test's thread.

use crate::engine::TestEngine;
use crate::link::Link;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::records::Records;
use crate::report::{EngineFailure, NotStarted};
use crate::rig::{Attempt, Outcome, Rig, Setup};
use crate::swapped::{NotSwapped, Swapped};
use plugin_api::hosting::{Generation, HostInstance, HostServices, client_handle, host_handle};
use plugin_api::{Format, Host, close_code};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use wshost_core::client::audience::{Backlog, Whom};
use wshost_core::engine::{self, Client, Config, Core, Instance, NotMade, Unborn};
use wshost_core::loops::deadlines::TICK;
use wshost_core::plugin::Plugin;
use wshost_core::protocol::Limits;
use wshost_core::protocol::deflate::Compression;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap::{Successor, SwapLimits};

/// Steps after which a test is told that its engine never comes to rest.
const MAX_STEPS: usize = 100_000;
/// Bytes per read: enough for most of what tests send at once.
const READ_SIZE: usize = 512 * 1024;
/// What swaps are held to, as the server's are unless the operator says otherwise.
const SWAP_DEADLINE: Duration = Duration::from_secs(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// What a swap that waits is given before it is looked at again.
const SWAP_STEP: Duration = Duration::from_millis(5);

pub(crate) struct World {
    rig: Rig,
    pub(crate) compression: Option<Compression>,
    pub(crate) metrics: Metrics,
    pub(crate) records: Rc<Records>,
    /// Taken when the host is shut down.
    mount: RefCell<Option<Rc<Mount>>>,
    /// The handle that the present generation has.
    host: RefCell<Host>,
    /// By their numbers.
    generations: RefCell<HashMap<u32, &'static Generation<Core>>>,
    links: RefCell<Vec<Rc<Link>>>,
    /// Counts clients.
    pub(crate) last_client: Cell<u64>,
}

impl World {
    pub(crate) fn start<E: TestEngine>(options: &Options<'_>) -> Result<Rc<World>, NotStarted> {
        let records = Rc::<Records>::default();
        let metrics = Metrics::default();
        let compression = options.compression.map(crate::Compression::settings);
        let setup = Setup {
            loops: 1,
            backlog: Backlog { limit: options.max_backlog, policy: options.backlog_policy.settings() },
            compression,
            keepalive: (options.ping_after, options.close_after_no_pong),
            limits: Limits { max_message: options.max_message, assembly_timeout: options.message_timeout },
            read_size: READ_SIZE,
            prefer_read: None,
        };
        let rig = Rig::with_timers_apart(setup, engine::metrics::Metrics::new(metrics.clone()));
        let plugin = linked::<E>();
        let program = plugin.path().to_owned();
        let unborn = Unborn::first(plugin, config(options.config, options.format), rig.facilities());
        let instance = records.of(|| rig.enter(|| unborn.make())).map_err(not_started)?;
        let generation = instance.services().generation();
        Ok(Rc::new(World {
            rig,
            compression,
            metrics,
            records,
            host: RefCell::new(host_handle::<Core>(instance.services())),
            generations: RefCell::new(HashMap::from([(generation.number(), generation)])),
            mount: RefCell::new(Some(Rc::new(Mount::new(None, instance, program, None)))),
            links: RefCell::default(),
            last_client: Cell::default(),
        }))
    }

    /// The engine's mount, until the host is shut down.
    pub(crate) fn mount(&self) -> Option<Rc<Mount>> {
        self.mount.borrow().clone()
    }

    pub(crate) fn rig(&self) -> &Rig {
        &self.rig
    }

    /// The handle that the present generation has.
    pub(crate) fn host(&self) -> Host {
        self.keep_time();
        self.host.borrow().clone()
    }

    /// The handle of a client that the generation has which serves it.
    pub(crate) fn client(&self, client: &Arc<Client>) -> plugin_api::Client {
        self.keep_time();
        let generation = self.generations.borrow().get(&client.generation()).copied();
        client_handle::<Core>(client, generation.expect("a client's generation is known"))
    }

    /// From now on this thread has the rig's time, also in calls of handles by the test itself.
    fn keep_time(&self) {
        self.rig.keep_time();
    }

    pub(crate) fn add(&self, link: &Rc<Link>) {
        self.links.borrow_mut().push(Rc::clone(link));
    }

    /// Does something behind what came before, and then all that follows from it but for what waits: jobs and timers.
    pub(crate) fn act<R>(&self, work: impl FnOnce() -> R) -> R {
        self.keep_time();
        self.records.of(|| {
            self.turn();
            let result = work();
            self.turn();
            result
        })
    }

    /// Does what threads of the engine's own, or the test by a handle, have brought about.
    pub(crate) fn settle(&self) {
        self.keep_time();
        self.records.of(|| self.turn());
    }

    /// What a client that asks is answered, which an engine may want a worker for.
    pub(crate) fn answer(&self, attempt: &Attempt) -> Outcome {
        let mut answer = None;
        rest(|| {
            self.turn();
            answer = attempt.take();
            answer.is_none() && {
                self.run_due_timers();
                true
            }
        });
        answer.expect("it is there")
    }

    /// How many jobs wait.
    pub(crate) fn waiting_jobs(&self) -> usize {
        self.rig.facilities().pool.waiting()
    }

    /// Runs one job. Returns whether one waited.
    pub(crate) fn run_job(&self) -> bool {
        let ran = self.rig.do_one_job();
        self.turn();
        ran
    }

    /// Runs jobs, and timers that are due, until none is left. Returns how many jobs that were.
    pub(crate) fn run_jobs(&self) -> usize {
        let mut jobs = 0;
        rest(|| {
            let timers = self.run_due_timers();
            let job = self.run_job();
            jobs += usize::from(job);
            timers || job
        });
        jobs
    }

    /// Moves the clock, and does on the way what becomes due.
    pub(crate) fn advance(&self, duration: Duration) {
        let (mut steps, mut before) = (0, self.rig.now());
        self.rig.advance(duration, || {
            self.run_due_timers();
            self.turn();
            let now = self.rig.now();
            steps = if std::mem::replace(&mut before, now) == now { steps + 1 } else { 0 };
            assert!(steps < MAX_STEPS, "the engine starts timers that are due at once, again and again");
        });
    }

    /// Has another generation take over, running jobs and letting time pass as far as the swap waits for them.
    pub(crate) fn swap<E: TestEngine>(&self, config_text: &str, format: Format) -> Result<Swapped, NotSwapped> {
        let mount = self.mount().expect("this host was shut down, no engine can take over any more");
        let plugin = Arc::new(linked::<E>());
        let successor = Successor { plugin, config: config(config_text, format), always_gently: false };
        let limits = SwapLimits { deadline: SWAP_DEADLINE, max_pause: MAX_PAUSE, drain: None };
        self.act(|| {
            let swapping = self.rig.swap(&mount, successor, limits);
            let outcome = loop {
                self.turn();
                if let Some(outcome) = swapping.take() {
                    break outcome;
                }
                if !self.run_due_timers() && !self.run_job() {
                    self.advance(SWAP_STEP);
                }
            };
            let swapped = Swapped::of(outcome)?;
            self.know(&mount.current());
            Ok(swapped)
        })
    }

    /// This generation has taken over.
    fn know(&self, instance: &Arc<Instance>) {
        let generation = instance.services().generation();
        self.generations.borrow_mut().insert(generation.number(), generation);
        self.host.replace(host_handle::<Core>(instance.services()));
    }

    /// Closes every client, runs what waits, and ends the engine: the host's orderly end.
    pub(crate) fn shut_down(&self) {
        let Some(mount) = self.mount.take() else { return };
        self.act(|| {
            let instance = mount.current();
            self.rig.enter(|| {
                instance.end_timers();
                for client in instance.audience().clients(Whom::Everyone) {
                    client.close(close_code::GOING_AWAY, "the server is shutting down");
                }
            });
            self.turn();
            self.run_jobs();
            let until = self.rig.now() + 3 * CLOSE_DEADLINE;
            while self.links.borrow().iter().any(|link| !link.is_over()) && self.rig.now() < until {
                self.advance(TICK);
            }
            self.run_jobs();
            self.rig.enter(|| self.rig.facilities().pool.end());
            // Behind its last session, this is its end.
            instance.retire();
            drop((instance, mount));
        });
    }

    /// Runs timers that are due. Returns whether there was one.
    fn run_due_timers(&self) -> bool {
        let mut some = false;
        rest(|| {
            let timer = self.rig.do_one_timer();
            some |= timer;
            if timer {
                self.turn();
            }
            timer
        });
        some
    }

    /// Has the event loop and the clients do what there is to do, until there is nothing.
    pub(crate) fn turn(&self) {
        rest(|| {
            assert!(self.rig.settle(), "{RESTLESS}");
            let mut more = self.rig.enter(|| {
                let queues = self.rig.queues();
                let mut more = false;
                while queues.do_one() || queues.retire_one() {
                    more = true;
                }
                more
            });
            let links = self.links.borrow().clone();
            for link in &links {
                more |= link.turn();
            }
            self.links.borrow_mut().retain(|link| !link.is_over());
            more
        });
    }
}

/// From the first close frame to the end, whatever a client does.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

const RESTLESS: &str = "the engine does not come to rest: its jobs or events bring about ever more of them";

/// Steps until a step had nothing to do.
fn rest(mut step: impl FnMut() -> bool) {
    let steps = (0..MAX_STEPS).take_while(|_| step()).count();
    assert!(steps < MAX_STEPS, "{RESTLESS}");
}

/// The plugin that the engine is of.
fn linked<E: TestEngine>() -> Plugin {
    Plugin::linked(E::module()).expect("the test's program is there, and both sides are of this build")
}

fn config(text: &str, format: Format) -> Config {
    let (source, format) = match format {
        _ if text.is_empty() => ("", Format::None),
        Format::None => ("", Format::None),
        Format::Toml => ("test.toml", Format::Toml),
        Format::Json => ("test.json", Format::Json),
    };
    Config { text: text.to_owned(), source: source.to_owned(), format }
}

fn not_started(not_made: NotMade) -> NotStarted {
    let NotMade { failure, configuration_at_fault } = not_made;
    NotStarted { failure: EngineFailure::of(&failure), configuration_at_fault }
}
