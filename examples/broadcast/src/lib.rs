//! Broadcast: every text goes unchanged to every client, its sender included, from a job.
//!
//! Try it: `cargo build -p wshost -p broadcast && target/debug/wshost --plugin libbroadcast.so`

use plugin_api::prelude::*;

struct Broadcast {
    host: Host,
}

impl Engine for Broadcast {
    type Session = ();

    fn new(host: Host, _config: &Config) -> Result<Self> {
        Ok(Broadcast { host })
    }

    fn on_text(&self, _client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
        let (host, text) = (self.host.clone(), text.to_owned());
        Some(Box::new(move || {
            host.broadcast_text(&text);
        }))
    }
}

export_engine!(Broadcast);

#[cfg(test)]
mod tests;
