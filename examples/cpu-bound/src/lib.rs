//! CPU-bound work: every text makes a worker count to 1,000, and is answered when that is done.
//!
//! `count = 200000000` in a file that `--engine-config` names keeps a worker busy for longer.
//!
//! Try it: `cargo build -p wshost -p cpu-bound && target/debug/wshost --plugin libcpu_bound.so --workers 2`

use plugin_api::prelude::*;
use std::hint::black_box;

struct CpuBound {
    count: u64,
}

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// How far each job counts.
    count: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { count: 1000 }
    }
}

impl Engine for CpuBound {
    type Session = ();

    fn new(_host: Host, config: &Config) -> Result<Self> {
        let settings: Settings = config.parse()?;
        Ok(CpuBound { count: settings.count })
    }

    fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
        // A job owns what it needs: it may run later than this callback, and outlive the client.
        let (client, text, count) = (client.clone(), text.to_owned(), self.count);
        Some(Box::new(move || {
            let counted = (0..count).fold(0, |counted, _| black_box(counted + 1));
            client.send_text(&format!("{text}: counted to {counted}"));
        }))
    }
}

export_engine!(CpuBound);
