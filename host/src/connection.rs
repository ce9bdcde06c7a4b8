//! One connection: from its first frame to `on_closed`.
//!
//! Moves bytes between its stream and the protocol, calls the engine per message, and ends in an orderly way. Written
//! over the byte stream as a type parameter: it does not know TCP, TLS or HTTP. It lives and dies on one event loop.

use crate::batch::Batch;
use crate::client::{Client, Closing, epoch};
use crate::deadlines::Deadlines;
use crate::engine::{CallbackResult, EngineFailure, Event, Instance, Job, Session};
use crate::jobs::Lane;
use crate::outbox::with_batch;
use crate::prefer_read::Turn;
use crate::protocol::{Fault, Limits, Received, Receiver, close};
use crate::swap::Step;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// From our close frame to the end of TCP, whatever the peer does.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// How long TCP is kept for a peer that has said goodbye and should have nothing more to send.
const LINGER: Duration = Duration::from_millis(500);
/// Nothing more is read while more than half the backlog's limit, and more than this, waits for the socket: a peer that
/// does not read its replies is slowed down by TCP before its backlog is full.
const PAUSE_READING_ABOVE: usize = 1024 * 1024;
/// So much of a batch is offered to the socket before more messages of the same read are answered. The backlog is what
/// the socket does not take, not what one read is answered with.
const WRITE_ABOVE: usize = 256 * 1024;
/// What one read may bring, however small the backlog's limit.
const LEAST_READ: usize = 512;
/// Reads in one turn before other connections of the loop get theirs.
const READS_PER_TURN: usize = 16;

/// What all connections of one event loop share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// One read at a time goes on in a loop, and leaves nothing behind: one buffer does for all.
    pub read_buffer: RefCell<Box<[u8]>>,
    /// What is answered in one turn is mostly written in it, too: memory for that, which a connection keeps only as long
    /// as something waits for its socket.
    pub write_memory: RefCell<Vec<u8>>,
    /// A batch that nobody uses: a connection has one only while it does something, or something is left of it.
    pub blank_batch: RefCell<Option<Box<Batch>>>,
    /// Wakes connections at their deadlines.
    pub deadlines: RefCell<Deadlines>,
    /// How long writes may wait for reads.
    pub prefer_read: Option<Duration>,
}

/// One connection, as a future that ends when it is over. It is all that a connection's task holds while nothing
/// happens; written as a type, and not as an async function, which would keep its arguments beside its variables.
pub(crate) struct Connection<S> {
    stream: S,
    client: Arc<Client>,
    instance: Arc<Instance>,
    /// Away when the engine has got it back, or while a swap has it.
    session: Option<Session>,
    swap: Swap,
    /// The order of its jobs, once it has had one.
    lane: Option<Arc<Lane>>,
    receiver: Receiver,
    /// Away while callbacks run, see [`with_batch`]; and between turns, if it is blank.
    batch: Option<Box<Batch>>,
    stage: Stage,
    /// The peer has sent a close frame.
    close_received: bool,
    /// The peer has shut its side of TCP.
    input_ended: bool,
    /// What `on_closed` will say.
    code: u16,
    close_deadline: Option<Instant>,
    next_idle_check: Option<Instant>,
    /// The backlog was above half its limit, or a message was refused, since `on_drain` was last called.
    above_half: bool,
    write_turn: Turn,
    /// The wheel wakes us then.
    armed: Option<Instant>,
    waker: Option<Waker>,
    shared: Rc<Shared>,
    /// What came behind the handshake's request, until the first turn.
    leftover: Option<Box<[u8]>>,
    opened: bool,
}

/// Where the connection is in a swap of its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swap {
    /// There is none.
    None,
    /// Nothing is read, and the engine gets events only.
    Frozen,
    /// The session is with the swap: the engine gets nothing, and the connection cannot end.
    SessionAway,
}

