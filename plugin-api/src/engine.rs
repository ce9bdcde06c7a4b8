//! The trait that an engine implements.

use crate::{Accept, Client, Config, Host, Job, Reject, Request, Result};
use std::any::Any;
use std::time::Duration;

/// An application: called by the host per connection, message and event.
///
/// Only [`new`](Engine::new) must be written. Every other callback has a default body, which does what is said at it;
/// overriding it replaces that. The thread and state of each call stand in brackets at its end. See the
/// [crate's front page](crate) for the order of calls.
pub trait Engine: Sized + Send + Sync + 'static {
    /// What the engine keeps for one connection: `()` for nothing.
    type Session: Default + Send + 'static;

    /// Whether [`authenticate`](Engine::authenticate) looks something up and so must be called on a worker.
    const AUTHENTICATE_ON_WORKER: bool = false;

    /// How long a client may be silent until it is pinged, unless the operator says otherwise. `None`: the host's 30 s.
    const PING_AFTER: Option<Duration> = None;

    /// How long a pinged client may stay silent until it is closed, unless the operator says otherwise. `None`: the
    /// host's 30 s.
    const CLOSE_AFTER_NO_PONG: Option<Duration> = None;

    /// Makes the engine. An error refuses the plugin, with this error's text.
    ///
    /// It may take its time: the operator's `--start-timeout` at the start, 60 s unless set, and `--reload-timeout` for a
    /// generation that is to take over, while the one before goes on. Jobs that it spawns run at once. So do timers of a first
    /// generation; those of another run when it has taken over, so that its `new` must not wait for one. Until then the
    /// generation before serves the clients, and `host` reaches none of them.
    /// `[a thread of its own, before any client]`
    fn new(host: Host, config: &Config) -> Result<Self>;

    /// Decides whether a client may connect, and makes its session.
    ///
    /// Default: accepts everyone with a default session.
    /// `[event loop; worker with AUTHENTICATE_ON_WORKER; connecting]`
    fn authenticate(&self, request: &Request) -> Result<Accept<Self::Session>, Reject> {
        let _ = request;
        Ok(Accept::new(Self::Session::default()))
    }

    /// The connection is open. Default: does nothing. `[event loop, open]`
    fn on_open(&self, client: &Client, session: &mut Self::Session) -> Option<Box<dyn Job>> {
        let _ = (client, session);
        None
    }

    /// A text message came. Default: does nothing. `[event loop, open]`
    fn on_text(&self, client: &Client, session: &mut Self::Session, text: &str) -> Option<Box<dyn Job>> {
        let _ = (client, session, text);
        None
    }

    /// A binary message came. Default: does nothing. `[event loop, open]`
    fn on_binary(&self, client: &Client, session: &mut Self::Session, data: &[u8]) -> Option<Box<dyn Job>> {
        let _ = (client, session, data);
        None
    }

    /// A ping came. Default: sends the pong that RFC 6455 section 5.5.2 asks for. `[event loop, open]`
    fn on_ping(&self, client: &Client, session: &mut Self::Session, data: &[u8]) -> Option<Box<dyn Job>> {
        let _ = session;
        client.pong(data);
        None
    }

    /// A pong came. The host has noted already that the client lives. Default: does nothing. `[event loop, open]`
    fn on_pong(&self, client: &Client, session: &mut Self::Session, data: &[u8]) -> Option<Box<dyn Job>> {
        let _ = (client, session, data);
        None
    }

    /// A value came that was [posted](Client::post) to this client. Default: drops it. `[event loop, open]`
    fn on_event(
        &self,
        client: &Client,
        session: &mut Self::Session,
        event: Box<dyn Any + Send>,
    ) -> Option<Box<dyn Job>> {
        let _ = (client, session, event);
        None
    }

    /// The client has been silent for too long.
    ///
    /// Default: pings it, and closes it when the pong is missing. `[event loop, open]`
    fn on_idle(&self, client: &Client, session: &mut Self::Session, idle: Idle) -> Option<Box<dyn Job>> {
        let _ = session;
        match idle {
            Idle::PingDue => client.ping(b""),
            Idle::PongMissing => client.close_now(crate::close_code::POLICY, "no pong"),
        };
        None
    }

    /// All messages that one read brought have been handed over. Default: does nothing. `[event loop, open]`
    fn on_read_complete(&self, client: &Client, session: &mut Self::Session) {
        let _ = (client, session);
    }

    /// The client's backlog has fallen below half its limit: it can take more. Default: does nothing.
    /// `[event loop, open]`
    fn on_drain(&self, client: &Client, session: &mut Self::Session) {
        let _ = (client, session);
    }

    /// The client sent a close frame, other than in answer to ours; `code` is 1005 where it gave none.
    ///
    /// Default: completes the closing handshake with the same code (RFC 6455 section 5.5.1). An engine that overrides
    /// this closes the client itself, within the 5 s after which the host drops the connection. `[event loop, closing]`
    fn on_close(&self, client: &Client, session: &mut Self::Session, code: u16, reason: &str) -> Option<Box<dyn Job>> {
        let _ = (session, reason);
        client.close(code, "");
        None
    }

    /// The connection is gone: called exactly once for every [`on_open`](Engine::on_open).
    ///
    /// `code` is what the closing handshake settled on, 1005 where it had none, and 1006 where the connection broke.
    /// Default: drops the session. `[event loop, closed]`
    fn on_closed(&self, client: &Client, session: Self::Session, code: u16) {
        let _ = (client, session, code);
    }
}

/// Why [`Engine::on_idle`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Nothing came for `--ping-after`.
    PingDue,
    /// A ping was sent, and nothing came for `--close-after-no-pong`.
    PongMissing,
}
