//! The server's side: the socket, the check of the peer, and the replies to requests.
//!
//! It runs on a thread and a runtime of its own. Reloads, which take time, run on other threads. All of these start
//! before they are needed, since a library that hangs in the loader must not keep anybody from asking.

use super::line::{self, NoLine};
use super::peer::Peer;
use super::place::{self, ControlArg};
use super::protocol::{EXPECTED, Refusal, Reply, Request};
use super::{reload, status};
use crate::descriptors::{Reserve, are_exhausted};
use crate::exit::{self, NotDone};
use crate::net::unix_socket::{self, BoundPath};
use crate::server::Server;
use crate::server::reload::NotReloaded;
use crate::threads::standby::{Crew, Standby};
use futures_util::FutureExt;
use rustix::fs::Mode;
use std::convert::Infallible;
use std::io;
use std::os::unix::net;
use std::path::Path;
use std::sync::Weak;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The most connections at a time.
const MOST_CONNECTIONS: usize = 8;
/// The most reloads at a time.
const MOST_RELOADS: usize = 8;
/// How long a client may take to send a request, counted from the connection's start or the last reply, and to read a
/// reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait if the process or the system lacks the means for a connection.
const PAUSE_WHEN_EXHAUSTED: Duration = Duration::from_millis(100);

/// A control socket that does not answer yet.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: net::UnixListener,
    /// It is filled before anything is served that could take the last descriptor.
    reserve: Reserve,
    bound: BoundPath,
}

/// The state that all connections share.
#[derive(Clone, Debug)]
struct ControlState {
    /// It is weak: a client that stays connected must not keep the server from ending.
    server: Weak<Server>,
    since: Instant,
    /// The threads that reload.
    reloads: Crew,
}

impl ControlSocket {
    /// Opens the socket at the place that the operator wants. If the operator has not named one and no place is usable,
    /// the server runs without a socket, and logs that.
    ///
    /// # Errors
    ///
    /// The socket cannot be opened at the place that the operator wants.
    pub(crate) fn open(wanted: Option<&ControlArg>) -> Result<Option<ControlSocket>, NotDone> {
        match wanted {
            Some(ControlArg::Off) => Ok(None),
            Some(ControlArg::At(path)) => ControlSocket::bind(path).map(Some).map_err(|error| {
                let path = path.display();
                let why = format!("cannot open the control socket {path}: {error}; choose another path with --control");
                NotDone::new(exit::UNAVAILABLE, why)
            }),
            None => match place::own_path().and_then(|path| ControlSocket::bind(&path)) {
                Ok(socket) => Ok(Some(socket)),
                Err(error) => {
                    tracing::warn!("no control socket, since there is no place for it: {error}; --control names one");
                    Ok(None)
                }
            },
        }
    }

    fn bind(path: &Path) -> io::Result<ControlSocket> {
        let backlog = i32::try_from(MOST_CONNECTIONS).unwrap_or(i32::MAX);
        let (listener, bound) = unix_socket::bind(path, Some(Mode::RUSR | Mode::WUSR), backlog)?;
        tracing::info!(path = %path.display(), "control socket");
        Ok(ControlSocket { listener, reserve: Reserve::new(), bound })
    }

    /// Begins to answer, on a thread of its own.
    ///
    /// # Errors
    ///
    /// The system refuses a thread or a runtime.
    pub(crate) fn serve(self, server: Weak<Server>) -> io::Result<()> {
        // One reload per engine goes on at a time. One thread more is there to refuse the next at once.
        let engines = server.upgrade().map_or(0, |server| server.mounts.len());
        let reloads = Crew::start("wshost-control", MOST_RELOADS.min(engines + 1))?;
        let asked = ControlState { server, since: Instant::now(), reloads };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ControlSocket { listener, reserve, bound } = self;
        Standby::start("wshost-control")?.run(move || {
            let ended = runtime.block_on(async { accept(UnixListener::from_std(listener)?, reserve, asked).await });
            let Err(error) = ended;
            drop(bound);
            tracing::error!("nobody is answered on the control socket any more: {error}");
        });
        Ok(())
    }
}

