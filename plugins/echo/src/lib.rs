//! Echo: every message goes back to the client that sent it.

use plugin_api::prelude::*;

/// The engine; it has nothing to remember.
pub struct Echo;

impl Engine for Echo {
    type Session = ();

    fn new(_host: Host, _config: &Config) -> Result<Self> {
        Ok(Echo)
    }

    fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
        client.send_text(text);
        None
    }

    fn on_binary(&self, client: &Client, _: &mut (), data: &[u8]) -> Option<Box<dyn Job>> {
        client.send_binary(data);
        None
    }
}

export_engine!(Echo);

#[cfg(test)]
mod tests;
