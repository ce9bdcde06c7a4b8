//! What the engine's `Host` handles point to: who is connected, the clock, and what waits or was noted.
//!
//! Works from any thread. Nothing here calls the engine, except that dropping its objects does, never under a lock.

use super::boundary::{Job, TimerJob};
use super::jobs::Jobs;
use super::lock;
use super::message::Message;
use super::metrics::{Key, Kind, Metric, Metrics};
use super::options::{BacklogPolicy, Options};
use super::remote::Remote;
use super::report::{EngineFailure, LogLine};
use super::timers::Timers;
use crate::handles::group::Whom;
use crate::{ClientId, Sent, abi};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest name of a group, in bytes.
const MAX_GROUP_NAME: usize = 255;

#[derive(Debug)]
pub(super) struct Services {
    /// The half of an id that all clients of this host have in common.
    run: u64,
    pub(super) max_backlog: usize,
    pub(super) backlog_policy: BacklogPolicy,
    /// Time since the host started.
    now: Mutex<Duration>,
    audience: Mutex<Audience>,
    pub(super) jobs: Mutex<Jobs>,
    pub(super) timers: Mutex<Timers>,
    pub(super) metrics: Mutex<Metrics>,
    logs: Mutex<Vec<LogLine>>,
    failures: Mutex<Vec<EngineFailure>>,
    /// The engine has ended: its handles reach nobody.
    retired: AtomicBool,
}

/// The connected clients, and their groups.
#[derive(Debug, Default)]
struct Audience {
    clients: BTreeMap<u64, Arc<Remote>>,
    groups: BTreeMap<String, BTreeSet<u64>>,
}

impl Services {
    pub(super) fn new(options: &Options<'_>) -> Arc<Self> {
        Arc::new(Services {
            run: RandomState::new().hash_one("run"),
            max_backlog: options.max_backlog,
            backlog_policy: options.backlog_policy,
            now: Mutex::default(),
            audience: Mutex::default(),
            jobs: Mutex::default(),
            timers: Mutex::default(),
            metrics: Mutex::default(),
            logs: Mutex::default(),
            failures: Mutex::default(),
            retired: AtomicBool::default(),
        })
    }

    /// The engine is about to end.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Time since the host started.
    pub(super) fn now(&self) -> Duration {
        *lock(&self.now)
    }

    /// Moves the clock, never back.
    pub(super) fn set_now(&self, now: Duration) {
        let mut current = lock(&self.now);
        *current = now.max(*current);
    }

    /// A client's id, from the half that counts.
    pub(super) fn client_id(&self, number: u64) -> ClientId {
        ClientId(abi::ClientId { high: self.run, low: number })
    }

    /// The connected client of this id.
    pub(super) fn client(&self, id: ClientId) -> Option<Arc<Remote>> {
        if id.0.high != self.run { None } else { lock(&self.audience).clients.get(&id.0.low).cloned() }
    }

    /// The clients of a group or all, but for the one of the number `except`.
    pub(super) fn audience(&self, whom: Whom<'_>, except: Option<u64>) -> Vec<Arc<Remote>> {
        let audience = lock(&self.audience);
        let belongs = |number: &u64| match whom {
            Whom::Everyone => true,
            Whom::Members(group) => audience.groups.get(group).is_some_and(|members| members.contains(number)),
        };
        let among = audience.clients.iter().filter(|(number, _)| belongs(number) && Some(**number) != except);
        among.map(|(_, client)| Arc::clone(client)).collect()
    }

    /// Sends one message to many. Returns how many clients it was queued for.
    pub(super) fn broadcast(&self, whom: Whom<'_>, except: Option<u64>, message: &Message) -> usize {
        let clients = self.audience(whom, except);
        clients.iter().filter(|client| client.send(message.clone()) == Sent::Sent).count()
    }

    /// A client has connected.
    pub(super) fn enter(&self, client: &Arc<Remote>) {
        lock(&self.audience).clients.insert(client.number(), Arc::clone(client));
    }

    /// A client's connection ends, and its memberships with it.
    pub(super) fn exit(&self, client: u64) {
        let mut audience = lock(&self.audience);
        audience.clients.remove(&client);
        audience.groups.values_mut().for_each(|members| {
            members.remove(&client);
        });
    }

    pub(super) fn join(&self, client: &Remote, group: &str) -> Sent {
        if group.is_empty() || group.len() > MAX_GROUP_NAME {
            self.warn(&format!("refused: a group name of {} bytes; it has 1 to {MAX_GROUP_NAME}", group.len()));
            return Sent::Refused;
        }
        let mut audience = lock(&self.audience);
        if !audience.clients.contains_key(&client.number()) {
            return Sent::Gone;
        }
        audience.groups.entry(group.to_owned()).or_default().insert(client.number());
        Sent::Sent
    }

    pub(super) fn leave(&self, client: &Remote, group: &str) -> bool {
        lock(&self.audience).groups.get_mut(group).is_some_and(|members| members.remove(&client.number()))
    }

    /// Queues a job of a client's, or of nobody's.
    pub(super) fn submit(&self, owner: Option<&Arc<Remote>>, job: Job) {
        let refused = lock(&self.jobs).submit(owner, job);
        drop(refused);
    }

    pub(super) fn start_timer(&self, job: TimerJob, after: Duration, every: Option<Duration>) -> u64 {
        // Too far away to count is never, or nearly so.
        let due = self.now().saturating_add(after);
        let (number, refused) = lock(&self.timers).start(job, due, every);
        drop(refused);
        number
    }

    pub(super) fn cancel_timer(&self, number: u64) {
        let cancelled = lock(&self.timers).cancel(number);
        drop(cancelled);
    }

    pub(super) fn end_timers(&self) {
        let ended = lock(&self.timers).end();
        drop(ended);
    }

    pub(super) fn metric(&self, kind: Kind, name: &str, labels: &[(&str, &str)]) -> Arc<Metric> {
        lock(&self.metrics).metric(Key::new(kind, name, labels))
    }

    pub(super) fn log(&self, level: log::Level, target: &str, message: &str) {
        let line = LogLine { level, target: target.to_owned(), message: message.to_owned() };
        lock(&self.logs).push(line);
    }

    /// A line of the host's own.
    pub(super) fn warn(&self, message: &str) {
        self.log(log::Level::Warn, "wshost", message);
    }

    pub(super) fn take_logs(&self) -> Vec<LogLine> {
        std::mem::take(&mut lock(&self.logs))
    }

    /// Notes a failure of the engine. It is printed too, since it may be why the test fails next.
    pub(super) fn report(&self, mut failure: EngineFailure, client: Option<&Remote>) {
        eprintln!("engine: {failure}");
        failure.client = client.map(Remote::id);
        lock(&self.failures).push(failure);
    }

    pub(super) fn take_failures(&self) -> Vec<EngineFailure> {
        std::mem::take(&mut lock(&self.failures))
    }
}
