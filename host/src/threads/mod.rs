//! The threads of a server besides its event loops, which it provides to the core. It knows closures, plugins and
//! timers, but neither clients nor connections.
//!
//! | file | subject |
//! |---|---|
//! | `workers` | the threads of the pool, and the foreman, which replaces those that have given way |
//! | `opener` | opens libraries |
//! | `retirement` | drops what engines made |
//! | `watchdog` | looks for calls that block |
//! | `standby` | threads that are there before they are needed |
//! | `allocator` | gives memory back to the system |

pub(crate) mod allocator;
mod opener;
mod retirement;
pub(crate) mod standby;
mod watchdog;
mod workers;

pub(crate) use opener::NotOpened;
pub(crate) use opener::{check as check_opening, open};
pub(crate) use retirement::wait_until_done as wait_until_retired;
pub(crate) use watchdog::Watchdog;
pub(crate) use workers::Workers;

use standby::touch_thread_locals;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use wshost_core::engine::timers::{Clock, NextRun, Ticker};
use wshost_core::executor::{Executor, Thread};
use wshost_core::jobs::{Pool, Work};

/// The threads that work for the engines, and what the core gets for each.
#[derive(Debug)]
pub(crate) struct Threads {
    /// Runs work that may block.
    pub(crate) executor: Arc<dyn Executor>,
    /// The pool whose jobs the workers do.
    pub(crate) pool: Arc<Pool>,
    /// Hands out timers that are due.
    pub(crate) clock: Arc<Clock>,
    pub(crate) workers: Workers,
}

impl Threads {
    /// Starts this many workers, which give way to the event loops by `worker_nice`, the thread that hands out timers,
    /// and the threads that open libraries and drop engines' data. Call this before any engine is loaded.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(crate) fn start(workers: usize, worker_nice: u8) -> io::Result<Threads> {
        retirement::start()?;
        opener::start()?;
        let pool = Arc::new(Pool::new(workers == 0));
        let workers = Workers::start(Arc::clone(&pool), workers, worker_nice)?;
        let (clock, ticker) = Clock::new();
        tick(ticker)?;
        Ok(Threads { executor: Arc::new(OfServer), pool, clock: Arc::new(clock), workers })
    }
}

/// Starts the thread that hands out timers when they are due. It ends when their clock is dropped.
fn tick(ticker: Ticker) -> io::Result<()> {
    let body = move || {
        touch_thread_locals();
        loop {
            match ticker.tick() {
                NextRun::Never => break,
                next => ticker.wait(next),
            }
        }
    };
    thread::Builder::new().name("wshost-timers".into()).spawn(body)?;
    Ok(())
}

/// Threads of the system.
#[derive(Debug)]
struct OfServer;

impl Executor for OfServer {
    fn thread(&self, name: &'static str) -> io::Result<Thread> {
        let (give, taken) = mpsc::channel::<Work>();
        thread::Builder::new().name(name.into()).spawn(move || taken.into_iter().for_each(|work| work()))?;
        // The thread lives as long as this. If it did not, its work would never be done, as on a thread that blocks.
        Ok(Thread::new(move |work| give.send(work).unwrap_or_default()))
    }

    fn retire(&self, engine: Option<&'static str>, what: &'static str, end: Work) {
        retirement::retire(engine, what, end);
    }
}
