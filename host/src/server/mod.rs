//! The running server: event loops, the engines that they call, and the end of it all.

mod accept;
mod allocator;
mod connection_task;
mod event_loop;
pub mod facilities;
mod handshake;
pub(crate) mod loading;
pub mod reload;
pub mod settings;

use self::event_loop::{Command, EventLoop, LoopHandle};
use self::reload::NotReloaded;
use self::settings::Settings;
use crate::descriptors::Reserve;
use crate::http::{Site, SiteEngine, are_same};
use crate::net::listener::Listener;
use crate::watch::plugin_watch::PluginWatch;
use arc_swap::ArcSwap;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wshost_core::calls::watch::{Blocking, Watchdog};
use wshost_core::client::Client;
use wshost_core::client::audience::Whom;
use wshost_core::engine::Facilities;
use wshost_core::engine::retire;
use wshost_core::protocol::close;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap::{self, Probation, Reloaded, Trial};
use wshost_core::standby::Standby;

/// So many clients are closed at a time when the server ends.
const GOODBYES: usize = 1000;
const BETWEEN_GOODBYES: Duration = Duration::from_millis(10);

/// What all event loops share.
#[derive(Debug)]
pub struct Server {
    pub(crate) settings: Settings,
    /// What the outside sees of `mounts`, in their order.
    site: ArcSwap<Site>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) facilities: Facilities,
    pub(crate) draining: watch::Sender<bool>,
    /// Itself, for threads that may outlive it.
    this: Weak<Server>,
    /// Says nothing; hangs up when the engines are dropped, whoever does that: it is the last of the fields.
    _dropped: mpsc::Sender<()>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    server: Arc<Server>,
    loops: Arc<[LoopHandle]>,
    threads: Vec<JoinHandle<()>>,
    /// Says nothing; hangs up when the last loop has ended.
    ended: mpsc::Receiver<()>,
    watchdog: Watchdog,
    plugin_watch: Option<PluginWatch>,
    /// Says nothing; hangs up when the server is dropped.
    dropped: mpsc::Receiver<()>,
    /// Where engines are dropped, which may hang.
    last: Standby,
}

