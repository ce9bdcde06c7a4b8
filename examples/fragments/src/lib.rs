//! Fragments: a message is sent part by part, before its length is known. The client gets it as one message.
//!
//! A text comes back in two fragments. `report 500` is answered with a report of 500 lines, which a job writes line by
//! line: neither side ever holds it whole.
//!
//! Try it: `cargo build -p wshost -p fragments && target/debug/wshost --plugin libfragments.so`

use plugin_api::prelude::*;

/// Lines of a report at most.
const MAX_LINES: u32 = 100_000;

struct InFragments;

impl Engine for InFragments {
    type Session = ();

    fn new(_host: Host, _config: &Config) -> Result<Self> {
        Ok(InFragments)
    }

    fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
        if let Some(lines) = text.strip_prefix("report ").and_then(|lines| lines.parse::<u32>().ok()) {
            let client = client.clone();
            return Some(Box::new(move || report(&client, lines.min(MAX_LINES))));
        }
        let middle = (text.len() / 2..).find(|index| text.is_char_boundary(*index)).unwrap_or_default();
        let (first, second) = text.split_at(middle);
        let mut reply = client.text_fragments();
        reply.send(first);
        reply.finish(second);
        None
    }

    fn on_binary(&self, client: &Client, _: &mut (), data: &[u8]) -> Option<Box<dyn Job>> {
        let (first, second) = data.split_at(data.len() / 2);
        let mut reply = client.binary_fragments();
        reply.send(first);
        reply.finish(second);
        None
    }
}

/// Writes a report. What else is sent to the client meanwhile waits until it is finished.
fn report(client: &Client, lines: u32) {
    let mut report = client.text_fragments();
    for line in 1..=lines {
        if report.send(&format!("line {line} of {lines}\n")) != Sent::Sent {
            // The client is gone or does not keep up. An unfinished message cannot be mended: its drop closes the client.
            return;
        }
    }
    report.finish("the end\n");
}

export_engine!(InFragments);
