//! A connection's task on its event loop, which does the handshake and then runs the connection; and the loop's count.

use super::handshake;
use super::state::Server;
use crate::http::Upgraded;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::Notify;
use wshost_core::connection::wire::Wire;
use wshost_core::connection::{Connection, Shared};

/// The connections of one loop.
#[derive(Debug)]
pub(crate) struct Presence(Rc<Count>);

#[derive(Debug)]
struct Count {
    here: Cell<usize>,
    /// The number of connections dealt to the loop, which others read.
    load: Arc<AtomicUsize>,
    changed: Notify,
}

/// One connection. It counts as long as it lives.
#[derive(Debug)]
pub(crate) struct Present(Rc<Count>);

struct ConnectionTask<S> {
    life: Life<S>,
    _present: Present,
}

/// The stage of a connection. The handshake is boxed, since it takes more memory than all later stages.
#[allow(clippy::large_enum_variant, reason = "a connection is open for nearly all of its life")]
enum Life<S> {
    Opening(Pin<Box<dyn Future<Output = Option<Connection<S>>>>>),
    Open(Connection<S>),
}

impl<S: Wire> Future for ConnectionTask<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.life {
                Life::Opening(handshake) => match ready!(handshake.as_mut().poll(cx)) {
                    Some(connection) => self.life = Life::Open(connection),
                    None => return Poll::Ready(()),
                },
                Life::Open(connection) => return Pin::new(connection).poll(cx),
            }
        }
    }
}

/// Starts a connection on the loop `index`, which is the calling thread's.
pub(crate) fn start<S>(
    index: usize,
    stream: S,
    peer: String,
    server: &Arc<Server>,
    shared: &Rc<Shared>,
    present: Present,
) where
    S: Wire + 'static,
{
    let (server, shared) = (Arc::clone(server), Rc::clone(shared));
    let opening = async move {
        let upgraded = handshake::run(stream, &peer, &server, index).await?;
        let Upgraded { io, leftover, keep: admitted } = upgraded;
        let client = Arc::clone(&admitted.client);
        tracing::debug!(peer, event_loop = index, resource = client.resource(), "connection opened");
        let connection = Connection::open(io, &leftover, admitted, server.settings.limits(), shared);
        if *server.draining.borrow() {
            server.say_goodbye(&client);
        }
        Some(connection)
    };
    tokio::task::spawn_local(ConnectionTask { life: Life::Opening(Box::pin(opening)), _present: present });
}

impl Presence {
    /// A count of zero.
    pub(crate) fn new(load: Arc<AtomicUsize>) -> Self {
        Presence(Rc::new(Count { here: Cell::new(0), load, changed: Notify::new() }))
    }

    /// Counts a connection that was dealt to the loop.
    pub(crate) fn one_more(&self) -> Present {
        self.0.here.update(|here| here + 1);
        Present(Rc::clone(&self.0))
    }

    /// Waits until none is left.
    pub(crate) async fn all_gone(&self) {
        while self.0.here.get() > 0 {
            self.0.changed.notified().await;
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a connection ended by a fault of wshost, please report it");
        }
        self.0.load.fetch_sub(1, Ordering::Relaxed);
        self.0.here.update(|here| here - 1);
        self.0.changed.notify_one();
    }
}
