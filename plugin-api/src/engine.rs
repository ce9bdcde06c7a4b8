//! The trait that an engine implements.

use crate::{Accept, Client, Config, Host, Job, Reject, Request, Result};
use std::any::Any;
use std::time::Duration;

/// An application, which the host calls for each connection, message and event.
///
/// Only [`new`](Engine::new) must be written. Every other callback has a default body, whose effect its documentation
/// states; overriding it replaces that effect. Brackets at the end state the thread and the connection's state. See the
/// [crate's front page](crate) for the order of calls.
pub trait Engine: Sized + Send + Sync + 'static {
    /// The data that the engine keeps for one connection; `()` if there is none.
    type Session: Default + Send + 'static;

    /// Whether [`authenticate`](Engine::authenticate) looks something up and must therefore run on a worker.
    const AUTHENTICATE_ON_WORKER: bool = false;

    /// How long a client may be silent until it is pinged, unless the operator says otherwise. `None`: the host's 30 s.
    const PING_AFTER: Option<Duration> = None;

    /// How long a pinged client may stay silent until it is closed, unless the operator says otherwise. `None`: the
    /// host's 30 s.
    const CLOSE_AFTER_NO_PONG: Option<Duration> = None;

    /// Makes the engine. If it returns an error, the plugin is refused with the error's text.
    ///
    /// It may take as long as the operator's `--start-timeout` at the start (60 s unless set). At a reload it may take
    /// as long as `--reload-timeout`, while the generation before goes on serving the clients; until the new one has
    /// taken over, `host` reaches none of them. Jobs that it spawns run at once. Timers of a first generation run at
    /// once as well; those of a later generation run only when it has taken over, so its `new` must not wait for one.
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

    /// A pong came. The host has already noted that the client is alive. Default: does nothing. `[event loop, open]`
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
    /// Default: pings the client, and closes it if the pong does not come. `[event loop, open]`
    fn on_idle(&self, client: &Client, session: &mut Self::Session, idle: Idle) -> Option<Box<dyn Job>> {
        let _ = session;
        match idle {
            Idle::PingDue => client.ping(b""),
            Idle::PongMissing => client.close_now(crate::close_code::POLICY, "no pong"),
        };
        None
    }

    /// All messages of one read have been delivered. Default: does nothing. `[event loop, open]`
    fn on_read_complete(&self, client: &Client, session: &mut Self::Session) {
        let _ = (client, session);
    }

    /// The client's backlog has fallen below half its limit: it can take more. Default: does nothing.
    /// `[event loop, open]`
    fn on_drain(&self, client: &Client, session: &mut Self::Session) {
        let _ = (client, session);
    }

    /// The client sent a close frame that does not answer ours. `code` is 1005 if the frame has none.
    ///
    /// Default: completes the closing handshake with the same code (RFC 6455 section 5.5.1). An engine that overrides
    /// this must close the client itself: the host drops the connection after 5 s. `[event loop, closing]`
    fn on_close(&self, client: &Client, session: &mut Self::Session, code: u16, reason: &str) -> Option<Box<dyn Job>> {
        let _ = (session, reason);
        client.close(code, "");
        None
    }

    /// The connection is gone. The host calls this exactly once for every [`on_open`](Engine::on_open).
    ///
    /// `code` is the code of the closing handshake, 1005 if it had none, and 1006 if the connection broke. Default:
    /// drops the session. `[event loop, closed]`
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