/// How far the end has come (RFC 6455 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Messages go to the engine.
    Open,
    /// Nothing more goes to the engine. What is queued is written, the last of it a close frame.
    Flushing,
    /// All is written, our side of TCP is shut, and the engine has its session back. What still comes is dropped:
    /// closing a socket with unread bytes would make the kernel reset the connection, and the peer could lose our close
    /// frame.
    Lingering,
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let connection = self.get_mut();
        let shared = Rc::clone(&connection.shared);
        connection.borrow_memory(&shared);
        if !std::mem::replace(&mut connection.opened, true) {
            let leftover = connection.leftover.take().unwrap_or_default();
            connection.open(leftover, cx);
        }
        let turn = connection.turn(cx, &shared);
        connection.return_memory(&shared);
        if turn.is_ready() {
            tracing::debug!(
                peer = connection.client.peer(),
                event_loop = connection.client.event_loop(),
                "connection closed"
            );
        }
        turn
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection whose handshake is over. `leftover` are bytes that came behind its request.
    pub(crate) fn new(
        stream: S,
        leftover: &[u8],
        client: Arc<Client>,
        session: Session,
        limits: Limits,
        shared: Rc<Shared>,
    ) -> Self {
        Connection {
            stream,
            instance: Arc::clone(session.instance()),
            session: Some(session),
            swap: Swap::None,
            lane: None,
            receiver: match client.deflate() {
                None => Receiver::new(limits),
                Some(agreed) => Receiver::with_deflate(limits, agreed),
            },
            batch: client.compression().map(|how| Box::new(Batch::new(how))),
            stage: Stage::Open,
            close_received: false,
            input_ended: false,
            code: close::ABNORMAL,
            close_deadline: None,
            next_idle_check: None,
            above_half: false,
            write_turn: Turn::default(),
            armed: None,
            waker: None,
            shared,
            leftover: Some(leftover.into()),
            opened: false,
            client,
        }
    }

    /// Tells the engine, then hands over what came with the handshake.
    fn open(&mut self, mut leftover: Box<[u8]>, cx: &mut Context<'_>) {
        self.with_batch(|connection| {
            connection.callback(|instance, client, session| instance.on_open(client, session));
        });
        self.plan_idle_check();
        if !leftover.is_empty()
            && let Err(error) = self.answer(&mut leftover, Instant::now(), cx)
        {
            self.broken(&error);
        }
    }

    fn borrow_memory(&mut self, shared: &Shared) {
        let batch = self.batch.get_or_insert_with(|| shared.blank_batch.take().unwrap_or_default());
        if batch.write.held() == 0 {
            batch.write.lend(shared.write_memory.take());
        }
    }

    fn return_memory(&mut self, shared: &Shared) {
        let Some(batch) = &mut self.batch else { return };
        if let Some(memory) = batch.write.take_memory() {
            shared.write_memory.replace(memory);
        }
        if batch.is_blank() {
            shared.blank_batch.replace(self.batch.take());
        }
    }

    /// One turn: execute what others ask, write, read, until there is nothing to do.
    fn turn(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<()> {
        self.note_waker(cx);
        let mut reads = 0;
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
                self.with_batch(|connection| {
                    connection.callback(|instance, client, session| instance.on_drain(client, session));
                });
                continue;
            }
            if !self.wants_to_read(cx) {
                break;
            }
            if reads == READS_PER_TURN {
                cx.waker().wake_by_ref();
                break;
            }
            reads += 1;
            match self.read(cx, shared) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.end_of_input(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.broken(&error),
            }
        }
        self.arm(cx, shared);
        self.client.outbox().publish_unwritten(self.backlog());
        Poll::Pending
    }

    /// The engine gets its session back: nothing can be sent any more, and nothing will come.
    fn end(&mut self) {
        let Some(session) = self.session.take() else { return };
        self.client.outbox().end();
        self.client.audience().exit(&self.client);
        if let Err(failure) = self.instance.on_closed(&self.client, session, self.code) {
            self.instance.report(&failure, self.client.peer());
        }
    }

    /// Other threads wake the task for their orders. It stays the same task, so this happens once.
    fn note_waker(&mut self, cx: &Context<'_>) {
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
            self.client.outbox().set_waker(cx.waker());
        }
    }

    fn take_orders(&mut self) {
        let Some(batch) = &mut self.batch else { return };
        self.client.outbox().execute_queued(batch);
        if !batch.events.is_empty() && self.session.is_some() {
            let events = std::mem::take(&mut batch.events);
            self.deliver(events);
        }
        let Some(batch) = &mut self.batch else { return };
        let steps = std::mem::take(&mut batch.steps);
        if batch.failed && self.stage == Stage::Open {
            self.fail(close::INTERNAL, "the engine failed");
        }
        steps.into_iter().for_each(|step| self.take_step(step));
    }

    /// Takes part in a swap of the engine. No callback is under way here, and every message that was read has been
    /// handed over: the connection is at the boundary of a message, or the receiver holds the start of one.
    fn take_step(&mut self, step: Step) {
        match step {
            Step::Freeze(_answered) => self.swap = Swap::Frozen,
            Step::HandIn(ticket) => {
                if let Some(session) = self.session.take() {
                    match ticket.hand_in(&self.client, session) {
                        Ok(()) => self.swap = Swap::SessionAway,
                        Err(session) => self.session = Some(session),
                    }
                }
            }
            // The engine is still at work on the session, past the deadline. It comes back with a step of its own.
            Step::Resume(None) if self.swap == Swap::SessionAway => {}
            Step::Resume(session) => {
                if let Some(session) = session {
                    self.instance = Arc::clone(session.instance());
                    self.client.set_generation(self.instance.generation());
                    self.session = Some(session);
                }
                self.swap = Swap::None;
                self.plan_idle_check();
            }
        }
    }

    fn deliver(&mut self, events: VecDeque<Event>) {
        self.with_batch(|connection| {
            // One that an earlier generation posted cannot be read by this one.
            let instance = Arc::clone(&connection.instance);
            events.into_iter().filter(|event| instance.made(event)).for_each(|event| {
                connection.callback(|instance, client, session| instance.on_event(client, session, event));
            });
        });
    }

    fn meet_deadlines(&mut self, shared: &Shared) {
        if self.swap == Swap::None && self.next_idle_check.is_some_and(|check| check <= shared.deadlines.borrow().now())
        {
            self.check_idle();
        }
        if let Some(deflater) = self.batch.as_mut().and_then(|batch| batch.deflater.as_mut())
            && deflater.handle_timeout(shared.deadlines.borrow().now())
        {
            tracing::debug!(peer = self.client.peer(), "idle: its compressor is given back");
        }
        if self.close_deadline.is_none() && self.receiver.deadline().is_none() {
            return;
        }
        let now = Instant::now();
        if self.close_deadline.is_some_and(|deadline| deadline <= now) {
            self.stage = Stage::Over;
        } else if let Err(fault) = self.receiver.handle_timeout(now) {
            self.peer_fault(&fault);
        }
    }

    /// Keepalive: has the engine ping a client that is idle, or close it.
    fn check_idle(&mut self) {
        let (now, client) = (Instant::now(), &self.client);
        let keepalive = self.instance.keepalive();
        if let Some(idle) = keepalive.check(now.duration_since(epoch()), client.last_active(), client.pinged()) {
            client.note_pinged(now);
            self.with_batch(|connection| {
                connection.callback(|instance, client, session| instance.on_idle(client, session, idle));
            });
        }
        self.plan_idle_check();
    }

    fn plan_idle_check(&mut self) {
        let next = self.instance.keepalive().next_check(self.client.last_active(), self.client.pinged());
        self.next_idle_check = next.and_then(|next| epoch().checked_add(next));
    }

    /// Whether the backlog has fallen below half its limit, after it was above or a message was refused.
    fn has_drained(&mut self) -> bool {
        let outbox = self.client.outbox();
        let above_half = self.backlog() > outbox.limit() / 2;
        self.above_half |= above_half | outbox.take_refused();
        let drained = self.above_half && !above_half && self.stage == Stage::Open && self.swap == Swap::None;
        self.above_half &= !drained;
        drained
    }

    /// Whichever close frame comes first starts the clock.
    fn start_close_deadline(&mut self) {
        let Some(batch) = &self.batch else { return };
        if self.close_deadline.is_none() && (batch.close_written || self.stage != Stage::Open) {
            self.close_deadline = Some(Instant::now() + CLOSE_DEADLINE);
        }
    }

    /// Whether it is time to write: always, unless reads are preferred.
    fn may_write(&mut self, cx: &Context<'_>, shared: &Shared) -> bool {
        match shared.prefer_read {
            Some(longest) if self.stage == Stage::Open && self.unwritten() > 0 => {
                self.write_turn.has_come(longest, cx.waker())
            }
            _ => true,
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        while !batch.write.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, batch.write.unwritten()) {
                Poll::Pending => {
                    batch.blocked = true;
                    return Ok(());
                }
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    batch.write.advance(written);
                    batch.unblocked();
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if self.stage == Stage::Flushing && batch.close_written {
            match Pin::new(&mut self.stream).poll_shutdown(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) if self.input_ended => self.stage = Stage::Over,
                Poll::Ready(Ok(())) => {
                    self.stage = Stage::Lingering;
                    if self.close_received {
                        self.close_deadline = Some(Instant::now() + LINGER);
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn wants_to_read(&self, cx: &Context<'_>) -> bool {
        match self.stage {
            Stage::Open if self.swap != Swap::None => false,
            Stage::Open => self.batch.as_ref().is_some_and(|batch| {
                let most = PAUSE_READING_ABOVE.min(self.client.outbox().limit() / 2);
                let pause = batch.paused || batch.write.len() > most || self.has_too_many_jobs(cx);
                batch.close_written || !pause
            }),
            // A peer that sends on and reads nothing must still be noticed when it goes.
            Stage::Flushing | Stage::Lingering => !self.input_ended,
            Stage::Over => false,
        }
    }

    fn has_too_many_jobs(&self, cx: &Context<'_>) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.is_full(cx.waker()))
    }

    fn read(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<io::Result<usize>> {
        let mut buffer = shared.read_buffer.borrow_mut();
        // What is read is answered before it is looked at whether there is room for more answers.
        let most = buffer.len().min((self.client.outbox().limit() / 2).max(LEAST_READ));
        let mut read = ReadBuf::new(&mut buffer[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let count = read.filled().len();
        if count > 0 && self.stage == Stage::Open {
            let now = Instant::now();
            self.client.touch(now);
            self.answer(&mut buffer[..count], now, cx)?;
        }
        Poll::Ready(Ok(count))
    }

    /// Hands what one read brought to the engine, and where it is answered with much, the answers to the socket in
    /// between.
    fn answer(&mut self, mut input: &mut [u8], now: Instant, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            let mut used = 0;
            self.with_batch(|connection| {
                used = connection.receive(input, now);
                if used == input.len() {
                    connection.callback(|instance, client, session| instance.on_read_complete(client, session));
                }
            });
            if used == input.len() || self.stage != Stage::Open {
                return Ok(());
            }
            input = &mut input[used..];
            self.write(cx)?;
        }
    }

    /// Hands messages in `input` to the engine, all of them unless the batch grows large. Returns how much was used.
    /// The last call of the receiver, for which nothing may be left, lets it give back the memory of an assembled
    /// message.
    fn receive(&mut self, input: &mut [u8], now: Instant) -> usize {
        let mut done = 0;
        let most = WRITE_ABOVE.min(self.client.outbox().limit() / 2);
        while self.stage == Stage::Open {
            let Some(session) = &mut self.session else { break };
            let (client, instance) = (&self.client, &self.instance);
            let (used, called) = match self.receiver.receive(now, &mut input[done..]) {
                Err(fault) => {
                    self.peer_fault(&fault);
                    break;
                }
                Ok((_, None)) => break,
                Ok((used, Some(Received::Close { code, reason }))) => {
                    self.code = code;
                    self.stage = Stage::Flushing;
                    self.close_received = true;
                    let answers_ours = client.closing() >= Closing::Sent;
                    client.outbox().note_close_received();
                    (used, if answers_ours { Ok(None) } else { instance.on_close(client, session, code, reason) })
                }
                // After our own close frame only the peer's is of interest.
                Ok((used, Some(_))) if client.closing() >= Closing::Sent => (used, Ok(None)),
                Ok((used, Some(Received::Text(text)))) => (used, instance.on_text(client, session, text)),
                Ok((used, Some(Received::Binary(data)))) => (used, instance.on_binary(client, session, data)),
                Ok((used, Some(Received::Ping(data)))) => (used, instance.on_ping(client, session, data)),
                Ok((used, Some(Received::Pong(data)))) => (used, instance.on_pong(client, session, data)),
            };
            self.finish(called);
            done += used;
            if done < input.len() && self.client.outbox().batched() > most {
                return done;
            }
        }
        input.len()
    }

    /// Calls the engine, unless the connection's messages are at their end.
    fn callback(&mut self, call: impl FnOnce(&Instance, &Arc<Client>, &mut Session) -> CallbackResult) {
        if self.stage == Stage::Open
            && let Some(session) = &mut self.session
        {
            let called = call(&self.instance, &self.client, session);
            self.finish(called);
        }
    }

    /// Has the job run that a callback returned, or closes where it failed.
    #[inline]
    fn finish(&mut self, called: CallbackResult) {
        match called {
            Ok(None) => {}
            Ok(Some(job)) => self.submit(job),
            Err(failure) => self.engine_fault(&failure),
        }
    }

    fn submit(&mut self, job: Job) {
        let (instance, client) = (Arc::clone(&self.instance), Arc::clone(&self.client));
        let work = move || {
            if let Err(failure) = job.run() {
                instance.report(&failure, client.peer());
                client.fail();
            }
        };
        self.instance.pool().submit(self.lane.get_or_insert_default(), Box::new(work));
    }

    /// The engine panicked: its fault, and the end of this connection alone.
    #[cold]
    fn engine_fault(&mut self, failure: &EngineFailure) {
        self.instance.report(failure, self.client.peer());
        self.fail(close::INTERNAL, "the engine failed");
    }

    /// The peer broke the protocol (RFC 6455 section 7.1.7).
    #[cold]
    fn peer_fault(&mut self, fault: &Fault) {
        tracing::info!(peer = self.client.peer(), code = fault.close_code(), "connection failed: {fault}");
        self.fail(fault.close_code(), &fault.to_string());
    }

    fn fail(&mut self, code: u16, reason: &str) {
        self.code = code;
        self.stage = Stage::Flushing;
        self.client.close(code, reason);
    }

    /// The peer sends nothing more. Where it has said goodbye before, it may still read what is queued.
    fn end_of_input(&mut self) {
        self.input_ended = true;
        if self.stage != Stage::Flushing || self.unwritten() == 0 {
            self.stage = Stage::Over;
        }
    }

    /// The stream is of no use any more.
    fn broken(&mut self, error: &io::Error) {
        tracing::debug!(peer = self.client.peer(), "connection broke: {error}");
        self.stage = Stage::Over;
    }

    fn with_batch(&mut self, work: impl FnOnce(&mut Self)) {
        let mut batch = self.batch.take();
        with_batch(self.client.number(), &mut batch, || work(self));
        self.batch = batch;
    }

    fn backlog(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.backlog())
    }

    fn unwritten(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.write.len())
    }

    /// Has the wheel wake us at the next deadline, unless it will do so before.
    fn arm(&mut self, cx: &Context<'_>, shared: &Shared) {
        let mut wheel = shared.deadlines.borrow_mut();
        let deflater = self.batch.as_mut().and_then(|batch| batch.deflater.as_mut());
        let idle_compressor = deflater.and_then(|deflater| deflater.deadline(wheel.now()));
        let deadlines = [self.close_deadline, self.receiver.deadline(), self.next_idle_check, idle_compressor];
        let Some(next) = deadlines.into_iter().flatten().min() else { return };
        if self.armed.is_none_or(|armed| armed <= wheel.now() || armed > next + crate::deadlines::TICK) {
            self.armed = Some(wheel.wake_at(next, cx.waker()));
        }
    }
}