/// What was left of a server when the deadline of its drain came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Connections that were not over.
    pub connections: usize,
    /// Jobs that waited or ran.
    pub jobs: usize,
    /// Whether engines had not been dropped, with all that they have.
    pub engines: bool,
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
        listeners: Vec<Listener>,
    ) -> io::Result<Running> {
        let site = ArcSwap::from_pointee(site_of(&mounts, &settings));
        let draining = watch::Sender::new(false);
        let (dropping, dropped) = mpsc::channel();
        let server = Arc::new_cyclic(|this| {
            let this = Weak::clone(this);
            Server { settings, site, mounts, facilities, draining, this, _dropped: dropping }
        });

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
            // Filled before anybody is served who could take the last descriptor.
            let reserve = Reserve::new();
            let _ = loops[0].commands.send(Command::Accept { listener, reserve, loops: Arc::clone(&loops) });
        }
        let watches = loops.iter().map(|event_loop| Arc::clone(&event_loop.watch)).collect();
        let watched = Arc::clone(&server);
        let watchdog = Watchdog::start(watches, move |blocking| watched.report_blocking(&blocking))?;
        let last = Standby::start("wshost-last")?;
        Ok(Running { server, loops, threads, ended, watchdog, plugin_watch: None, dropped, last })
    }

    /// The engines and their paths, as of now.
    pub(crate) fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// The engine that serves a path.
    pub(crate) fn serving(&self, path: &str) -> Option<&Mount> {
        self.site.load().serves(path).and_then(|index| self.mounts.get(index))
    }

    /// Loads an engine's plugin again, and lets the new generation take over. `path` is the engine's, or `None` for the
    /// only one or the one without a path. Takes as long as it takes: not for an event loop. Reloads of different engines
    /// may go on at the same time; of two of the same engine, the second is refused.
    ///
    /// # Errors
    ///
    /// Why the old generation goes on as if nothing had happened.
    pub fn reload(&self, path: Option<&str>) -> Result<Reloaded, NotReloaded> {
        self.load(path, None)
    }

    /// The same with another file, which is the engine's from then on, if it takes over.
    ///
    /// # Errors
    ///
    /// As [`Server::reload`].
    pub fn reload_from(&self, path: Option<&str>, file: &Path) -> Result<Reloaded, NotReloaded> {
        self.load(path, Some(file))
    }

    fn load(&self, path: Option<&str>, file: Option<&Path>) -> Result<Reloaded, NotReloaded> {
        let mount = self.mount(path)?;
        if *self.draining.borrow() {
            return Err(NotReloaded::Ending);
        }
        let usual = mount.plugin_file();
        let reloaded = reload::reload(mount, file, &self.settings.reload);
        let file = file.unwrap_or(&usual).display();
        match reloaded {
            Ok((reloaded, trial)) => {
                self.show_present_engines();
                if let Some(probation) = self.settings.reload.probation {
                    self.try_out(mount, trial, probation);
                }
                let Reloaded { engine, version, generation, way } = &reloaded;
                let pause_ms = way.pause().map(|pause| pause.as_secs_f64() * 1000.0);
                tracing::info!(%file, engine, version, generation, pause_ms, "reloaded: {way}");
                Ok(reloaded)
            }
            Err(refused) => {
                tracing::error!(%file, "reload refused, the engine runs on as it was: {refused}");
                Err(refused)
            }
        }
    }

    /// Loads every engine's plugin again, one after the other. What comes of each is in the log.
    pub fn reload_all(&self) {
        for mount in &self.mounts {
            loop {
                // Not the reload that is under way: it may have read the file before it was what it is now.
                drop(mount.wait_to_swap());
                if !matches!(self.reload(mount.path()), Err(NotReloaded::Swap(swap::Refused::Busy))) {
                    break;
                }
            }
        }
    }

    /// Watches over a generation on probation, on a thread of its own, and goes back where it panics too often.
    fn try_out(&self, mount: &Mount, trial: Trial, probation: Probation) {
        let (server, path) = (Weak::clone(&self.this), mount.path().map(str::to_owned));
        let body = move || {
            if let Some(panics) = trial.wait(&probation)
                && let Some(server) = server.upgrade()
                && let Ok(mount) = server.mount(path.as_deref())
            {
                server.go_back(mount, trial, panics);
            }
        };
        if let Err(error) = thread::Builder::new().name("wshost-probation".into()).spawn(body) {
            tracing::error!("no thread to watch over the new engine's probation: {error}");
        }
    }

    fn go_back(&self, mount: &Mount, trial: Trial, panics: u32) {
        let file = mount.plugin_file();
        let file = file.display();
        if *self.draining.borrow() {
            return;
        }
        tracing::error!(%file, panics, "the new engine has panicked on probation: going back to the one before");
        match swap::go_back(mount, trial, &self.settings.reload.swap) {
            Ok(Some(Reloaded { engine, version, generation, way })) => {
                self.show_present_engines();
                tracing::warn!(%file, engine, version, generation, "went back: {way}");
            }
            Ok(None) => tracing::info!(%file, "not going back: the engine has been replaced meanwhile"),
            Err(refused) => tracing::error!(%file, "cannot go back, the new engine runs on: {refused}"),
        }
    }

    /// Brings what the outside sees up to date.
    fn show_present_engines(&self) {
        // Made anew where a swap of another engine has come in between: it must not be undone.
        self.site.rcu(|_| Arc::new(site_of(&self.mounts, &self.settings)));
    }

    fn mount(&self, path: Option<&str>) -> Result<&Mount, NotReloaded> {
        let only = if self.mounts.len() == 1 && path.is_none() { self.mounts.first() } else { None };
        let found = only.or_else(|| self.mounts.iter().find(|mount| are_same(mount.path(), path)));
        found.ok_or_else(|| NotReloaded::NoSuchPath {
            path: path.unwrap_or("every path").to_owned(),
            paths: self.mounts.iter().map(|mount| mount.path().unwrap_or("every path")).collect::<Vec<_>>().join(", "),
        })
    }

    /// Logs that a callback blocks its event loop, or `authenticate` a worker.
    fn report_blocking(&self, blocking: &Blocking) {
        let Blocking { callback, whose, client, peer, on_loop, over } = blocking;
        let client = || self.mounts.iter().find_map(|mount| mount.current().audience().client(*client));
        let client = if peer.is_none() { client() } else { None };
        let peer = peer.as_deref().or_else(|| client.as_deref().map(Client::peer));
        let (engine, version) = (whose.map(|whose| whose.name), whose.map(|whose| whose.version));
        if *on_loop {
            tracing::warn!(
                engine,
                version,
                peer,
                kind = callback,
                "{callback} has been at work for over {over:?} and holds up all connections of its event loop; long work \
                 belongs into a job"
            );
        } else {
            tracing::warn!(
                engine,
                version,
                peer,
                kind = callback,
                "{callback} has been at work for over {over:?} and holds up its worker, and the client that waits for it"
            );
        }
    }

    fn clients(&self) -> Vec<Arc<Client>> {
        self.mounts.iter().flat_map(|mount| mount.current().audience().clients(Whom::Everyone)).collect()
    }

    /// Closes every client because the server ends: in batches, so that event loops get to write in between, and not all
    /// clients connect elsewhere in the same moment.
    fn say_goodbye_to_all(&self, until: Instant) {
        let clients = self.clients();
        for (number, batch) in clients.chunks(GOODBYES).enumerate() {
            if number > 0 && Instant::now() + BETWEEN_GOODBYES < until {
                thread::sleep(BETWEEN_GOODBYES);
            }
            batch.iter().for_each(|client| self.say_goodbye(client));
        }
    }

    /// Closes a client because the server ends.
    pub(crate) fn say_goodbye(&self, client: &Client) {
        client.close(close::GOING_AWAY, "the server is shutting down");
    }
}

