//! The running server: event loops, the engines that they call, and the end of it all.

use crate::audience::Whom;
use crate::client::Client;
use crate::config::Settings;
use crate::engine::{Facilities, Instance};
use crate::event_loop::{Command, EventLoop, LoopHandle};
use crate::http::{Site, SiteEngine};
use crate::protocol::close;
use crate::watch::Watchdog;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// An engine and the path under which it is served; without one it serves every path.
#[derive(Debug)]
pub struct Mount {
    /// `/chat`, or `None` for every path.
    pub path: Option<String>,
    /// The engine.
    pub instance: Arc<Instance>,
}

/// What all event loops share.
#[derive(Debug)]
pub struct Server {
    pub(crate) settings: Settings,
    pub(crate) site: Site,
    /// In the order of `site`.
    pub(crate) engines: Vec<Arc<Instance>>,
    pub(crate) facilities: Facilities,
    pub(crate) draining: watch::Sender<bool>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    server: Arc<Server>,
    loops: Arc<[LoopHandle]>,
    threads: Vec<JoinHandle<()>>,
    /// Says nothing; hangs up when the last loop has ended.
    ended: mpsc::Receiver<()>,
    _watchdog: Watchdog,
}

impl Server {
    /// Starts the event loops and accepts on `listeners`.
    ///
    /// # Errors
    ///
    /// What the system says, for example that there are no threads or descriptors left.
    pub fn start(
        settings: Settings,
        facilities: Facilities,
        mounts: Vec<Mount>,
        listeners: Vec<std::net::TcpListener>,
    ) -> io::Result<Running> {
        let site = Site { engines: mounts.iter().map(site_engine).collect() };
        let engines = mounts.into_iter().map(|mount| mount.instance).collect();
        let server = Arc::new(Server { settings, site, engines, facilities, draining: watch::Sender::new(false) });

        let (event_loops, handles): (Vec<_>, Vec<_>) = (0..server.settings.loops).map(EventLoop::new).unzip();
        let loops: Arc<[LoopHandle]> = handles.into();
        let (running, ended) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let mut threads = Vec::new();
        for (index, event_loop) in event_loops.into_iter().enumerate() {
            let (server, running, started) = (Arc::clone(&server), running.clone(), started.clone());
            let body = move || {
                event_loop.run(&server, &started);
                drop(running);
            };
            threads.push(thread::Builder::new().name(format!("wshost-loop-{index}")).spawn(body)?);
        }
        drop(started);
        starts.iter().take(threads.len()).collect::<io::Result<()>>()?;
        for listener in listeners {
            let _ = loops[0].commands.send(Command::Accept { listener, loops: Arc::clone(&loops) });
        }
        let watches = loops.iter().map(|event_loop| Arc::clone(&event_loop.watch)).collect();
        let watched = Arc::clone(&server);
        let watchdog = Watchdog::start(watches, move |callback, client| watched.report_blocking(callback, client))?;
        Ok(Running { server, loops, threads, ended, _watchdog: watchdog })
    }

    /// The engine that serves a path.
    pub(crate) fn serving(&self, path: &str) -> Option<&Arc<Instance>> {
        self.site.serves(path).and_then(|index| self.engines.get(index))
    }

    /// Logs that a callback blocks its event loop.
    fn report_blocking(&self, callback: &str, client: u64) {
        let found = self.engines.iter().find_map(|instance| Some((instance, instance.audience().client(client)?)));
        let engine = found.as_ref().map(|(instance, _)| instance.plugin().name());
        let peer = found.as_ref().map(|(_, client)| client.peer());
        tracing::warn!(
            engine,
            peer,
            "{callback} has been at work for over 100 ms and holds up all connections of its event loop; long work \
             belongs into a job"
        );
    }

    fn clients(&self) -> Vec<Arc<Client>> {
        self.engines.iter().flat_map(|instance| instance.audience().clients(Whom::Everyone)).collect()
    }

    /// Closes a client because the server ends.
    pub(crate) fn say_goodbye(&self, client: &Client) {
        client.close(close::GOING_AWAY, "the server is shutting down");
    }
}

fn site_engine(mount: &Mount) -> SiteEngine {
    let plugin = mount.instance.plugin();
    SiteEngine {
        path: mount.path.clone().unwrap_or_else(|| "/".into()),
        every_path: mount.path.is_none(),
        name: plugin.name().into(),
        version: plugin.version().into(),
        description: plugin.description().into(),
    }
}

impl Running {
    /// Stops accepting, closes every client with 1001, ends the timers, and waits until all clients have gone and all
    /// jobs have run, or `deadline` has passed. Returns how many clients were still there then.
    pub fn drain(self, deadline: Duration) -> usize {
        let until = Instant::now() + deadline;
        self.server.draining.send_replace(true);
        for event_loop in self.loops.iter() {
            let _ = event_loop.commands.send(Command::Drain);
        }
        self.server.engines.iter().for_each(|instance| instance.end_timers());
        for client in self.server.clients() {
            self.server.say_goodbye(&client);
        }
        let left = match self.ended.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Err(mpsc::RecvTimeoutError::Timeout) => self.server.clients().len(),
            // Every loop has hung up: its thread is at its end.
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                for thread in self.threads {
                    if thread.join().is_err() {
                        tracing::error!("an event loop ended by a fault of wshost, please report it");
                    }
                }
                0
            }
        };
        if !self.server.facilities.pool.drain(until) {
            tracing::warn!("jobs did not end in {deadline:?} and are dropped");
        }
        left
    }
}
