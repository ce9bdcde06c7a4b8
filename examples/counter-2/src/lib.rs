//! Handover, second version: `examples/counter` with a session that remembers the longest message, too.
//!
//! It reads what the first version exports (schema version 1) and what it exports itself (2). `examples/counter` says how
//! to try it.

use plugin_api::handover::{Handover, Schema, from_json, to_json};
use plugin_api::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counter {
    /// Messages of all clients.
    total: AtomicU64,
}

/// What is kept for a client.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Session {
    count: u64,
    longest: String,
}

impl Engine for Counter {
    type Session = Session;

    fn new(_host: Host, _config: &Config) -> Result<Self> {
        Ok(Counter { total: AtomicU64::new(0) })
    }

    fn on_text(&self, client: &Client, session: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        session.count += 1;
        if text.len() > session.longest.len() {
            text.clone_into(&mut session.longest);
        }
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        client.send_text(&format!("{} of {total}, longest: {}", session.count, session.longest));
        None
    }
}

impl Handover for Counter {
    const SCHEMA: &'static str = "counter";
    const VERSION: u32 = 2;

    fn accepts(&self, schema: &Schema) -> bool {
        schema.name == Self::SCHEMA && schema.version <= Self::VERSION
    }

    fn export_state(&self) -> Result<Vec<u8>> {
        Ok(self.total.load(Ordering::Relaxed).to_le_bytes().to_vec())
    }

    fn import_state(&self, _: &Schema, state: &[u8]) -> Result<()> {
        self.total.store(u64::from_le_bytes(state.try_into()?), Ordering::Relaxed);
        Ok(())
    }

    fn export_session(&self, _: &Client, session: &Session) -> Result<Vec<u8>> {
        to_json(session)
    }

    fn import_session(&self, _: &Client, schema: &Schema, session: &[u8]) -> Result<Session> {
        match schema.version {
            1 => Ok(Session { count: u64::from_le_bytes(session.try_into()?), longest: String::new() }),
            _ => from_json(session),
        }
    }
}

export_engine!(Counter, handover);

#[cfg(test)]
mod tests;
