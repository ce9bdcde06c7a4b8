//! Handover, first version: counts each client's messages, and everyone's.
//!
//! Its session is a bare number. `examples/counter-2` is the next version, which keeps more, and takes over from this one
//! while everyone stays connected:
//!
//!     cargo build -p wshost -p counter -p counter-2 && cp target/debug/libcounter.so libcurrent.so
//!     target/debug/wshost --plugin ./libcurrent.so
//!
//! and, in another terminal:
//!
//!     cp target/debug/libcounter_2.so libcurrent.so && pkill -HUP -x wshost

use plugin_api::handover::{Handover, Schema};
use plugin_api::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counter {
    /// Messages of all clients.
    total: AtomicU64,
}

impl Engine for Counter {
    /// Messages of this client.
    type Session = u64;

    fn new(_host: Host, _config: &Config) -> Result<Self> {
        Ok(Counter { total: AtomicU64::new(0) })
    }

    fn on_text(&self, client: &Client, count: &mut u64, _text: &str) -> Option<Box<dyn Job>> {
        *count += 1;
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        client.send_text(&format!("{count} of {total}"));
        None
    }
}

impl Handover for Counter {
    const SCHEMA: &'static str = "counter";

    fn export_state(&self) -> Result<Vec<u8>> {
        Ok(self.total.load(Ordering::Relaxed).to_le_bytes().to_vec())
    }

    fn import_state(&self, _: &Schema, state: &[u8]) -> Result<()> {
        self.total.store(u64::from_le_bytes(state.try_into()?), Ordering::Relaxed);
        Ok(())
    }

    fn export_session(&self, _: &Client, count: &u64) -> Result<Vec<u8>> {
        Ok(count.to_le_bytes().to_vec())
    }

    fn import_session(&self, _: &Client, _: &Schema, session: &[u8]) -> Result<u64> {
        Ok(u64::from_le_bytes(session.try_into()?))
    }
}

export_engine!(Counter, handover);
