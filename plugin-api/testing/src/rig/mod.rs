//! The core in one thread, in a time that stands still unless it is moved. Tests of engines and the simulation run on it.
//!
//! Nothing happens by itself: [`Rig::settle`] has the event loops do what there is to do now, [`Rig::advance`] lets time
//! pass, and what the server has threads for waits until it is asked for: jobs ([`Rig::do_one_job`]), calls of engines
//! that may block ([`Queues::do_one`]), and what engines made and nobody needs any more ([`Queues::retire_one`]).

mod queues;
mod wire;

pub use queues::Queues;
pub use wire::{MemoryWire, Peer};

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::{LocalOptions, LocalRuntime};
use wshost_core::client::audience::Backlog;
use wshost_core::clock;
use wshost_core::connection::{Connection, Shared};
use wshost_core::engine::metrics::Metrics;
use wshost_core::engine::timers::{Clock, NextRun, Ticker};
use wshost_core::engine::{Client, Facilities};
use wshost_core::executor::Executor;
use wshost_core::jobs::Pool;
use wshost_core::loops::deadlines::TICK;
use wshost_core::loops::prefer_read;
use wshost_core::loops::wakes::Wakes;
use wshost_core::protocol::Limits;
use wshost_core::protocol::deflate::{Agreed, Compression};
use wshost_core::serving::admission::{self, Admitted, Applicant, Ruling};
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap::{self, Refused, Reloaded, Successor, SwapLimits};

/// What a rig is held to.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Event loops, all on the one thread.
    pub loops: usize,
    /// How much may wait for one client.
    pub backlog: Backlog,
    /// Whether messages are compressed where clients offer it, and how.
    pub compression: Option<Compression>,
    /// When to ping and when to close, if the operator says so.
    pub keepalive: (Option<Duration>, Option<Duration>),
    /// What messages are held to.
    pub limits: Limits,
    /// Bytes per read.
    pub read_size: usize,
    /// For how long writes may wait for reads.
    pub prefer_read: Option<Duration>,
}

/// The core in one thread.
#[derive(Debug)]
pub struct Rig {
    /// Dropped first, with all connections.
    runtime: LocalRuntime,
    setup: Setup,
    loops: Vec<Rc<Shared>>,
    /// When the loops look at their deadlines next.
    next_tick: Rc<Cell<Instant>>,
    facilities: Facilities,
    ticker: Ticker,
    queues: Arc<Queues>,
}

