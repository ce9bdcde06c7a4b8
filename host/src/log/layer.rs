//! From `tracing`'s macros into the queue: counts each kind of event, and makes a line of each admitted one.

use super::line::Format;
use super::queue::Queue;
use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Puts events into the queue. It uses no thread-locals, which may be gone already.
#[derive(Debug)]
pub(super) struct ToQueue {
    queue: &'static Queue,
    format: Format,
}

impl ToQueue {
    pub(super) fn new(queue: &'static Queue, format: Format) -> Self {
        ToQueue { queue, format }
    }
}

impl<S: Subscriber> Layer<S> for ToQueue {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let kind = kind(event);
        if let Some(counted) = self.queue.with_limits(|limits| limits.admit(kind, metadata, Instant::now())) {
            let (line, message) = self.format.line(event);
            self.queue.with_limits(|limits| limits.note(counted, &message));
            self.queue.push(line);
        } else {
            self.queue.remember();
        }
    }
}

/// The kind of an event: the place that logs it, and the engine, module or kind that it is about.
fn kind(event: &Event<'_>) -> u64 {
    let mut kind = KindHasher(DefaultHasher::new());
    event.metadata().callsite().hash(&mut kind.0);
    event.record(&mut kind);
    kind.0.finish()
}

struct KindHasher(DefaultHasher);

impl Visit for KindHasher {
    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "engine" | "module" | "kind") {
            value.hash(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "kind" {
            let _ = write!(Hashing(&mut self.0), "{value:?}");
        }
    }
}

struct Hashing<'a>(&'a mut DefaultHasher);

impl fmt::Write for Hashing<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.hash(self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    fn logged(format: Format, log: impl FnOnce()) -> Vec<String> {
        let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
        with_default(tracing_subscriber::registry().with(ToQueue::new(queue, format)), log);
        let mut lines = Vec::new();
        let mut left = queue.waiting();
        while left > 0 {
            lines.extend(queue.next(true, Duration::ZERO));
            left -= 1;
        }
        lines
    }

    fn attack() {
        let peer = "1.2.3.4:5\n2026-01-01T00:00:00Z ERROR forged";
        tracing::warn!(peer, count = 3, file = %"/tmp/a\u{1b}[2J", lost = 0.5, "refused: {}", "x\r\ny\u{2028}z");
    }

    #[test]
    fn one_event_is_one_line_whatever_is_in_it() {
        let [line] = &logged(Format::Text { colours: false }, attack)[..] else { panic!("one line") };
        let (time, line) = line.split_once(' ').unwrap();
        humantime::parse_rfc3339(time).unwrap();
        let expected = " WARN refused: x\\r\\ny\\u{2028}z peer=\"1.2.3.4:5\\n2026-01-01T00:00:00Z ERROR forged\" count=3 \
                        file=/tmp/a\\x1b[2J lost=0.5\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn in_json_fields_keep_their_types() {
        let [line] = &logged(Format::Json, attack)[..] else { panic!("one line") };
        assert_eq!(line.lines().count(), 1);
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(json["level"], "WARN");
        assert_eq!(json["message"], "refused: x\r\ny\u{2028}z");
        assert_eq!((&json["count"], &json["lost"]), (&3.into(), &0.5.into()));
        assert_eq!(json["target"], module_path!());
    }

    #[test]
    fn engines_and_kinds_are_limited_apart() {
        let lines = logged(Format::Text { colours: false }, || {
            for _ in 0..100 {
                for engine in ["a", "b"] {
                    for kind in [1007, 1009] {
                        tracing::error!(engine, kind, "closed with {kind}");
                    }
                }
            }
        });
        assert_eq!(lines.len(), 4 * 50);
        assert!(lines.iter().all(|line| !line.contains("kind=")), "{}", lines[0]);
    }
}
