//! Event loops: one thread with one single-threaded runtime each, and one task per connection.

use crate::accept::{Accepted, accept};
use crate::connection::{self, Shared};
use crate::deadlines::{Deadlines, TICK};
use crate::handshake;
use crate::listener::Listener;
use crate::prefer_read;
use crate::server::Server;
use crate::watch::Watch;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Threads of a loop that may read files of `--static` while it goes on; none is started before a file is asked for.
const FILE_READERS: usize = 4;

/// What an event loop can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve this connection.
    Serve { stream: Accepted, peer: String },
    /// Accept on this socket, and deal connections to all loops.
    Accept { listener: Listener, loops: Arc<[LoopHandle]> },
    /// Accept nothing more, and end with the last connection.
    Drain,
}

/// How others reach a loop.
#[derive(Clone, Debug)]
pub(crate) struct LoopHandle {
    pub commands: UnboundedSender<Command>,
    /// Connections dealt to the loop and not over.
    pub load: Arc<AtomicUsize>,
    /// What it is in.
    pub watch: Arc<Watch>,
}

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

    /// Runs the loop on the calling thread until it has drained. `started` is told first whether it can.
    pub(crate) fn run(self, server: &Arc<Server>, started: &mpsc::Sender<io::Result<()>>) {
        let built = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(FILE_READERS)
            .on_thread_park(prefer_read::write_now)
            .build_local(LocalOptions::default());
        let (runtime, result) = match built {
            Ok(runtime) => (Some(runtime), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let _ = started.send(result);
        if let Some(runtime) = runtime {
            self.watch.keep();
            runtime.block_on(serve(self.index, self.commands, self.load, Arc::clone(server)));
        }
    }
}

async fn serve(index: usize, mut commands: UnboundedReceiver<Command>, load: Arc<AtomicUsize>, server: Arc<Server>) {
    let shared = Rc::new(Shared {
        read_buffer: RefCell::new(vec![0; server.settings.read_size].into()),
        write_memory: RefCell::default(),
        deadlines: RefCell::new(Deadlines::new(Instant::now())),
        prefer_read: server.settings.prefer_read,
    });
    let ticker = tokio::task::spawn_local(tick(Rc::clone(&shared)));
    let wakes = Arc::clone(&server.facilities.wakes);
    let waker = tokio::task::spawn_local(async move { wakes.serve(index).await });
    let mut accepting = Vec::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Serve { stream, peer }) => {
                    let load = LoadGuard(Arc::clone(&load));
                    let (server, shared) = (Arc::clone(&server), Rc::clone(&shared));
                    match attach(stream) {
                        Ok(Attached::Tcp(stream)) => {
                            connections.spawn_local(serve_one(index, stream, peer, server, shared, load));
                        }
                        Ok(Attached::Unix(stream)) => {
                            connections.spawn_local(serve_one(index, stream, peer, server, shared, load));
                        }
                        Err(error) => tracing::warn!(peer, "connection lost before it was served: {error}"),
                    }
                }
                Some(Command::Accept { listener, loops }) => {
                    accepting.push(tokio::task::spawn_local(accept(listener, loops)));
                }
                Some(Command::Drain) | None => break,
            },
            Some(ended) = connections.join_next() => report(ended),
        }
    }
    accepting.iter().for_each(tokio::task::JoinHandle::abort);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
    ticker.abort();
    waker.abort();
}

/// A connection on this loop's runtime.
enum Attached {
    Tcp(TcpStream),
    Unix(UnixStream),
}

fn attach(stream: Accepted) -> io::Result<Attached> {
    Ok(match stream {
        Accepted::Tcp(stream) => Attached::Tcp(TcpStream::from_std(stream)?),
        Accepted::Unix(stream) => Attached::Unix(UnixStream::from_std(stream)?),
    })
}

/// One connection, from its socket to its end.
async fn serve_one(
    index: usize,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: String,
    server: Arc<Server>,
    shared: Rc<Shared>,
    _load: LoadGuard,
) {
    // In a box of its own: it takes more memory than all that comes behind it, which a task would keep to its end.
    let Some(opened) = Box::pin(handshake::run(stream, &peer, &server, index)).await else { return };
    tracing::debug!(peer, event_loop = index, resource = opened.client.resource(), "connection opened");
    let client = Arc::clone(&opened.client);
    client.audience().enter(&client);
    drop(opened.pass);
    if *server.draining.borrow() {
        server.say_goodbye(&client);
    }
    let limits = server.settings.limits();
    connection::run(opened.stream, &opened.leftover, opened.client, opened.session, limits, &shared).await;
    tracing::debug!(peer, event_loop = index, "connection closed");
}

/// Moves the deadlines on.
async fn tick(shared: Rc<Shared>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        shared.deadlines.borrow_mut().advance(Instant::now());
    }
}

/// A connection's task only panics by a fault of wshost's own; the others go on.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection ended by a fault of wshost, please report it: {error}");
    }
}

/// Counts one connection of the loop, as long as it lives.
#[derive(Debug)]
struct LoadGuard(Arc<AtomicUsize>);

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
