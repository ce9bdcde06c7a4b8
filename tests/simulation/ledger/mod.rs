//! The engine of the simulation: it acts by chance, and has each of its callbacks entered in the account.

mod act;
mod crossing;
mod handover;

use crate::account::client::Life;
use crate::account::generation::{Call, Failing, Generation, Stage};
use crate::account::inbound::Came;
use crate::account::live::{Alive, Thing};
use crate::account::{note, with};
use act::Hands;
use crossing::{Bomb, ClientJob, Posted};
use plugin_api::abi::HandoverTable;
use plugin_api::export::{self, Described};
use plugin_api::prelude::*;
use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

/// The engine.
pub struct Ledger {
    hands: Hands,
    /// How many messages it was given, those of the generations before included.
    total: AtomicU64,
    _alive: Alive,
    _bomb: Bomb,
}

/// What it keeps for a client.
pub struct Session {
    client: usize,
    /// How many messages it was given.
    messages: u64,
    _alive: Alive,
    _bomb: Bomb,
}

impl Default for Session {
    fn default() -> Self {
        Session::new(usize::MAX, 0)
    }
}

impl Session {
    fn new(client: usize, messages: u64) -> Session {
        Session { client, messages, _alive: Alive::new(Thing::Session), _bomb: Bomb::maybe() }
    }
}

impl Described for Ledger {
    type Engine = Ledger;
    const NAME: &'static str = "ledger";
    const VERSION: &'static str = "1.0.0";
    const DESCRIPTION: &'static str = "keeps account";
    const INTERFACES: &'static [&'static str] = export::INTERFACES_WITH_HANDOVER;
    const PANIC_UNWINDS: bool = true;

    fn handover() -> Option<&'static HandoverTable> {
        Some(export::handover::<Ledger>())
    }
}

/// The same engine without a way to hand over.
pub struct WithoutHandover;

impl Described for WithoutHandover {
    type Engine = Ledger;
    const NAME: &'static str = Ledger::NAME;
    const VERSION: &'static str = Ledger::VERSION;
    const DESCRIPTION: &'static str = Ledger::DESCRIPTION;
    const INTERFACES: &'static [&'static str] = export::INTERFACES;
    const PANIC_UNWINDS: bool = true;

    fn handover() -> Option<&'static HandoverTable> {
        None
    }
}

/// Which client a handle is of.
pub fn index(client: &Client) -> usize {
    client.resource().trim_start_matches('/').parse().unwrap_or(usize::MAX)
}

/// Time passes while nothing else can happen on this thread.
fn take_time(millis: u64) {
    let advance = pin!(tokio::time::advance(Duration::from_millis(millis)));
    let _ = advance.poll(&mut Context::from_waker(Waker::noop()));
    with(|account| account.away = true);
}

/// What is meant to go wrong in a call of a swap.
fn fail_at(call: Call) -> Result<()> {
    match with(|account| account.fault_at(call)) {
        None => Ok(()),
        Some(Failing::Refuses) => Err("told to refuse".into()),
        Some(Failing::Takes(millis)) => {
            take_time(millis);
            Ok(())
        }
        Some(Failing::Panics) => {
            with(|account| account.note_panic(None));
            panic!("told to panic in a swap");
        }
    }
}

impl Engine for Ledger {
    type Session = Session;

    fn new(host: Host, config: &Config) -> Result<Self> {
        let swap: u64 = config.text().parse().unwrap_or_default();
        let generation = with(|account| {
            let first = account.generations.is_empty();
            let awaited = account.swap == Some(swap);
            let stage = match () {
                () if first => Stage::Present,
                () if awaited => Stage::Coming,
                () => Stage::Retired,
            };
            account.generations.push(Generation::new(stage));
            if awaited {
                account.candidate = Some(account.generations.len() - 1);
            }
            note!(account, "generation {} is made, {stage:?}", account.generations.len() - 1);
            account.generations.len() - 1
        });
        let _alive = Alive::new(Thing::Engine);
        if generation > 0
            && let Err(error) = fail_at(Call::New)
        {
            with(|account| account.retire(generation));
            return Err(error);
        }
        let hands = Hands::new(host, generation);
        hands.act(None);
        Ok(Ledger { hands, total: AtomicU64::new(0), _alive, _bomb: Bomb::maybe() })
    }

    fn authenticate(&self, request: &Request) -> Result<Accept<Session>, Reject> {
        let index: usize = request.path().trim_start_matches('/').parse().map_err(|_| Reject::new(404))?;
        let generation = self.hands.generation;
        let (rejects, panics) = with(|account| {
            account.see_served_by(generation);
            if account.candidate == Some(generation) {
                // The gate has opened behind it.
                account.take_over(generation);
            }
            (account.random.in_thousand(20), account.plan.bombs > 0 && account.random.in_thousand(20))
        });
        if panics {
            with(|account| account.note_panic(None));
            panic!("told to panic in authenticate");
        }
        if rejects {
            return Err(Reject::new(403));
        }
        with(|account| {
            let now = account.now();
            let known = &mut account.clients[index];
            (known.life, known.generation, known.accepted_at) = (Life::Connecting, generation, now);
            note!(account, "client {index}: accepted by generation {generation}");
        });
        Ok(Accept::new(Session::new(index, 0)))
    }

    fn on_open(&self, client: &Client, session: &mut Session) -> Option<Box<dyn Job>> {
        self.callback("on_open", client, session)
    }