thread_local! {
    /// Waits until the runtime has nothing to do.
    static IDLE: RefCell<Option<Waker>> = const { RefCell::new(None) };
    /// How often the runtime has had nothing to do.
    static PARKS: Cell<u64> = const { Cell::new(0) };
    /// How often tasks have been polled.
    static POLLS: Cell<u64> = const { Cell::new(0) };
    /// How often they are polled at most before somebody is told that there is no end to it.
    static GIVE_UP_AT: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// How often tasks are polled at most until there is nothing to do.
const MOST_POLLS: u64 = 200_000;

/// The runtime has nothing to do.
fn parked() {
    if prefer_read::write_now() {
        return;
    }
    PARKS.set(PARKS.get() + 1);
    if let Some(waker) = IDLE.take() {
        waker.wake();
    }
}

/// Waits until there is nothing to do.
async fn idle() {
    loop {
        let (polls, parks) = (POLLS.get(), PARKS.get());
        // The second time behind a look at the timers that are due.
        poll_fn(|cx| {
            if PARKS.get() >= parks + 2 || POLLS.get() >= GIVE_UP_AT.get() {
                return Poll::Ready(());
            }
            IDLE.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        if POLLS.get() == polls || POLLS.get() >= GIVE_UP_AT.get() {
            return;
        }
    }
}

/// A task whose polls are counted.
struct Counted<F>(Pin<Box<F>>);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polls = POLLS.get() + 1;
        POLLS.set(polls);
        if polls >= GIVE_UP_AT.get()
            && let Some(waker) = IDLE.take()
        {
            waker.wake();
        }
        self.0.as_mut().poll(cx)
    }
}

impl Rig {
    /// A rig without engines and clients. The metrics of engines go to `metrics`.
    pub fn new(setup: Setup, metrics: Metrics) -> Rig {
        let pool = Arc::new(Pool::new(false));
        Rig::with_pools(setup, metrics, Arc::clone(&pool), pool)
    }

    /// As [`Rig::new`], but timers are no jobs: they wait for [`Rig::do_one_timer`].
    pub fn with_timers_apart(setup: Setup, metrics: Metrics) -> Rig {
        Rig::with_pools(setup, metrics, Arc::new(Pool::new(false)), Arc::new(Pool::new(false)))
    }

    fn with_pools(setup: Setup, metrics: Metrics, pool: Arc<Pool>, timely: Arc<Pool>) -> Rig {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(parked)
            .build_local(LocalOptions::default())
            .expect("a runtime without sockets takes nothing that could be missing");
        let queues = Arc::<Queues>::default();
        let (clock, ticker) = Clock::new();
        let facilities = Facilities {
            executor: Arc::clone(&queues) as Arc<dyn Executor>,
            pool,
            timely,
            wakes: Arc::new(Wakes::new(setup.loops)),
            metrics: Arc::new(metrics),
            clock: Arc::new(clock),
            backlog: setup.backlog,
            compression: setup.compression,
            keepalive: setup.keepalive,
        };
        let next_tick = Rc::new(Cell::new(runtime.block_on(async { clock::now() })));
        let mut rig = Rig { runtime, setup, loops: Vec::new(), next_tick, facilities, ticker, queues };
        rig.loops = (0..setup.loops).map(|index| rig.start_loop(index)).collect();
        rig
    }

    fn start_loop(&self, index: usize) -> Rc<Shared> {
        let shared = self.enter(|| Rc::new(Shared::new(self.setup.read_size, self.setup.prefer_read)));
        let wakes = Arc::clone(&self.facilities.wakes);
        self.spawn(async move { wakes.serve(index).await });
        let at_turnstile = Rc::clone(&shared);
        self.spawn(async move { at_turnstile.turnstile.serve().await });
        let (ticking, next_tick) = (Rc::clone(&shared), Rc::clone(&self.next_tick));
        self.spawn(async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let now = clock::now();
                next_tick.set(now + TICK);
                ticking.deadlines.borrow_mut().advance(now);
                ticking.give_back();
            }
        });
        shared
    }

    /// What all engines share.
    pub fn facilities(&self) -> &Facilities {
        &self.facilities
    }

    /// What the server has threads for.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Does something in the rig's time.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        self.runtime.block_on(async { work() })
    }

    /// What the rig's clock shows.
    pub fn now(&self) -> Instant {
        self.enter(clock::now)
    }

    /// Starts a task.
    pub fn spawn<F: Future<Output = ()> + 'static>(&self, task: F) {
        drop(self.runtime.spawn_local(Counted(Box::pin(task))));
    }

    /// Has the event loops do all that there is to do now. No time passes. Timers of engines that are due become jobs.
    ///
    /// Returns whether there is nothing left to do: not if each thing brings about the next, again and again.
    pub fn settle(&self) -> bool {
        let most = POLLS.get() + MOST_POLLS;
        GIVE_UP_AT.set(most);
        self.runtime.block_on(idle());
        GIVE_UP_AT.set(u64::MAX);
        self.enter(|| self.ticker.tick());
        POLLS.get() < most
    }

    /// Lets time pass as it does on event loops that are never away: in steps, and on time for each timer of an engine.
    /// `between` is called after each step.
    pub fn advance(&self, time: Duration, mut between: impl FnMut()) {
        let until = self.now() + time;
        loop {
            self.pass_until(until);
            between();
            if self.now() >= until {
                return;
            }
        }
    }

    /// One such step: until something is due, but no further than this.
    pub fn pass_until(&self, until: Instant) {
        let now = self.now();
        // The runtime's timers are late by up to a millisecond.
        let next_tick = self.next_tick.get().max(now + Duration::from_millis(1)).min(until);
        let next = match self.enter(|| self.ticker.tick()) {
            NextRun::At(at) => next_tick.min(at),
            NextRun::Unknown | NextRun::Never => next_tick,
        };
        if next > now {
            self.jump(next - now);
        } else {
            self.settle();
        }
    }

    /// Lets time pass at once: the event loops were away for so long.
    pub fn jump(&self, time: Duration) {
        self.runtime.block_on(async {
            tokio::time::advance(time).await;
            idle().await;
        });
        self.enter(|| self.ticker.tick());
    }

    /// Does one job, or one run of a timer, if one waits. Returns whether one did.
    pub fn do_one_job(&self) -> bool {
        self.enter(|| self.facilities.pool.do_one())
    }

    /// Does one run of a timer that is due, or one `authenticate` that wants a worker, if one waits. Returns whether one did.
    pub fn do_one_timer(&self) -> bool {
        self.enter(|| self.facilities.timely.do_one())
    }

    /// From now on, this thread has the rig's time in all that it does, until it has another rig's.
    pub fn keep_time(&self) {
        thread_local! {
            static KEPT: Cell<Option<tokio::runtime::Id>> = const { Cell::new(None) };
        }
        let id = self.runtime.handle().id();
        if KEPT.replace(Some(id)) != Some(id) {
            // Guards would have to go in the order in which they came.
            std::mem::forget(self.runtime.enter());
        }
    }

    /// A client asks to connect to the engine of this mount. Its connection lives on the loop `event_loop`.
    pub fn connect(&self, mount: &Rc<Mount>, asks: Asks) -> Attempt {
        let (wire, peer) = wire::pair();
        let outcome = Rc::<RefCell<Option<Outcome>>>::default();
        let (mount, told) = (Rc::clone(mount), Rc::clone(&outcome));
        let (shared, limits) = (Rc::clone(&self.loops[asks.event_loop]), self.setup.limits);
        self.spawn(async move {
            let Asks { resource, peer, headers, deflate, event_loop } = asks;
            let applicant = Applicant { resource: &resource, peer: &peer, deflate, event_loop };
            let lent = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let ruling = admission::ask(&mount, applicant, lent).await;
            let connection = match ruling {
                Ruling::Rejected { status, headers, body } => {
                    told.replace(Some(match admission::check_headers(&headers) {
                        Ok(()) => Outcome::Rejected { status, headers, body },
                        Err(why) => Outcome::Unsendable(why),
                    }));
                    return;
                }
                Ruling::Admitted(mut admitted) => match check(&admitted, &headers) {
                    Ok(()) => {
                        let (client, headers) = (Arc::clone(&admitted.client), std::mem::take(&mut admitted.headers));
                        told.replace(Some(Outcome::Open { client, headers }));
                        Connection::open(wire, &[], admitted, limits, shared)
                    }
                    Err(why) => {
                        told.replace(Some(Outcome::Unsendable(why)));
                        return;
                    }
                },
            };
            connection.await;
        });
        Attempt { peer, outcome }
    }

    /// Has another generation of the mount's engine take over.
    pub fn swap(&self, mount: &Rc<Mount>, successor: Successor, limits: SwapLimits) -> Swapping {
        let outcome = Rc::<RefCell<Option<Result<Reloaded, Refused>>>>::default();
        let (mount, told) = (Rc::clone(mount), Rc::clone(&outcome));
        self.spawn(async move {
            let swapped = match mount.swap_alone() {
                Some(_alone) => swap::succeed(&mount, &successor, &limits).await,
                None => Err(Refused::Busy),
            };
            told.replace(Some(swapped));
        });
        Swapping(outcome)
    }
}