fn site_of(mounts: &[Mount], settings: &Settings) -> Site {
    let engine = |mount: &Mount| {
        let instance = mount.current();
        let plugin = instance.plugin();
        SiteEngine::new(mount.path(), plugin.name(), plugin.version(), plugin.description())
    };
    Site { engines: mounts.iter().map(engine).collect(), folder: settings.static_folder.clone() }
}

impl Running {
    /// The server, to ask things of it while it runs.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Has engines loaded again by themselves when their plugins' files change.
    ///
    /// # Errors
    ///
    /// What the system says, for example that there are too many watches already.
    pub(crate) fn watch_plugins(&mut self) -> io::Result<()> {
        self.plugin_watch = Some(PluginWatch::start(Arc::clone(&self.server))?);
        Ok(())
    }

    /// Connections that are not over; those of clients that have gone count until `on_closed` has returned.
    pub(crate) fn connections(&self) -> usize {
        load(&self.loops)
    }

    /// Whether any event loop is in a callback right now.
    pub(crate) fn is_in_callback(&self) -> bool {
        self.loops.iter().any(|event_loop| event_loop.watch.is_in_callback())
    }

    /// Stops accepting, closes every client with 1001, and waits until all clients have gone, all jobs have run and the
    /// engines are dropped, or `deadline` has passed. The calling thread runs nothing of an engine's. Returns what was left
    /// then.
    pub fn drain(self, deadline: Duration) -> Left {
        let until = Instant::now() + deadline;
        let Running { server, loops, threads, ended, watchdog, plugin_watch, dropped, last } = self;
        server.draining.send_replace(true);
        drop(plugin_watch);
        for event_loop in loops.iter() {
            let _ = event_loop.commands.send(Command::Drain);
        }
        let engines: Vec<_> = server.mounts.iter().map(Mount::current).collect();
        engines.iter().for_each(|engine| engine.hold_timers());
        server.say_goodbye_to_all(until);
        // From here on things of engines' are dropped, now that everybody has been told.
        last.run(move || engines.iter().for_each(|engine| engine.end_timers()));
        let all_gone = has_hung_up(&ended, until);
        let jobs = server.facilities.pool.drain(until);
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
        // Whoever else held the server may be the one who drops it. A reload that goes on is not waited for: it has nothing
        // to finish for anybody.
        let engines_are_gone = has_hung_up(&joined, until)
            && (reloads_go_on || has_hung_up(&dropped, until))
            && retire::wait_until_done(until);
        Left { engines: !engines_are_gone, ..Left::default() }
    }
}

fn load(loops: &[LoopHandle]) -> usize {
    loops.iter().map(|event_loop| event_loop.load.load(Ordering::Relaxed)).sum()
}

/// Waits until nobody can say anything any more. Whether that was so before `until`.
fn has_hung_up(says_nothing: &mpsc::Receiver<()>, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    !matches!(says_nothing.recv_timeout(left), Err(mpsc::RecvTimeoutError::Timeout))
}
