//! An engine that does as its clients and its configuration tell it.

use super::{leaked, note};
use crate::handover::{Handover, Schema};
use crate::{Accept, Client, Config, Engine, Host, Job, Reject, Request, Sent, State};
use std::any::Any;
use std::time::Duration;

/// An engine that does as it is told.
pub(super) struct Obedient {
    host: Host,
    name: String,
}

/// Notes that it is dropped, and panics on demand.
struct Dropped(String, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        note(leaked(&self.0), format!("{} dropped", self.1));
        assert_ne!(self.1, "bomb", "in a drop");
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        note(leaked(&self.name), "engine dropped");
    }
}

#[derive(Default)]
pub(super) struct Session {
    _held: Option<Dropped>,
}

impl Engine for Obedient {
    type Session = Session;

    fn new(host: Host, config: &Config) -> crate::Result<Self> {
        let name = config.text().trim_start_matches("refuse").to_owned();
        if name != config.text() {
            return Err("as it was told".into());
        }
        Ok(Obedient { host, name })
    }

    fn authenticate(&self, request: &Request) -> crate::Result<Accept<Session>, Reject> {
        match request.resource() {
            "/reject" => Err(Reject::new(403).header("x-why", "so").body("no")),
            "/panic" => panic!("as it was told"),
            _ => {
                let session = Session { _held: Some(Dropped(self.name.clone(), "session")) };
                Ok(Accept::new(session)
                    .subprotocol("chat")
                    .header("x-seen", request.header("x-name").unwrap_or_default()))
            }
        }
    }

    fn on_text(&self, client: &Client, _: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        let dropped = |what| Dropped(self.name.clone(), what);
        match text {
            "job" | "bomb" => {
                let held = dropped(if text == "job" { "job" } else { "bomb" });
                let client = client.clone();
                return Some(Box::new(move || {
                    client.send_text("from the job");
                    drop(held);
                }));
            }
            "panic" => panic!("as it was told"),
            "fault" => return (client.send_binary(b"a fault of the host's") != Sent::Gone).then(|| unreachable!()),
            "post" => drop(client.post(dropped("event"))),
            "spawn" => {
                let held = dropped("spawned");
                self.host.spawn(move || drop(held));
            }
            "timer" => {
                let held = dropped("timer");
                let timer = self.host.every(Duration::from_millis(30), move || note(leaked(&held.0), "timer run"));
                timer.cancel();
            }
            "host" => {
                assert_eq!(self.host.client(client.id()).as_ref(), Some(client));
                assert_eq!((self.host.client_count(), self.host.everyone().except(client).len()), (1, 0));
                assert_eq!(self.host.clients(), std::slice::from_ref(client));
                assert_eq!(self.host.group("room").send_text("hello"), 1);
                self.host.gauge("height", &[("of", "sea")]).add(1.5);
            }
            "facts" => {
                let facts = (client.peer(), client.resource(), client.subprotocol(), client.idle(), client.state());
                assert_eq!(facts, ("192.0.2.1:4711", "/chat", None, Duration::from_millis(1500), State::Closing));
                assert_eq!((client.is_pinged(), client.buffered(), client.discard_buffered()), (true, 7, 3));
                assert_eq!((client.join("room"), client.leave("room")), (Sent::Refused, true));
                client.close_now(4000, "bye");
            }
            text => drop(client.send_text(text)),
        }
        None
    }

    fn on_event(&self, client: &Client, _: &mut Session, event: Box<dyn Any + Send>) -> Option<Box<dyn Job>> {
        client.send_text(if event.is::<Dropped>() { "an event" } else { "no event" });
        None
    }
}

impl crate::export::Described for Obedient {
    type Engine = Obedient;
    const NAME: &'static str = "obedient";
    const VERSION: &'static str = "1.2.3";
    const DESCRIPTION: &'static str = "";
    const INTERFACES: &'static [&'static str] = crate::export::INTERFACES_WITH_HANDOVER;
    const PANIC_UNWINDS: bool = true;

    fn handover() -> Option<&'static crate::abi::HandoverTable> {
        Some(crate::export::handover::<Obedient>())
    }
}

/// It exports the name of the client's peer as the session.
impl Handover for Obedient {
    const SCHEMA: &'static str = "obedient";

    fn export_session(&self, client: &Client, _: &Session) -> crate::Result<Vec<u8>> {
        Ok(client.peer().into())
    }

    fn import_session(&self, client: &Client, schema: &Schema, session: &[u8]) -> crate::Result<Session> {
        assert_eq!((schema.name, client.peer().as_bytes()), ("obedient", session), "as it was told");
        if client.send_text("imported") == Sent::Gone { Err("out of reach".into()) } else { Ok(Session::default()) }
    }
}
