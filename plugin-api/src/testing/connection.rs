//! One connection's life, as in the host: from `on_open` to `on_closed`, without a socket.
//!
//! Lives on the test's thread. What the client sends lies in `inbound` until the host reads it; what the engine sends
//! goes through [`Outgoing`](super::outgoing::Outgoing). Nothing happens but in [`Connection::turn`] and the functions
//! that stand for time.

use super::boundary::{Called, Session};
use super::keepalive::Keepalive;
use super::lock;
use super::message::Message;
use super::outgoing::Closing;
use super::remote::Remote;
use super::report::EngineFailure;
use crate::{Idle, close_code};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// From the first close frame to the end, whatever the client does.
pub(super) const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// Jobs of one client that may wait before nothing more is read from it.
const MAX_JOBS: usize = 64;
/// Nothing more is read while more than half the backlog's limit, and more than this, waits for the client.
const PAUSE_READING_ABOVE: usize = 1024 * 1024;
/// So much is written before more messages of one read are answered.
const WRITE_ABOVE: usize = 256 * 1024;

pub(super) struct Connection {
    remote: Arc<Remote>,
    /// Taken when the engine gets it back.
    session: Option<Session>,
    keepalive: Keepalive,
    stage: Stage,
    /// What `on_closed` will say.
    code: u16,
    close_deadline: Option<Duration>,
    idle_due: Option<Duration>,
    /// Since when the host reads nothing by its own choice: the client is pinged, and not judged by its silence.
    unread_since: Option<Duration>,
    /// What the client has sent and the host has not read.
    inbound: VecDeque<Message>,
    /// What the client sends now is to be read with what it sends next.
    pub(super) corked: bool,
    /// Whether the client answers pings and close frames.
    pub(super) answers: bool,
    /// The client has sent a close frame.
    pub(super) client_said_goodbye: bool,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Messages go to the engine.
    Open,
    /// Nothing more goes to the engine. What is queued is written, a close frame last.
    Flushing,
    /// The engine is to get its session back, or has got it.
    Over,
}

impl Connection {
    /// A connection whose handshake has just succeeded; tells the engine.
    pub(super) fn open(remote: Arc<Remote>, session: Session, keepalive: Keepalive) -> Self {
        let mut connection = Connection {
            remote,
            session: Some(session),
            keepalive,
            stage: Stage::Open,
            code: close_code::ABNORMAL,
            close_deadline: None,
            idle_due: None,
            unread_since: None,
            inbound: VecDeque::new(),
            corked: false,
            answers: true,
            client_said_goodbye: false,
        };
        connection.hold(|connection| connection.callback(Session::on_open));
        connection.plan_idle();
        connection
    }

    /// The client sends something.
    pub(super) fn send(&mut self, message: Message) {
        self.client_said_goodbye |= matches!(message, Message::Close { .. });
        self.inbound.push_back(message);
    }

    /// The connection breaks.
    pub(super) fn disconnect(&mut self) {
        self.stage = Stage::Over;
    }

    /// The host ends.
    pub(super) fn say_goodbye(&self) {
        self.remote.close(close_code::GOING_AWAY, "the server is shutting down", false);
    }

    /// What the client has sent and the host has not read.
    pub(super) fn unread(&self) -> usize {
        self.inbound.len()
    }

    /// Whether the engine has got its session back.
    pub(super) fn has_ended(&self) -> bool {
        self.session.is_none()
    }

    /// Does the first of what there is to do now. Returns whether there was anything, and so may be more.
    pub(super) fn turn(&mut self) -> bool {
        if self.has_ended() {
            return false;
        }
        if self.deliver_events() {
            return true;
        }
        if self.remote.take_failed() && self.stage == Stage::Open {
            self.fail();
        }
        self.start_close_deadline();
        if self.answer_for_client() {
            return true;
        }
        if self.is_at_its_end() {
            self.end();
            return true;
        }
        let open = self.stage == Stage::Open;
        let drained = self.remote.outgoing().has_drained(open);
        if drained {
            self.hold(|connection| connection.callback(Session::on_drain));
            return true;
        }
        self.note_whether_read();
        let reads = self.wants_to_read();
        if reads {
            self.read();
        }
        reads
    }