    fn on_text(&self, client: &Client, session: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        self.message("on_text", client, session, Came::Text(text))
    }

    fn on_binary(&self, client: &Client, session: &mut Session, data: &[u8]) -> Option<Box<dyn Job>> {
        self.message("on_binary", client, session, Came::Binary(data))
    }

    fn on_ping(&self, client: &Client, session: &mut Session, data: &[u8]) -> Option<Box<dyn Job>> {
        self.begin("on_ping", session);
        self.hands.pong(client, session.client, data);
        self.message("on_ping", client, session, Came::Ping(data))
    }

    fn on_pong(&self, client: &Client, session: &mut Session, data: &[u8]) -> Option<Box<dyn Job>> {
        self.message("on_pong", client, session, Came::Pong(data))
    }

    fn on_event(&self, client: &Client, session: &mut Session, event: Box<dyn Any + Send>) -> Option<Box<dyn Job>> {
        self.begin("on_event", session);
        match event.downcast::<Posted>() {
            Ok(event) => event.deliver(session.client),
            Err(_) => with(|account| account.violated("an event is not what was posted".to_owned())),
        }
        self.callback("on_event", client, session)
    }

    fn on_idle(&self, client: &Client, session: &mut Session, idle: Idle) -> Option<Box<dyn Job>> {
        self.begin("on_idle", session);
        with(|account| account.idle(session.client, idle));
        match idle {
            Idle::PingDue => self.hands.ping(client, session.client),
            Idle::PongMissing => self.hands.close(client, session.client, close_code::POLICY, true),
        }
        let job = self.callback("on_idle", client, session);
        with(|account| account.has_been_idle(session.client, idle));
        job
    }

    fn on_read_complete(&self, _: &Client, session: &mut Session) {
        let index = session.client;
        with(|account| account.enter(index, self.hands.generation, "on_read_complete"));
        with(|account| account.leave(index));
    }

    fn on_drain(&self, client: &Client, session: &mut Session) {
        self.begin("on_drain", session);
        let (index, buffered) = (session.client, client.buffered());
        with(|account| {
            let half = account.plan.setup.backlog.limit / 2;
            account.must(buffered <= half, || format!("client {index}: on_drain came while {buffered} bytes wait"));
            account.clients[index].refused = false;
        });
        self.call("on_drain", client, session);
    }

    fn on_close(&self, client: &Client, session: &mut Session, code: u16, _: &str) -> Option<Box<dyn Job>> {
        self.begin("on_close", session);
        let index = session.client;
        let answers = with(|account| {
            if let Err(what) = account.clients[index].inbound.check(Came::Close(code)) {
                account.violated(format!("client {index}: {what}"));
            }
            account.note_end(index);
            account.clients[index].ending = true;
            account.clients[index].told_close = true;
            account.random.in_thousand(900)
        });
        if answers {
            self.hands.close(client, index, code, false);
        }
        self.callback("on_close", client, session)
    }

    fn on_closed(&self, _: &Client, session: Session, code: u16) {
        let index = session.client;
        with(|account| {
            account.enter(index, self.hands.generation, "on_closed");
            account.leave(index);
            account.closed(index, code);
        });
        self.hands.forget(index);
        if with(|account| account.plan.bombs > 0 && account.random.in_thousand(30)) {
            with(|account| account.note_panic(None));
            panic!("told to panic in on_closed");
        }
    }
}

impl Ledger {
    /// A callback is about to be entered: it may be the first sign that this generation has taken over.
    fn begin(&self, callback: &'static str, session: &Session) {
        with(|account| account.see_take_over(session.client, self.hands.generation, callback));
    }

    /// Something whole came.
    fn message(
        &self,
        callback: &'static str,
        client: &Client,
        session: &mut Session,
        came: Came<'_>,
    ) -> Option<Box<dyn Job>> {
        let (index, messages) = (session.client, session.messages);
        session.messages += 1;
        let total = self.total.fetch_add(1, Ordering::Relaxed);
        with(|account| {
            let generation = self.hands.generation;
            account.see_take_over(index, generation, callback);
            note!(account, "client {index}: {callback}, {}", came.in_short());
            let known = &mut account.clients[index];
            let counted = std::mem::replace(&mut known.messages, messages + 1);
            let checked = known.inbound.check(came);
            let state = std::mem::replace(&mut account.generations[generation].total, total + 1);
            if let Err(what) = checked {
                account.violated(format!("client {index}: {what}"));
            }
            account.must(counted == messages, || {
                format!("client {index}: its session has counted {messages} messages, and {counted} came")
            });
            account.must(state == total, || format!("generation {generation} has counted {total} and not {state}"));
        });
        self.callback(callback, client, session)
    }

    /// What every callback does that may return a job.
    fn callback(&self, callback: &'static str, client: &Client, session: &mut Session) -> Option<Box<dyn Job>> {
        self.call(callback, client, session);
        with(|account| account.random.in_thousand(account.plan.jobs) && !account.calm)
            .then(|| ClientJob::of(client, session.client, &self.hands))
    }

    /// What every callback does.
    fn call(&self, callback: &'static str, client: &Client, session: &mut Session) {
        let (index, generation) = (session.client, self.hands.generation);
        let given = self::index(client);
        with(|account| {
            account.enter(index, generation, callback);
            account.must(given == index, || format!("{callback}: the session of client {index} came with {given}"));
        });
        self.hands.act(Some((client, index)));
        with(|account| account.leave(index));
    }
}
