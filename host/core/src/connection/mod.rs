//! One connection: from its first frame to `on_closed`.
//!
//! It moves bytes between its stream and the protocol, calls the engine per message, and ends in an orderly way. The
//! byte stream is a type parameter, so it does not know TCP, TLS or HTTP. It lives and dies on one event loop.
//!
//! A connection is one future, written by hand. Each poll is a *turn*: it takes orders, meets deadlines, writes and
//! reads, until there is nothing to do or the turn has taken too long. A turn may end in the middle of a read: the rest
//! of it is kept, the next read brings less, and before its next turn the connection queues up (`turnstile`).
//!
//! | file | subject |
//! |---|---|
//! | `input`, `output` | whether to read, and from bytes to callbacks; when to write, and what waits |
//! | `engine` | calls of the engine, and their results |
//! | `allowance` | how much a connection may do in one turn |
//! | `timing` | deadlines |
//! | `stage` | how far the end has come |
//! | `swapping` | its part in a swap |
//! | `wire` | its byte stream |

mod allowance;
mod engine;
mod input;
mod output;
mod stage;
mod swapping;
mod timing;
pub mod wire;

use crate::client::batch::Batch;
use crate::clock;
use crate::connection::wire::Wire;
use crate::engine::{Client, Event, Instance, Notice, Session};
use crate::jobs::Lane;
use crate::loops::deadlines::{Alarm, Deadlines};
use crate::loops::prefer_read::Turn;
use crate::loops::turnstile::{Place, Turnstile};
use crate::protocol::{self, Limits, Receiver, close};
use crate::serving::admission::Admitted;
use allowance::Allowance;
use input::Unanswered;
use stage::Stage;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use swapping::Swap;

/// The most memory for answers, in bytes, that a loop keeps for longer than a few seconds.
const KEPT_WRITE_MEMORY: usize = 64 * 1024;

/// The state that all connections of one event loop share.
#[derive(Debug)]
pub struct Shared {
    /// The loop does one read at a time, and nothing stays in the buffer, so one buffer serves all connections.
    pub read_buffer: RefCell<Box<[u8]>>,
    /// Memory for answers. Most answers are written in the same turn, so a connection keeps this memory only while
    /// something waits for its socket.
    pub write_memory: RefCell<Vec<u8>>,
    /// An unused batch. A connection has one only while it does something, or while something is left in it.
    pub blank_batch: RefCell<Option<Box<Batch>>>,
    /// Wakes connections at their deadlines.
    pub deadlines: RefCell<Deadlines>,
    /// How long writes may wait for reads.
    pub prefer_read: Option<Duration>,
    /// The queue of connections whose last turn was too long.
    pub turnstile: Turnstile,
}

impl Shared {
    /// The shared state of an event loop with a read buffer of this many bytes, whose writes may wait this long for
    /// reads.
    pub fn new(read_size: usize, prefer_read: Option<Duration>) -> Shared {
        Shared {
            read_buffer: RefCell::new(vec![0; read_size].into()),
            write_memory: RefCell::default(),
            blank_batch: RefCell::default(),
            deadlines: RefCell::new(Deadlines::new(clock::now())),
            prefer_read,
            turnstile: Turnstile::default(),
        }
    }

    /// Frees memory that was kept for the next connection, if it is much: the next may not come.
    pub fn give_back(&self) {
        if self.write_memory.borrow().capacity() > KEPT_WRITE_MEMORY {
            self.write_memory.take();
        }
        protocol::give_back();
    }
}

/// One connection, as a future that ends with it. This is all that a connection's task holds while nothing happens. It
/// is a type rather than an async function, which would keep its arguments besides its variables.
pub struct Connection<S> {
    stream: S,
    client: Arc<Client>,
    instance: Arc<Instance>,
    /// `None` when the engine has it back, or while a swap has it.
    session: Option<Session>,
    /// Values for the session that arrive while a swap has it.
    #[allow(clippy::box_collection, reason = "a third of the size if there is none")]
    events: Option<Box<Vec<Event>>>,
    swap: Swap,
    /// The lane of its jobs, once it has had one.
    lane: Option<Arc<Lane>>,
    receiver: Receiver,
    /// `None` while callbacks run, see [`at_hand`](crate::client::at_hand), and between turns if it is blank.
    batch: Option<Box<Batch>>,
    stage: Stage,
    /// The code for `on_closed`.
    code: u16,
    close_deadline: Option<Instant>,
    next_idle_check: Option<Instant>,
    /// Since the last `on_drain`, the backlog was above half its limit, or a message was refused.
    above_half: bool,
    write_turn: Turn,
    /// The alarm by which the wheel wakes us.
    alarm: Option<Alarm>,
    waker: Option<Waker>,
    shared: Rc<Shared>,
    /// Input that has not been answered: bytes after the handshake's request, or the rest of a turn that was cut short.
    unanswered: Option<Box<Unanswered>>,
    /// The most that one read may bring. After a read that took too long to answer, it is less than the loop's buffer.
    read_at_most: u32,
    /// Whether the last turn took too long, so that the next one must wait at the turnstile.
    heavy: bool,
    /// The place at the turnstile.
    place: Option<Place>,
    opened: bool,
}

