//! The host without its sockets: one engine, its connections, and what makes them move. Lives on the test's thread.

use super::boundary::{self, Instance};
use super::connection::{CLOSE_DEADLINE, Connection};
use super::keepalive::Keepalive;
use super::lock;
use super::options::Options;
use super::remote::Remote;
use super::report::{NotStarted, capture_logs, install_logger};
use super::services::Services;
use crate::{Engine, Host};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Steps after which a test is told that its engine never comes to rest.
const MAX_STEPS: usize = 100_000;

pub(super) struct World {
    pub(super) services: Arc<Services>,
    pub(super) host: Host,
    /// Taken when the host is shut down.
    instance: RefCell<Option<Rc<Instance>>>,
    keepalive: Keepalive,
    connections: RefCell<Vec<Rc<RefCell<Connection>>>>,
    /// Counts clients.
    pub(super) last_client: Cell<u64>,
}

impl World {
    pub(super) fn start<E: Engine>(options: &Options<'_>) -> Result<Rc<World>, NotStarted> {
        install_logger();
        let services = Services::new(options);
        let host = boundary::host(&services);
        let made = capture_logs(&host, || Instance::new::<E>(&services, options));
        let instance = made.inspect_err(|_| {
            services.retire();
            services.end_timers();
        })?;
        let keepalive = Keepalive::settle((options.ping_after, options.close_after_no_pong), instance.keepalive());
        Ok(Rc::new(World {
            services,
            host,
            instance: RefCell::new(Some(instance)),
            keepalive,
            connections: RefCell::default(),
            last_client: Cell::default(),
        }))
    }

    /// The engine, until the host is shut down.
    pub(super) fn instance(&self) -> Option<Rc<Instance>> {
        self.instance.borrow().clone()
    }

    /// Does something behind what came before, and then all that follows from it but for what waits: jobs and timers.
    pub(super) fn act<R>(&self, work: impl FnOnce() -> R) -> R {
        capture_logs(&self.host, || {
            self.turn();
            let result = work();
            self.turn();
            result
        })
    }

    /// Does what threads of the engine's own, or the test by a handle, have brought about.
    pub(super) fn settle(&self) {
        capture_logs(&self.host, || self.turn());
    }

    /// Opens a connection.
    pub(super) fn open(&self, remote: &Arc<Remote>, session: boundary::Session) -> Rc<RefCell<Connection>> {
        self.services.enter(remote);
        let connection = Connection::open(Arc::clone(remote), session, self.keepalive);
        let connection = Rc::new(RefCell::new(connection));
        self.connections.borrow_mut().push(Rc::clone(&connection));
        connection
    }

    /// Runs one job. Returns whether one waited.
    pub(super) fn run_job(&self) -> bool {
        // Not in the `if let`: its lock would be held while the job runs.
        let next = lock(&self.services.jobs).take_next();
        let Some((owner, job)) = next else { return false };
        if let Err(failure) = job.run() {
            self.services.report(failure, owner.as_deref());
            owner.inspect(|owner| owner.fail());
        }
        self.turn();
        true
    }

    /// Runs jobs, and timers that are due, until none is left. Returns how many jobs that were.
    pub(super) fn run_jobs(&self) -> usize {
        let mut jobs = 0;
        self.rest(|| {
            let timer = self.run_due_timer();
            let job = self.run_job();
            jobs += usize::from(job);
            timer || job
        });
        jobs
    }

    /// Moves the clock, and does on the way what becomes due.
    pub(super) fn advance(&self, duration: Duration) {
        let target = self.services.now().saturating_add(duration);
        let mut steps = 0;
        while let Some(due) = self.next_due().filter(|due| *due <= target) {
            let stands_still = due <= self.services.now();
            steps = if stands_still { steps + 1 } else { 0 };
            assert!(steps < MAX_STEPS, "the engine starts timers that are due at once, again and again");
            self.services.set_now(due);
            self.run_due_timer();
            let connections = self.connections.borrow().clone();
            connections.iter().for_each(|connection| connection.borrow_mut().meet_deadlines(due));
            self.turn();
        }
        self.services.set_now(target);
    }

    /// Closes every client, runs what waits, and ends the engine: the host's orderly end.
    pub(super) fn shut_down(&self) {
        self.act(|| {
            self.services.end_timers();
            let connections = self.connections.borrow().clone();
            connections.iter().for_each(|connection| connection.borrow().say_goodbye());
            self.turn();
            self.run_jobs();
            self.advance(CLOSE_DEADLINE);
            self.run_jobs();
            lock(&self.services.jobs).end();
            self.services.retire();
            // Behind its last session, this is its end.
            let instance = self.instance.take();
            drop(instance);
        });
    }

    fn next_due(&self) -> Option<Duration> {
        let timer = lock(&self.services.timers).next_due();
        let connections = self.connections.borrow();
        let deadlines = connections.iter().filter_map(|connection| connection.borrow().next_deadline());
        deadlines.chain(timer).min()
    }

    fn run_due_timer(&self) -> bool {
        let due = lock(&self.services.timers).take_due(self.services.now());
        let Some((number, mut job)) = due else { return false };
        if let Err(failure) = job.run() {
            self.services.report(failure, None);
        }
        let finished = lock(&self.services.timers).put_back(number, job);
        drop(finished);
        self.turn();
        true
    }

    /// Gives every connection its turn, until none has anything to do.
    fn turn(&self) {
        self.rest(|| {
            let connections = self.connections.borrow().clone();
            let mut did_something = false;
            for connection in connections {
                did_something |= connection.borrow_mut().turn();
            }
            self.connections.borrow_mut().retain(|connection| !connection.borrow().has_ended());
            did_something
        });
    }

    /// Steps until a step had nothing to do.
    fn rest(&self, mut step: impl FnMut() -> bool) {
        let steps = (0..MAX_STEPS).take_while(|_| step()).count();
        assert!(
            steps < MAX_STEPS,
            "the engine does not come to rest: its jobs or events bring about ever more of them"
        );
    }
}
