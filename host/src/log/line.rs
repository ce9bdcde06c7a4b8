//! Formats an event as a line, for people or for programs.

use super::escape;
use super::limits::LeftOut;
use std::fmt::{self, Debug, Write};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// The format of lines.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Text { colours: bool },
    Json,
}

/// The field that only names the kind of an event, for its limits.
const KIND: &str = "kind";
const MESSAGE: &str = "message";

impl Format {
    /// The line of an event, with its line feed, and its message.
    pub(super) fn line(self, event: &Event<'_>) -> (String, String) {
        let metadata = event.metadata();
        let mut fields = Fields { json: matches!(self, Format::Json), text: String::new(), message: String::new() };
        event.record(&mut fields);
        let line = self.put_together(*metadata.level(), metadata.target(), &fields.message, &fields.text);
        (line, fields.message)
    }

    /// A line that says that events of a kind were left out.
    pub(super) fn left_out(self, left_out: &LeftOut) -> String {
        let LeftOut { level, target, count, sample } = left_out;
        let fields = if matches!(self, Format::Json) { format!(",\"left_out\":{count}") } else { String::new() };
        self.put_together(*level, target, &format!("{count} more like this were left out: {sample}"), &fields)
    }

    /// A line of the log about itself.
    pub(super) fn note(self, message: &str) -> String {
        self.put_together(Level::WARN, module_path!(), message, "")
    }

    fn put_together(self, level: Level, target: &str, message: &str, fields: &str) -> String {
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let mut line = String::with_capacity(64 + message.len() + fields.len());
        // A String takes everything.
        let _ = match self {
            Format::Text { colours: false } => write!(line, "{now} {level:>5} "),
            Format::Text { colours: true } => write!(line, "\x1b[2m{now}\x1b[0m {}{level:>5}\x1b[0m ", colour(level)),
            Format::Json => write!(line, "{{\"timestamp\":\"{now}\",\"level\":\"{level}\",\"message\":"),
        };
        if let Format::Text { .. } = self {
            escape::push(&mut line, message);
            line.push_str(fields);
        } else {
            escape::push_json(&mut line, message);
            line.push_str(fields);
            line.push_str(",\"target\":");
            escape::push_json(&mut line, target);
            line.push('}');
        }
        line.push('\n');
        line
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// An event's fields, which are escaped already, and its message, which is not.
struct Fields {
    json: bool,
    text: String,
    message: String,
}

impl Fields {
    /// A value that is a number or a truth value.
    fn plain(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let name = field.name();
        if name == KIND {
            return;
        }
        // A String takes everything.
        let _ = if self.json { write!(self.text, ",\"{name}\":{value}") } else { write!(self.text, " {name}={value}") };
    }

    fn words(&mut self, field: &Field, value: &str) {
        let name = field.name();
        if self.json {
            // As above.
            let _ = write!(self.text, ",\"{name}\":");
            escape::push_json(&mut self.text, value);
        } else {
            let _ = write!(self.text, " {name}=");
            escape::push(&mut self.text, value);
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            KIND => {}
            MESSAGE => self.message.push_str(value),
            _ if self.json => self.words(field, value),
            // It is quoted, so that its end is clear.
            _ => self.words(field, &format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            KIND => {}
            // A String takes everything. A value whose formatting fails is shown as far as it goes.
            MESSAGE => _ = write!(self.message, "{value:?}"),
            _ => self.words(field, &format!("{value:?}")),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, format_args!("{value}"));
        } else {
            self.words(field, &value.to_string());
        }
    }
}