impl<S: Wire> Future for Connection<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let connection = self.get_mut();
        let shared = Rc::clone(&connection.shared);
        if connection.stands_in_line(cx, &shared) {
            return Poll::Pending;
        }
        connection.borrow_memory(&shared);
        if !std::mem::replace(&mut connection.opened, true) {
            connection.begin();
        }
        let turn = connection.turn(cx, &shared);
        connection.return_memory(&shared);
        if turn.is_ready() {
            connection.disarm(&shared);
            tracing::debug!(
                peer = connection.client.peer(),
                event_loop = connection.client.event_loop(),
                "connection closed"
            );
        }
        turn
    }
}

impl<S: Wire> Connection<S> {
    /// Opens the connection of a client whose handshake is over: from now on, broadcasts reach the client. `leftover` are
    /// the bytes after its request.
    pub fn open(stream: S, leftover: &[u8], admitted: Admitted, limits: Limits, shared: Rc<Shared>) -> Self {
        let Admitted { client, session, pass, .. } = admitted;
        // From here on it is the connection that takes the client out of the audience, whatever happens.
        let connection = Self::new(stream, leftover, Arc::clone(&client), session, limits, shared);
        client.audience().enter(&client);
        drop(pass);
        connection
    }

    fn new(
        stream: S,
        leftover: &[u8],
        client: Arc<Client>,
        session: Session,
        limits: Limits,
        shared: Rc<Shared>,
    ) -> Self {
        let now = shared.deadlines.borrow().time(clock::now());
        Connection {
            stream,
            instance: Arc::clone(session.engine()),
            session: Some(session),
            events: None,
            swap: Swap::None,
            lane: None,
            receiver: match client.deflate() {
                None => Receiver::new(limits),
                Some(agreed) => Receiver::with_deflate(limits, agreed),
            },
            batch: client.compression().map(|how| Box::new(Batch::new(how))),
            stage: Stage::Open,
            code: close::ABNORMAL,
            close_deadline: None,
            next_idle_check: None,
            above_half: false,
            write_turn: Turn::default(),
            alarm: None,
            waker: None,
            shared,
            unanswered: Unanswered::new(leftover, now),
            read_at_most: u32::MAX,
            heavy: false,
            place: None,
            opened: false,
            client,
        }
    }

    fn begin(&mut self) {
        self.with_batch(|connection| {
            connection.callback(|session, client| session.on_open(client));
        });
        self.plan_idle_check();
    }

    /// Whether it must wait at the turnstile.
    fn stands_in_line(&mut self, cx: &Context<'_>, shared: &Shared) -> bool {
        if self.heavy && self.place.is_none() {
            self.place = Some(shared.turnstile.join(cx.waker()));
        }
        let waits = self.place.is_some_and(|place| !shared.turnstile.has_come(place));
        if !waits {
            self.place = None;
        }
        waits
    }

    fn borrow_memory(&mut self, shared: &Shared) {
        let batch = self.batch.get_or_insert_with(|| shared.blank_batch.take().unwrap_or_default());
        if !batch.write.has_memory() {
            batch.write.lend(shared.write_memory.take());
        }
        batch.socket = if shared.prefer_read.is_none() { self.stream.short_way() } else { None };
    }

    fn return_memory(&mut self, shared: &Shared) {
        let Some(batch) = &mut self.batch else { return };
        batch.socket = None;
        if let Some(memory) = batch.write.take_memory() {
            shared.write_memory.replace(memory);
        }
        if batch.is_blank() {
            shared.blank_batch.replace(self.batch.take());
        }
    }

