//! A running server: its event loops, from start to drain.

use super::blocking;
use super::event_loop::EventLoop;
use super::facilities::StaffedFacilities;
use super::handle::{Command, LoopHandle};
use super::settings::Settings;
use super::state::Server;
use crate::descriptors::Reserve;
use crate::net::listener::Listener;
use crate::threads::standby::Standby;
use crate::threads::{Watchdog, wait_until_retired};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use wshost_core::client::audience::Whom;
use wshost_core::serving::mount::Mount;

/// How many clients are closed at a time when the server ends.
const GOODBYES: usize = 1000;
const BETWEEN_GOODBYES: Duration = Duration::from_millis(10);

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    server: Arc<Server>,
    loops: Arc<[LoopHandle]>,
    threads: Vec<JoinHandle<()>>,
    /// Never receives anything. It hangs up when the last loop has ended.
    ended: mpsc::Receiver<()>,
    watchdog: Watchdog,
    /// Never receives anything. It hangs up when the server is dropped.
    dropped: mpsc::Receiver<()>,
    /// The thread on which engines are dropped, which may hang.
    last: Standby,
}

/// Everything that was left of a server at the deadline of its drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Connections that were not over.
    pub connections: usize,
    /// Jobs that waited or ran.
    pub jobs: usize,
    /// Whether engines, with all their data, had not been dropped.
    pub engines: bool,
}

impl Running {
    /// Starts the event loops and accepts on `listeners`. Reloads take their time from `runtime`, which must be running
    /// whenever something is reloaded.
    ///
    /// # Errors
    ///
    /// The system refuses something, for example because no threads or descriptors are left.
    pub fn start(
        settings: Settings,
        staffed: StaffedFacilities,
        mounts: Vec<Mount>,
        listeners: Vec<Listener>,
        runtime: Handle,
    ) -> io::Result<Running> {
        let (dropping, dropped) = mpsc::channel();
        let server = Server::new(settings, staffed, runtime, mounts, dropping);

        let (event_loops, handles): (Vec<_>, Vec<_>) = (0..server.settings.loops).map(EventLoop::new).unzip();
        let loops: Arc<[LoopHandle]> = handles.into();
        let (running, ended) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let mut threads = Vec::new();
        for (index, event_loop) in event_loops.into_iter().enumerate() {
            let (server, running, started) = (Arc::clone(&server), running.clone(), started.clone());
            let body = move || {
                event_loop.run(&server, &started);
                drop((server, running));
            };
            threads.push(thread::Builder::new().name(format!("wshost-loop-{index}")).spawn(body)?);
        }
        drop(started);
        starts.iter().take(threads.len()).collect::<io::Result<()>>()?;
        for listener in listeners {
            // Fill it before anything is served that could take the last descriptor.
            let reserve = Reserve::new();
            let _ = loops[0].commands.send(Command::Accept { listener, reserve, loops: Arc::clone(&loops) });
        }
        let watches = loops.iter().map(|event_loop| Arc::clone(&event_loop.watch)).collect();
        let watched = Arc::clone(&server);
        let watchdog = Watchdog::start(watches, move |blocking| blocking::report(&watched.mounts, &blocking))?;
        let last = Standby::start("wshost-last")?;
        Ok(Running { server, loops, threads, ended, watchdog, dropped, last })
    }

    /// The server, for questions while it runs.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The number of connections that are not over. One whose client has gone counts until `on_closed` has returned.
    pub(crate) fn connections(&self) -> usize {
        load(&self.loops)
    }

    /// Whether any event loop is in a callback right now.
    pub(crate) fn is_in_callback(&self) -> bool {
        self.loops.iter().any(|event_loop| event_loop.watch.is_in_callback())
    }

    /// Stops accepting, closes every client with 1001, and waits until all clients have gone, all jobs have run and the
    /// engines are dropped, or `deadline` has passed. The calling thread runs nothing of an engine. Returns everything
    /// that was left.
    pub fn drain(self, deadline: Duration) -> Left {
        let until = Instant::now() + deadline;
        let Running { server, loops, threads, ended, watchdog, dropped, last } = self;
        server.draining.send_replace(true);
        for event_loop in loops.iter() {
            let _ = event_loop.commands.send(Command::Drain);
        }
        let engines: Vec<_> = server.mounts.iter().map(Mount::current).collect();
        engines.iter().for_each(|engine| engine.hold_timers());
        say_goodbye_to_all(&server, until);
        // From here on data of engines is dropped, now that everybody has been told.
        last.run(move || engines.iter().for_each(|engine| engine.end_timers()));
        let all_gone = has_hung_up(&ended, until);
        let jobs = server.workers.drain(until);
        if !all_gone || jobs > 0 {
            return Left { connections: load(&loops), jobs, engines: true };
        }
        let reloads_go_on = server.mounts.iter().any(|mount| mount.swap_alone().is_none());
        let (joining, joined) = mpsc::channel::<()>();
        last.run(move || {
            drop((server, watchdog));
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("an event loop ended by a fault of wshost, please report it");
                }
            }
            drop(joining);
        });
        // Another holder of the server may be the one that drops it. A reload that goes on is not waited for, since
        // nobody needs its result.
        let engines_are_gone =
            has_hung_up(&joined, until) && (reloads_go_on || has_hung_up(&dropped, until)) && wait_until_retired(until);
        Left { engines: !engines_are_gone, ..Left::default() }
    }
}

/// Closes every client because the server ends. It does so in batches, so that event loops can write in between, and so
/// that not all clients connect elsewhere at the same moment.
fn say_goodbye_to_all(server: &Server, until: Instant) {
    let clients: Vec<_> =
        server.mounts.iter().flat_map(|mount| mount.current().audience().clients(Whom::Everyone)).collect();
    for (number, batch) in clients.chunks(GOODBYES).enumerate() {
        if number > 0 && Instant::now() + BETWEEN_GOODBYES < until {
            thread::sleep(BETWEEN_GOODBYES);
        }
        batch.iter().for_each(|client| server.say_goodbye(client));
    }
}

fn load(loops: &[LoopHandle]) -> usize {
    loops.iter().map(|event_loop| event_loop.load.load(Ordering::Relaxed)).sum()
}

/// Waits until all senders are gone. Returns whether they were before `until`.
fn has_hung_up(says_nothing: &mpsc::Receiver<()>, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    !matches!(says_nothing.recv_timeout(left), Err(mpsc::RecvTimeoutError::Timeout))
}