/// Whether the engine's part of the response can be sent.
fn check(admitted: &Admitted, request: &[(String, Vec<u8>)]) -> Result<(), String> {
    admission::check_headers(&admitted.headers)?;
    let offers = request.iter().filter(|(name, _)| name == "sec-websocket-protocol");
    admission::check_subprotocol(&admitted.subprotocol, offers.map(|(_, line)| line.as_slice()))
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Asks {
    /// Path and query.
    pub resource: String,
    /// The peer's address.
    pub peer: String,
    /// The request's headers, with lower-case names.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What was agreed on about compression.
    pub deflate: Option<Agreed>,
    /// Where the connection is to live.
    pub event_loop: usize,
}

/// A client that has asked.
#[derive(Debug)]
pub struct Attempt {
    /// Its end of the connection.
    pub peer: Peer,
    outcome: Rc<RefCell<Option<Outcome>>>,
}

/// What the client is answered.
#[derive(Debug)]
pub enum Outcome {
    /// The connection is open.
    Open {
        /// What the core has of it.
        client: Arc<Client>,
        /// What the engine added to the response.
        headers: Vec<(String, Vec<u8>)>,
    },
    /// The engine does not want it.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// What the engine added to the response.
        headers: Vec<(String, Vec<u8>)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The engine's response cannot be sent: status 500.
    Unsendable(String),
}

impl Attempt {
    /// The answer, once: as soon as it is there.
    pub fn take(&self) -> Option<Outcome> {
        self.outcome.take()
    }
}

/// A swap on its way.
#[derive(Debug)]
pub struct Swapping(Rc<RefCell<Option<Result<Reloaded, Refused>>>>);

impl Swapping {
    /// What came of it, once: as soon as it is over.
    pub fn take(&self) -> Option<Result<Reloaded, Refused>> {
        self.0.take()
    }
}