    /// One turn: executes orders, writes and reads, until nothing is left to do or the turn has taken too long.
    fn turn(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<()> {
        self.note_waker(cx);
        let mut allowance = Allowance::new(self.heavy);
        loop {
            self.take_orders();
            self.meet_deadlines(shared);
            self.start_close_deadline();
            if self.may_write(cx, shared)
                && let Err(error) = self.write(cx)
            {
                self.broken(&error);
            }
            if matches!(self.stage, Stage::Lingering | Stage::Over) {
                self.end();
            }
            if self.stage == Stage::Over {
                if self.session.is_none() && self.swap != Swap::SessionAway {
                    return Poll::Ready(());
                }
                break;
            }
            if self.has_drained() {
                self.note_room();
                self.with_batch(|connection| {
                    connection.callback(|session, client| session.on_drain(client));
                });
                // A client may read as fast as this fills its backlog again.
                if allowance.look() {
                    self.place = Some(shared.turnstile.join(cx.waker()));
                    break;
                }
                continue;
            }
            if !self.wants_to_read(cx) {
                if self.leave_unread() {
                    continue;
                }
                break;
            }
            self.read_again();
            if allowance.is_spent() {
                self.place = Some(shared.turnstile.join(cx.waker()));
                break;
            }
            match self.read(cx, shared, &mut allowance) {
                Poll::Pending if self.judge() => {}
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.end_of_input(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.broken(&error),
            }
        }
        let overrun = allowance.overrun(self.heavy);
        self.heavy = overrun.is_some();
        shared.turnstile.note(overrun.unwrap_or_default());
        self.arm(cx, shared);
        let (backlog, overhead) = self.batch.as_ref().map_or((0, 0), |batch| (batch.backlog(), batch.overhead()));
        let has_room_again = self.client.outbox().publish_unwritten(backlog, overhead);
        if has_room_again && self.stage == Stage::Open {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Gives the engine its session back: nothing can be sent any more, and nothing will arrive.
    fn end(&mut self) {
        // It ends when it goes on, or the next generation ends it.
        if self.swap == Swap::Frozen {
            return;
        }
        let Some(session) = self.session.take() else { return };
        // From here on the audience does not know this client. This makes a swap that begins now wait for the callback.
        let _busy = self.client.audience().activity.begin();
        self.client.outbox().end();
        self.client.audience().exit(&self.client);
        if let Err(failure) = session.on_closed(&self.client, self.code) {
            self.instance.report(&failure, self.client.peer());
        }
    }

    /// Tells other threads which task to wake for their orders. The task stays the same, so this happens once.
    fn note_waker(&mut self, cx: &Context<'_>) {
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
            self.client.outbox().set_waker(cx.waker());
        }
    }

    fn take_orders(&mut self) {
        let Some(batch) = &mut self.batch else { return };
        let mut steps = Vec::new();
        for notice in self.client.outbox().take(batch) {
            match notice {
                Notice::Event(event) => self.events.get_or_insert_default().push(event),
                Notice::Step(step) => steps.push(step),
            }
        }
        self.deliver_events();
        if self.batch.as_ref().is_some_and(|batch| batch.failed) && self.stage == Stage::Open {
            self.fail(close::INTERNAL, "the engine failed");
        }
        if !steps.is_empty() {
            steps.into_iter().for_each(|step| self.take_step(step));
            // These arrived while the session was away.
            self.deliver_events();
        }
    }

    /// Handles an error of the stream, which is of no more use.
    fn broken(&mut self, error: &io::Error) {
        tracing::debug!(peer = self.client.peer(), "connection broke: {error}");
        self.stage = Stage::Over;
    }
}

impl<S> Drop for Connection<S> {
    /// Takes the client out of everything that others share, if the connection ends before its time: the task has panicked,
    /// which is a fault of wshost, or its event loop has ended. The session is discarded.
    fn drop(&mut self) {
        let is_over = self.session.is_none() && self.swap != Swap::SessionAway;
        if is_over && !std::thread::panicking() {
            return;
        }
        self.client.outbox().end();
        self.client.audience().exit(&self.client);
        if let (Some(alarm), Ok(mut deadlines)) = (self.alarm.take(), self.shared.deadlines.try_borrow_mut()) {
            deadlines.cancel(alarm);
        }
    }
}
