//! The first engine: greets everyone by the name they send.

use plugin_api::prelude::*;

struct Hello;

impl Engine for Hello {
    type Session = (); // nothing is kept for a connection

    fn new(_host: Host, _config: &Config) -> Result<Self> {
        Ok(Hello)
    }

    fn on_text(&self, client: &Client, _: &mut (), name: &str) -> Option<Box<dyn Job>> {
        client.send_text(&format!("Hello {name}!"));
        None
    }
}

export_engine!(Hello);