    /// When time alone brings the next thing to do.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.close_deadline.into_iter().chain(self.idle_due).min()
    }

    /// Does what is due by the clock.
    pub(super) fn meet_deadlines(&mut self, now: Duration) {
        if self.close_deadline.is_some_and(|deadline| deadline <= now) {
            self.stage = Stage::Over;
        }
        if self.idle_due.is_some_and(|due| due <= now) {
            self.check_idle(now);
        }
    }

    fn deliver_events(&mut self) -> bool {
        let events = self.remote.take_events();
        if events.is_empty() {
            return false;
        }
        self.hold(|connection| {
            for event in events {
                connection.callback(|session, remote| session.on_event(remote, event));
            }
        });
        true
    }

    /// What every client's library does by itself: it answers pings and close frames that it has read.
    fn answer_for_client(&mut self) -> bool {
        self.remote.outgoing().flush();
        let unanswered = self.remote.outgoing().take_unanswered();
        let some = !unanswered.is_empty();
        for message in unanswered {
            match message {
                _ if !self.answers => {}
                Message::Ping(data) => self.send(Message::Pong(data)),
                Message::Close { code, .. } if !self.client_said_goodbye => self.send(Message::close(code, "")),
                _ => {}
            }
        }
        some
    }

    /// Whichever close frame comes first starts the clock.
    fn start_close_deadline(&mut self) {
        if self.close_deadline.is_none() && (self.remote.closing() >= Closing::Sent || self.stage != Stage::Open) {
            self.close_deadline = Some(self.remote.services().now() + CLOSE_DEADLINE);
        }
    }

    fn is_at_its_end(&self) -> bool {
        match self.stage {
            Stage::Open => false,
            Stage::Flushing => self.remote.closing() >= Closing::Sent && self.remote.outgoing().is_flushed(),
            Stage::Over => true,
        }
    }

    /// The engine gets its session back: nothing can be sent any more, and nothing will come.
    fn end(&mut self) {
        self.stage = Stage::Over;
        (self.close_deadline, self.idle_due) = (None, None);
        self.inbound.clear();
        self.remote.end();
        if let Some(session) = self.session.take()
            && let Err(failure) = session.on_closed(&self.remote, self.code)
        {
            self.remote.services().report(failure, Some(&self.remote));
        }
    }

    fn wants_to_read(&self) -> bool {
        self.stage == Stage::Open && !self.corked && !self.inbound.is_empty() && self.may_read()
    }

    /// Whether the host would read if there were anything.
    fn may_read(&self) -> bool {
        let (closing, backlog, limit) = {
            let outgoing = self.remote.outgoing();
            (outgoing.closing, outgoing.backlog(), outgoing.limit())
        };
        let has_room = backlog <= PAUSE_READING_ABOVE.min(limit / 2)
            && lock(&self.remote.services().jobs).len_of(self.remote.number()) < MAX_JOBS;
        closing >= Closing::Sent || (has_room && !self.remote.is_paused())
    }

    /// While nothing is read by the host's own choice, the time for a pong stands still.
    fn note_whether_read(&mut self) {
        let now = self.remote.services().now();
        if !self.may_read() {
            self.unread_since.get_or_insert(now);
        } else if let Some(since) = self.unread_since.take()
            && self.remote.pinged().is_some()
        {
            let all = self.keepalive.patience().map(|patience| now + patience);
            let put_off = self.idle_due.map(|due| due + now.saturating_sub(since));
            self.idle_due = put_off.into_iter().chain(all).min();
        }
    }

    /// Reads all that the client has sent.
    fn read(&mut self) {
        let was_pinged = self.remote.pinged().is_some();
        self.remote.touch();
        if was_pinged {
            // The next ping is due when it has been silent for as long again.
            self.plan_idle();
        }
        let messages = std::mem::take(&mut self.inbound);
        self.hold(|connection| {
            for message in messages {
                connection.receive(&message);
                let mut outgoing = connection.remote.outgoing();
                if outgoing.backlog() > WRITE_ABOVE.min(outgoing.limit() / 2) {
                    outgoing.flush();
                }
            }
            connection.callback(Session::on_read_complete);
        });
    }

    fn receive(&mut self, message: &Message) {
        let closing = self.remote.closing();
        if let (Message::Close { code, reason }, Stage::Open) = (message, self.stage) {
            self.remote.outgoing().note_close_received();
            self.code = *code;
            // Our own close frame needs no answer, the client's does.
            if closing < Closing::Sent {
                self.callback(|session, remote| session.on_close(remote, (*code, reason)));
            }
            if self.stage == Stage::Open {
                self.stage = Stage::Flushing;
            }
        } else if closing < Closing::Sent {
            self.callback(|session, remote| match message {
                Message::Text(text) => session.on_text(remote, text),
                Message::Binary(data) => session.on_binary(remote, data),
                Message::Ping(data) => session.on_ping(remote, data),
                Message::Pong(data) => session.on_pong(remote, data),
                Message::Close { .. } => Ok(None),
            });
        }
    }

    fn check_idle(&mut self, now: Duration) {
        let pinged = self.remote.pinged();
        let due = self.keepalive.due(self.remote.last_active(), pinged);
        if due.is_some_and(|due| due <= now) {
            let idle = if self.unread_since.is_some() { Idle::PingDue } else { self.keepalive.idle(pinged) };
            self.remote.note_pinged();
            self.hold(|connection| connection.callback(|session, remote| session.on_idle(remote, idle)));
        }
        self.plan_idle();
    }

    fn plan_idle(&mut self) {
        self.idle_due = self.keepalive.due(self.remote.last_active(), self.remote.pinged());
    }

    /// Calls the engine, unless the connection's messages are at their end.
    fn callback(&mut self, call: impl FnOnce(&mut Session, &Arc<Remote>) -> Called) {
        let (Stage::Open, Some(session)) = (self.stage, &mut self.session) else { return };
        match call(session, &self.remote) {
            Ok(None) => {}
            Ok(Some(job)) => self.remote.services().submit(Some(&self.remote), job),
            Err(failure) => self.engine_fault(failure),
        }
    }

    fn engine_fault(&mut self, failure: EngineFailure) {
        self.remote.services().report(failure, Some(&self.remote));
        self.fail();
    }

    fn fail(&mut self) {
        self.code = close_code::INTERNAL;
        self.stage = Stage::Flushing;
        self.remote.close(close_code::INTERNAL, "the engine failed", false);
    }

    /// Runs callbacks. What they send to this client goes out behind them.
    fn hold(&mut self, callbacks: impl FnOnce(&mut Self)) {
        self.remote.outgoing().hold(true);
        callbacks(self);
        self.remote.outgoing().hold(false);
    }
}
