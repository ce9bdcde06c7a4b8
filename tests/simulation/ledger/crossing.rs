//! What the engine gives away and gets back, or not: jobs, events, and drops that panic.

use super::act::Hands;
use crate::account::live::{Alive, Thing};
use crate::account::{note, with, with_any};
use plugin_api::prelude::*;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOBODY: usize = usize::MAX;

/// Panics when it is dropped, now and then.
#[derive(Debug)]
pub struct Bomb {
    explodes: bool,
    /// Whose callback or job it would end.
    client: AtomicUsize,
}

impl Bomb {
    pub fn maybe() -> Bomb {
        let explodes = with(|account| account.plan.bombs > 0 && account.random.in_thousand(account.plan.bombs));
        Bomb { explodes, client: AtomicUsize::new(NOBODY) }
    }

    /// It is dropped in a callback or job of this client's.
    fn within_call_for(&self, client: usize) {
        self.client.store(client, Ordering::Relaxed);
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        // Two at once would end the process.
        if self.explodes && !std::thread::panicking() {
            with_any(|account| {
                let client = self.client.load(Ordering::Relaxed);
                account.note_panic((client != NOBODY).then_some(client));
            });
            panic!("told to panic in a drop");
        }
    }
}

/// A value for a session.
#[derive(Debug)]
pub struct Posted {
    id: u64,
    client: usize,
    delivered: Cell<bool>,
    _alive: Alive,
    bomb: Bomb,
}

impl Posted {
    pub fn new(id: u64, client: usize) -> Posted {
        Posted { id, client, delivered: Cell::new(false), _alive: Alive::new(Thing::Event), bomb: Bomb::maybe() }
    }

    /// It has come.
    pub fn deliver(&self, client: usize) {
        self.delivered.set(true);
        self.bomb.within_call_for(client);
        with(|account| {
            note!(account, "client {client}: event {}", self.id);
            let due = account.clients[client].events.pop_front();
            account.must(due == Some(self.id), || {
                format!("client {client}: event {} came, and {due:?} was to come", self.id)
            });
        });
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        if self.delivered.get() {
            return;
        }
        with_any(|account| {
            let refused = account.refusing == Some(self.id);
            let ending = refused || account.ending || account.clients[self.client].may_be_ending();
            let events = &mut account.clients[self.client].events;
            let waited = events.iter().position(|id| *id == self.id);
            if let Some(index) = waited {
                events.remove(index);
                account.must(ending, || {
                    format!("client {}: event {} was dropped, and nothing has ended", self.client, self.id)
                });
            }
        });
    }
}

/// A job that a callback returns.
pub struct ClientJob {
    id: u64,
    client: Client,
    index: usize,
    hands: Hands,
    ran: bool,
    _alive: Alive,
    bomb: Bomb,
}

impl ClientJob {
    pub fn of(client: &Client, index: usize, hands: &Hands) -> Box<dyn Job> {
        let id = with(|account| {
            let id = account.id();
            account.clients[index].jobs.push_back(id);
            id
        });
        let (client, hands) = (client.clone(), hands.clone());
        Box::new(ClientJob {
            id,
            client,
            index,
            hands,
            ran: false,
            _alive: Alive::new(Thing::Job),
            bomb: Bomb::maybe(),
        })
    }
}

impl Job for ClientJob {
    fn run(mut self: Box<Self>) {
        self.ran = true;
        self.bomb.within_call_for(self.index);
        with(|account| {
            let next = account.clients[self.index].jobs.pop_front();
            note!(account, "client {}: job {}", self.index, self.id);
            account.must(next == Some(self.id), || {
                format!("client {}: job {} ran, and {next:?} is the next", self.index, self.id)
            });
        });
        self.hands.act(Some((&self.client, self.index)));
    }
}

impl Drop for ClientJob {
    fn drop(&mut self) {
        if !self.ran {
            with_any(|account| {
                account.must(account.ending, || format!("client {}: job {} was not run", self.index, self.id));
            });
        }
    }
}

/// A job of nobody's.
pub struct OwnJob {
    id: u64,
    hands: Hands,
    ran: bool,
    _alive: Alive,
    _bomb: Bomb,
}

impl OwnJob {
    pub fn new(hands: &Hands) -> OwnJob {
        let id = with(|account| {
            let id = account.id();
            account.jobs.insert(id, hands.generation);
            id
        });
        OwnJob { id, hands: hands.clone(), ran: false, _alive: Alive::new(Thing::Job), _bomb: Bomb::maybe() }
    }
}

impl Job for OwnJob {
    fn run(mut self: Box<Self>) {
        self.ran = true;
        with(|account| {
            note!(account, "job {} of generation {}", self.id, self.hands.generation);
            account.jobs.remove(&self.id);
            account.must_run(self.hands.generation, "a job");
        });
        self.hands.act(None);
    }
}

impl Drop for OwnJob {
    fn drop(&mut self) {
        if !self.ran {
            with_any(|account| {
                account.jobs.remove(&self.id);
                let dropped = account.ending || account.may_be_given_up(self.hands.generation);
                account.must(dropped, || format!("job {} was not run", self.id));
            });
        }
    }
}

/// What a timer's closure holds.
pub struct Held {
    id: u64,
    _alive: Alive,
    _bomb: Bomb,
}

impl Held {
    pub fn new(id: u64) -> Held {
        Held { id, _alive: Alive::new(Thing::Timer), _bomb: Bomb::maybe() }
    }

    /// The timer runs, until what is returned is dropped.
    pub fn run(&self, generation: usize) -> Running {
        with(|account| {
            note!(account, "timer {}", self.id);
            account.timer_runs(self.id);
            account.must_run(generation, "a timer");
        });
        Running(self.id)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        with_any(|account| {
            let Some(timer) = account.timers.remove(&self.id) else { return };
            let over = timer.cancelled || account.ending || account.may_be_given_up(timer.generation);
            account.must(over, || format!("timer {} was dropped before its end", self.id));
        });
    }
}

/// A run of a timer.
pub struct Running(u64);

impl Drop for Running {
    fn drop(&mut self) {
        with_any(|account| account.timer_has_run(self.0));
    }
}
