//! Handles the operator's signals at every stage of the server, and ends it.
//!
//! Engines may hang wherever they are called, even in their libraries' initialisers under the loader's lock. So two
//! threads that run nothing of an engine handle the end: one receives signals, beginning before the first plugin is
//! opened, and one drains. Work on behalf of engines is done on other threads, and waited for until a deadline. The
//! process then leaves by [`leave`], which runs no code of anybody else.

use crate::exit::{self, NotDone, by_ourselves};
use crate::lock::lock;
use crate::net::unix_socket;
use crate::server::{Left, Running, Server};
use crate::signals::{Ending, Signals, Told};
use crate::threads::standby::Standby;
use crate::watch::plugin_watch::PluginWatch;
use crate::{crash, log};
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// How much longer than its deadline the drain may take, for its own work.
const GRACE: Duration = Duration::from_secs(1);

/// How long a process whose server has not started waits for the reader of the log: nobody is served meanwhile, and
/// only the log says why.
const REFUSAL: Duration = Duration::from_secs(2);
/// How long it waits for the log's own thread, on a busy machine.
const REFUSAL_WRITTEN: Duration = Duration::from_secs(10);

/// Receives signals and does what they ask for.
#[derive(Debug)]
pub(crate) struct Operator {
    stage: Arc<Mutex<Stage>>,
    reloads: Reloads,
    drain: Standby,
}

/// The stage of the server.
#[derive(Debug)]
enum Stage {
    /// Nobody is served yet.
    Starting {
        reload_wanted: bool,
    },
    Up(Up),
    Draining,
}

#[derive(Debug)]
struct Up {
    running: Running,
    plugin_watch: Option<PluginWatch>,
    reloads: Reloads,
    drain: Standby,
}

/// A thread that reloads all engines. Requests that come during a reload cause one more afterwards.
#[derive(Clone, Debug)]
struct Reloads(SyncSender<Weak<Server>>);

impl Operator {
    /// Begins to receive signals. The server may take `drain_timeout` to end.
    ///
    /// # Errors
    ///
    /// The system refuses a thread or a signal's handler.
    pub(crate) fn listen(drain_timeout: Duration) -> io::Result<Operator> {
        let signals = Signals::listen()?;
        let stage = Arc::new(Mutex::new(Stage::Starting { reload_wanted: false }));
        let shared = Arc::clone(&stage);
        let (reloads, drain) = (Reloads::start()?, Standby::start("wshost-drain")?);
        // This must be ready before a library is opened that may hang.
        Standby::start("wshost-signals")?.run(move || obey(signals, &shared, drain_timeout));
        Ok(Operator { stage, reloads, drain })
    }

    /// Directs signals to the running server from now on, including those that came before.
    pub(crate) fn server_is_up(self, running: Running, plugin_watch: Option<PluginWatch>) {
        let server = Arc::downgrade(running.server());
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Starting { reload_wanted: true }) {
            self.reloads.ask(server);
        }
        *stage = Stage::Up(Up { running, plugin_watch, reloads: self.reloads, drain: self.drain });
    }
}

impl Reloads {
    fn start() -> io::Result<Reloads> {
        // One waiting request is enough, since another would ask for the same.
        let (asking, asked) = sync_channel::<Weak<Server>>(1);
        let standby = Standby::start("wshost-reload")?;
        standby.run(move || {
            for server in asked {
                // The result is in the log.
                server.upgrade().inspect(|server| server.reload_all());
            }
        });
        Ok(Reloads(asking))
    }

    fn ask(&self, server: Weak<Server>) {
        let _ = self.0.try_send(server);
    }
}

/// Receives signals until one of them has ended the process.
fn obey(mut signals: Signals, stage: &Mutex<Stage>, drain_timeout: Duration) {
    let mut until = None;
    loop {
        let told = match signals.next(until) {
            Ok(told) => told,
            Err(error) => return tracing::error!("signals are not heard any more: {error}"),
        };
        let mut stage = lock(stage);
        match (told, &mut *stage) {
            (None, _) => {
                tracing::warn!("the drain did not end in {drain_timeout:?}: ending without it");
                leave(exit::CUT_OFF);
            }
            (Some(Told::Reload), Stage::Starting { reload_wanted }) => *reload_wanted = true,
            (Some(Told::Reload), Stage::Up(up)) => up.reloads.ask(Arc::downgrade(up.running.server())),
            (Some(Told::Reload), Stage::Draining) => tracing::warn!("not reloading: the server is ending"),
            (Some(Told::End(Ending { name, code })), Stage::Starting { .. }) => {
                tracing::warn!("{name} before the server is up: ending at once");
                leave(code);
            }
            (Some(Told::End(Ending { name, .. })), Stage::Up(_)) => {
                tracing::info!("{name}: closing connections; once more ends at once");
                until = Instant::now().checked_add(drain_timeout + GRACE);
                if let Stage::Up(up) = std::mem::replace(&mut *stage, Stage::Draining) {
                    let Up { running, plugin_watch, drain, .. } = up;
                    // It begins no more reloads.
                    drop(plugin_watch);
                    drain.run(move || leave(end(running, drain_timeout)));
                }
            }
            (Some(Told::End(Ending { name, code })), Stage::Draining) => {
                tracing::warn!("{name} again: ending at once");
                leave(code);
            }
        }
    }
}

/// Drains the server. Returns the exit code.
fn end(running: Running, drain_timeout: Duration) -> u8 {
    let Left { connections, jobs, engines } = running.drain(drain_timeout);
    if connections > 0 {
        tracing::warn!("{connections} connections did not close in {drain_timeout:?} and are cut off");
    }
    if jobs > 0 {
        tracing::warn!("{jobs} jobs did not end in {drain_timeout:?} and are dropped");
    }
    if connections == 0 && jobs == 0 && engines {
        tracing::warn!("the engines had not dropped everything after {drain_timeout:?}");
    }
    if connections == 0 && jobs == 0 && !engines {
        tracing::info!("all connections are closed");
        0
    } else {
        exit::CUT_OFF
    }
}

/// Ends the process at once, after a moment for the log. No code of an engine runs any more: `exit` would take the
/// loader's lock, which an engine may hold for ever, and run the destructors of libraries.
fn leave(code: u8) -> ! {
    by_ourselves();
    unix_socket::remove_all();
    log::last_words();
    crash::end(code.into())
}

/// Ends a process whose server has not started, and logs the reason.
pub fn refuse(refused: &NotDone) -> ! {
    by_ourselves();
    unix_socket::remove_all();
    // A caller that sends the log to a collector still sees why its command ended.
    log::say(&format!("wshost: {}", refused.why));
    log::flush(REFUSAL, REFUSAL_WRITTEN);
    crash::end(refused.code.into())
}
