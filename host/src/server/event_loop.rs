//! Event loops: one thread with one single-threaded runtime each, and one task per connection.

use super::accept::accept;
use super::connection_task::{Presence, start};
use super::handle::{AcceptedSocket, Command, LoopHandle};
use super::state::Server;
use crate::net::wire::Socket;
use crate::threads::{allocator, standby::touch_thread_locals};
use std::io;
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wshost_core::calls::watch::Watch;
use wshost_core::connection::Shared;
use wshost_core::loops::deadlines::TICK;
use wshost_core::loops::prefer_read;

/// How many threads a loop has for reading files of `--static`. Without that option, none is started.
const FILE_READERS: usize = 4;

/// How long such a thread stays without work.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A loop that has not started.
#[derive(Debug)]
pub(crate) struct EventLoop {
    index: usize,
    commands: UnboundedReceiver<Command>,
    load: Arc<AtomicUsize>,
    watch: Arc<Watch>,
}

impl EventLoop {
    /// Makes loop number `index`.
    pub(crate) fn new(index: usize) -> (EventLoop, LoopHandle) {
        let (sender, commands) = unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let watch = Arc::<Watch>::default();
        let handle = LoopHandle { commands: sender, load: Arc::clone(&load), watch: Arc::clone(&watch) };
        (EventLoop { index, commands, load, watch }, handle)
    }

    /// Runs the loop on the calling thread until it has drained. First it tells `started` whether it can.
    pub(crate) fn run(self, server: &Arc<Server>, started: &mpsc::Sender<io::Result<()>>) {
        touch_thread_locals();
        let built = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(FILE_READERS)
            .thread_keep_alive(FOR_EVER)
            .on_thread_park(|| {
                prefer_read::write_now();
            })
            .build_local(LocalOptions::default());
        let (runtime, result) = match built {
            Ok(runtime) => (Some(runtime), Ok(())),
            Err(error) => (None, Err(error)),
        };
        if let Some(runtime) = &runtime
            && server.settings.static_folder.is_some()
        {
            start_file_readers(runtime);
        }
        let _ = started.send(result);
        if let Some(runtime) = runtime {
            self.watch.keep();
            runtime.block_on(serve(self.index, self.commands, self.load, Arc::clone(server)));
        }
    }
}

/// Makes a runtime start all of its blocking threads. They stay, see [`crate::threads::standby`].
fn start_file_readers(runtime: &LocalRuntime) {
    let all_there = Arc::new(Barrier::new(FILE_READERS));
    for _ in 0..FILE_READERS {
        let all_there = Arc::clone(&all_there);
        runtime.spawn_blocking(move || all_there.wait());
    }
}

async fn serve(index: usize, mut commands: UnboundedReceiver<Command>, load: Arc<AtomicUsize>, server: Arc<Server>) {
    let shared = Rc::new(Shared::new(server.settings.read_size, server.settings.prefer_read));
    let ticker = tokio::task::spawn_local(tick(Rc::clone(&shared)));
    let wakes = Arc::clone(&server.facilities.wakes);
    let waker = tokio::task::spawn_local(async move { wakes.serve(index).await });
    let at_turnstile = Rc::clone(&shared);
    let keeper = tokio::task::spawn_local(async move { at_turnstile.turnstile.serve().await });
    let mut accepting = Vec::new();
    let presence = Presence::new(load);
    while let Some(command) = commands.recv().await {
        match command {
            Command::Serve(accepted) => {
                let present = presence.one_more();
                match attach(accepted) {
                    Ok(Attached::Tcp(stream, peer)) => {
                        start(index, Socket::new(stream), peer, &server, &shared, present)
                    }
                    Ok(Attached::Unix(stream, peer)) => {
                        start(index, Socket::new(stream), peer, &server, &shared, present)
                    }
                    Err(error) => tracing::warn!("connection lost before it was served: {error}"),
                }
            }
            Command::Accept { listener, reserve, loops } => {
                accepting.push(tokio::task::spawn_local(accept(listener, reserve, loops)));
            }
            Command::Drain => break,
        }
    }
    accepting.iter().for_each(tokio::task::JoinHandle::abort);
    presence.all_gone().await;
    ticker.abort();
    waker.abort();
    keeper.abort();
}

/// A connection registered with this loop's runtime, and its peer's name.
enum Attached {
    Tcp(TcpStream, String),
    Unix(UnixStream, String),
}

fn attach(accepted: AcceptedSocket) -> io::Result<Attached> {
    Ok(match accepted {
        AcceptedSocket::Tcp(stream, peer) => Attached::Tcp(TcpStream::from_std(stream)?, peer.to_string()),
        AcceptedSocket::Unix(stream) => {
            let stream = UnixStream::from_std(stream)?;
            let pid = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
            Attached::Unix(stream, pid.map_or_else(|| "unix".to_owned(), |pid| format!("unix:pid={pid}")))
        }
    })
}

/// Moves the deadlines on, and from time to time frees the memory that a burst has left.
async fn tick(shared: Rc<Shared>) {
    let mut gave_back = Instant::now();
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = Instant::now();
        shared.deadlines.borrow_mut().advance(now);
        if now.duration_since(gave_back) >= allocator::QUIET {
            gave_back = now;
            shared.give_back();
            allocator::give_back();
        }
    }
}
