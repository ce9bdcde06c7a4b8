//! The account of a run: what ought to be, by what the peers, the engine and the driver did. It calls nothing of the core.
//!
//! The engine's callbacks reach it through a thread-local, since a run has one thread.

mod calls;
pub mod client;
pub mod generation;
pub mod inbound;
pub mod live;
pub mod outbound;

use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;
use client::{Client, Life};
use generation::{Call, Failing, Fault, Generation, Stage};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// A tick of the loops' wheels, in milliseconds.
pub const TICK: u64 = 250;

/// Everything that is known of a run.
pub struct Account {
    pub plan: Plan,
    pub random: Random,
    pub trace: Trace,
    /// The first thing that was not as it ought to be.
    pub violation: Option<String>,
    pub clients: Vec<Client>,
    pub generations: Vec<Generation>,
    /// Members of each group.
    pub groups: BTreeMap<u8, BTreeSet<usize>>,
    /// Jobs of nobody, with the generation that spawned them.
    pub jobs: BTreeMap<u64, usize>,
    pub timers: BTreeMap<u64, Timer>,
    pub next_id: u64,
    /// What the next swap is to fail at.
    pub fault: Option<Fault>,
    /// Panics that were meant.
    pub panics: u32,
    /// Engine and driver do no more harm: what is under way is to come to its end.
    pub calm: bool,
    /// The server ends: what is left of the engine's is dropped.
    pub ending: bool,
    /// The number of the swap that is under way.
    pub swap: Option<u64>,
    /// It is to leave the clients that there are alone.
    pub gentle: bool,
    /// What the swap has made.
    pub candidate: Option<usize>,
    /// Which generation serves newcomers.
    pub serving: usize,
    /// When those of generations before this one are closed with 1012.
    pub restarts: Vec<(u64, usize)>,
    pub ended_at: u64,
    /// The loops were away since this was last looked at.
    pub away: bool,
    /// When that was.
    pub settled_at: u64,
    /// The event that is being posted: it may be dropped there and then.
    pub refusing: Option<u64>,
    pub acts: u64,
    started: Instant,
    looked_at: Cell<u64>,
}

/// A timer of the engine's.
#[derive(Debug)]
pub struct Timer {
    pub generation: usize,
    /// When it is due next.
    pub due: u64,
    pub every: Option<u64>,
    /// It is cancelled, or has run out.
    pub cancelled: bool,
    /// It ran, and does so once only.
    pub ran: bool,
}

thread_local! {
    static CURRENT: RefCell<Option<Account>> = const { RefCell::new(None) };
}

/// Has an account kept of the run that begins on this thread.
pub fn open(plan: Plan, random: Random, trace: Trace) {
    let account = Account {
        plan,
        random,
        trace,
        violation: None,
        clients: Vec::new(),
        generations: Vec::new(),
        groups: BTreeMap::new(),
        jobs: BTreeMap::new(),
        timers: BTreeMap::new(),
        next_id: 0,
        fault: None,
        panics: 0,
        calm: false,
        ending: false,
        swap: None,
        gentle: false,
        candidate: None,
        serving: 0,
        restarts: Vec::new(),
        ended_at: 0,
        away: false,
        settled_at: 0,
        refusing: None,
        acts: 0,
        started: Instant::now(),
        looked_at: Cell::new(0),
    };
    CURRENT.set(Some(account));
}

/// Ends it.
pub fn close() -> Option<Account> {
    CURRENT.take()
}

/// Looks something up in this thread's account, or adds to it. Not to be called within itself.
pub fn with<R>(work: impl FnOnce(&mut Account) -> R) -> R {
    CURRENT.with_borrow_mut(|current| work(current.as_mut().expect("a run is under way on this thread")))
}

/// The same from a drop, which may come outside of a run.
pub fn with_any(work: impl FnOnce(&mut Account)) {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(work));
}

/// Adds a line to the trace.
macro_rules! note {
    ($account:expr, $($format:tt)*) => {
        if $account.trace.is_kept() {
            let now = $account.now();
            $account.trace.add(now, format_args!($($format)*));
        }
    };
}
pub(crate) use note;

