//! An engine that logs its callbacks, and does in a callback what a test hands it.

use plugin_api::prelude::*;
use plugin_testing::{TestClient, TestHost};
use std::any::Any;

pub(crate) struct Probe {
    host: Host,
}

/// The name from the query, and how many texts there were.
#[derive(Default)]
pub(crate) struct Session {
    name: String,
    texts: u32,
}

type Script = Box<dyn FnOnce(&Client, &Host) -> Option<Box<dyn Job>> + Send>;

/// Does something in a callback of this client's.
pub(crate) fn in_callback(client: &TestClient, script: impl FnOnce(&Client, &Host) + Send + 'static) {
    let script: Script = Box::new(|client, host| {
        script(client, host);
        None
    });
    client.handle().post(script);
    client.state();
}

/// Has a callback of this client's return a job.
pub(crate) fn job(client: &TestClient, job: impl FnOnce(&Client) + Send + 'static) {
    let script: Script = Box::new(|client, _| {
        let client = client.clone();
        Some(Box::new(move || job(&client)))
    });
    client.handle().post(script);
    client.state();
}

/// The callbacks since this was last asked.
pub(crate) fn calls(host: &TestHost) -> Vec<String> {
    host.logs().into_iter().filter(|line| line.target == "calls").map(|line| line.message).collect()
}

macro_rules! called {
    ($($arguments:tt)+) => { log::info!(target: "calls", $($arguments)+) };
}

impl Engine for Probe {
    type Session = Session;

    fn new(host: Host, _: &Config) -> Result<Self> {
        Ok(Probe { host })
    }

    fn authenticate(&self, request: &Request) -> Result<Accept<Session>, Reject> {
        let name = request.query_value("name").unwrap_or_default().into_owned();
        Ok(Accept::new(Session { name, texts: 0 }))
    }

    fn on_open(&self, _: &Client, session: &mut Session) -> Option<Box<dyn Job>> {
        called!("open {}", session.name);
        None
    }

    fn on_text(&self, _: &Client, session: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        called!("text {text}");
        session.texts += 1;
        None
    }

    fn on_pong(&self, _: &Client, _: &mut Session, data: &[u8]) -> Option<Box<dyn Job>> {
        called!("pong {}", String::from_utf8_lossy(data));
        None
    }

    fn on_event(&self, client: &Client, _: &mut Session, event: Box<dyn Any + Send>) -> Option<Box<dyn Job>> {
        match event.downcast::<Script>() {
            Ok(script) => script(client, &self.host),
            Err(event) => {
                called!("event {}", event.downcast_ref::<&str>().unwrap_or(&"of another kind"));
                None
            }
        }
    }

    fn on_read_complete(&self, _: &Client, _: &mut Session) {
        called!("read complete");
    }

    fn on_drain(&self, client: &Client, _: &mut Session) {
        called!("drain at {}", client.buffered());
    }

    fn on_closed(&self, client: &Client, session: Session, code: u16) {
        assert_eq!(client.state(), State::Closed);
        called!("closed {} {code} after {} texts", session.name, session.texts);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        called!("dropped");
    }
}