/// Accepts until the process ends.
async fn accept(listener: UnixListener, mut reserve: Reserve, asked: ControlState) -> io::Result<Infallible> {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => {
                reserve.fill();
                continue;
            }
        };
        let accepted = match accepted {
            // An operator needs the status most when descriptors have run out.
            Err(error) if are_exhausted(&error) && reserve.give_up() => match listener.accept().now_or_never() {
                Some(accepted) => accepted.inspect_err(|_| reserve.fill()),
                // Nobody was waiting: the system reports the lack of descriptors before it looks for a connection.
                None => {
                    reserve.fill();
                    continue;
                }
            },
            accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) if connections.len() >= MOST_CONNECTIONS => {
                turn_away(&stream);
                drop(stream);
                reserve.fill();
            }
            Ok((stream, _)) => {
                let asked = asked.clone();
                connections.spawn(async move {
                    if let Err(error) = serve_one(stream, &asked).await {
                        tracing::debug!("control connection lost: {error}");
                    }
                });
            }
            Err(error) => {
                tracing::error!("cannot accept control connections: {error}; trying again in {PAUSE_WHEN_EXHAUSTED:?}");
                tokio::time::sleep(PAUSE_WHEN_EXHAUSTED).await;
            }
        }
    }
}

/// Tells the client that there are too many. A new socket has room for this reply.
fn turn_away(stream: &UnixStream) {
    let reason = format!("{MOST_CONNECTIONS} control connections are open, which is the most; try again later");
    let reply = Reply::Refused(Refusal { reason, exit_code: exit::TRY_AGAIN });
    let _ = encoded(&reply).map(|line| stream.try_write(&line));
}

async fn serve_one(mut stream: UnixStream, asked: &ControlState) -> io::Result<()> {
    let peer = Peer::of(&stream)?;
    let (reading, mut writing) = stream.split();
    if !peer.may_ask() {
        tracing::warn!(%peer, "control connection refused: only the user of this process and root may ask");
        let reason = format!("user {} may not ask; only the user of this wshost and root may", peer.user);
        return send(&mut writing, &Reply::Refused(Refusal { reason, exit_code: exit::NOT_ALLOWED })).await;
    }
    let mut reading = BufReader::new(reading);
    loop {
        let line = match line::next(&mut reading, PATIENCE).await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(NoLine::Broken(error)) => return Err(error),
            Err(fault) => return send(&mut writing, &Reply::Error(format!("{fault}; {EXPECTED}"))).await,
        };
        let reply = match serde_json::from_slice(&line) {
            Ok(request) => answer(request, asked.clone(), peer).await,
            Err(fault) => Reply::Error(format!("{fault}; {EXPECTED}")),
        };
        send(&mut writing, &reply).await?;
    }
}

async fn answer(request: Request, asked: ControlState, peer: Peer) -> Reply {
    let Some(server) = asked.server.upgrade() else { return reload::refused(NotReloaded::Ending) };
    let (path, plugin) = match request {
        Request::Status {} => return Reply::Status(status::of(&server, asked.since)),
        Request::Reload { path, plugin } => (path, plugin),
    };
    tracing::info!(%peer, path, plugin = ?plugin, "reload asked for over the control socket");
    reloaded(&asked.reloads, move || reload::reload(&server, path.as_deref(), plugin.as_deref())).await
}

/// Reloads on another thread, and waits for the reply.
async fn reloaded(reloads: &Crew, reload: impl FnOnce() -> Reply + Send + 'static) -> Reply {
    let (answered, answer) = oneshot::channel();
    // If the client hangs up meanwhile, the reload still goes on to its end.
    let begun = reloads.run(move || {
        let _ = answered.send(reload());
    });
    if !begun {
        let reason = "as many reloads are under way as can be; wait for the end of one".to_owned();
        return Reply::Refused(Refusal { reason, exit_code: exit::TRY_AGAIN });
    }
    answer.await.unwrap_or_else(|_| {
        let reason = "the reload ended by a fault of wshost, please report it".to_owned();
        Reply::Refused(Refusal { reason, exit_code: exit::INTERNAL })
    })
}

async fn send(writing: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    timeout(PATIENCE, writing.write_all(&encoded(reply)?)).await?
}

fn encoded(reply: &Reply) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reload_that_panics_is_answered() {
        let reloads = Crew::start("test", 1).unwrap();
        let reply = reloaded(&reloads, || panic!("a fault of wshost")).await;
        assert!(matches!(reply, Reply::Refused(Refusal { exit_code: exit::INTERNAL, .. })), "{reply:?}");
    }
}