impl Account {
    /// Milliseconds since the run began. Outside of the runtime, in which alone its time is known, those when it was last looked
    /// at.
    pub fn now(&self) -> u64 {
        if Handle::try_current().is_ok() {
            self.looked_at.set(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
        self.looked_at.get()
    }

    /// How many of them had passed at a time of the rig's.
    pub fn millis(&self, at: std::time::Instant) -> u64 {
        let since = at.saturating_duration_since(self.started.into_std());
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Something is not as it ought to be.
    pub fn violated(&mut self, what: String) {
        note!(self, "VIOLATED: {what}");
        self.violation.get_or_insert(what);
    }

    /// What must hold.
    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violated(what());
        }
    }

    pub fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Whether handles of this generation reach clients.
    pub fn reaches(&self, generation: usize) -> bool {
        self.generations[generation].stage == Stage::Present
    }

    /// A callback begins.
    pub fn enter(&mut self, client: usize, generation: usize, callback: &'static str) {
        self.see_take_over(client, generation, callback);
        let account = &mut self.clients[client];
        let (life, running) = (account.life, account.callback.replace(callback));
        let opens = callback == "on_open";
        self.must(running.is_none(), || format!("client {client}: {callback} began within {running:?}"));
        self.must(life == if opens { Life::Connecting } else { Life::Open }, || {
            format!("client {client}: {callback} came when it was {life:?}")
        });
        if opens {
            self.clients[client].life = Life::Open;
        }
    }

    /// Which generation is called says whether another has taken over.
    pub fn see_take_over(&mut self, client: usize, generation: usize, callback: &'static str) {
        let serving = self.clients[client].generation;
        if serving == generation {
            return;
        }
        let imported = self.generations[generation].imported.contains(&client);
        let legal = imported && self.generations[generation].stage != Stage::Retired;
        self.must(legal, || {
            format!("client {client}: {callback} came to generation {generation}, and {serving} serves it")
        });
        self.take_over(generation);
    }

    /// A generation has taken over the clients that it imported.
    pub fn take_over(&mut self, generation: usize) {
        if std::mem::replace(&mut self.generations[generation].took_over, true) {
            return;
        }
        note!(self, "generation {generation} has taken over");
        self.generations[generation].stage = Stage::Present;
        for client in self.generations[generation].imported.clone() {
            let known = &mut self.clients[client];
            known.generation = generation;
            // Nobody is left who could end it.
            if known.outbound.is_within_message() {
                known.reasons.insert(1012);
                known.outbound.cut_off();
                self.note_end(client);
            }
        }
        if let Some(before) = self.generations[generation].imported_from {
            self.retire(before);
        }
    }

    pub fn retire(&mut self, generation: usize) {
        self.generations[generation].stage = Stage::Retired;
    }

    /// A callback ends.
    pub fn leave(&mut self, client: usize) {
        self.clients[client].callback = None;
    }

    /// The engine is about to panic in something of this client's.
    pub fn note_panic(&mut self, client: Option<usize>) {
        self.panics += 1;
        if let Some(client) = client {
            self.note_end(client);
            let account = &mut self.clients[client];
            account.failed = true;
            // If it was in a callback, that ends here.
            account.callback = None;
            if account.close.is_none() {
                account.reasons.insert(1011);
            }
        }
    }

    /// Whether a call of the swap fails, and how.
    pub fn fault_at(&mut self, call: Call) -> Option<Failing> {
        let fault = self.fault.as_mut().filter(|fault| fault.call == call)?;
        if let Some(after) = fault.after.checked_sub(1) {
            fault.after = after;
            return None;
        }
        let failing = fault.failing;
        // What only takes long does so once.
        self.fault = None;
        note!(self, "{call:?}: {failing:?}");
        Some(failing)
    }

    /// Those that the engine may reach.
    pub fn present(&self) -> Vec<usize> {
        let present = |index: &usize| matches!(self.clients[*index].life, Life::Connecting | Life::Open);
        (0..self.clients.len()).filter(present).collect()
    }
}
