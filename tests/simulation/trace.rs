//! What happened in a run, line by line, if anybody wants to know.

use std::fmt::{self, Write as _};
use std::io::Write as _;

/// A text in which each number, however long, is `#`.
pub fn without_numbers(text: &str) -> String {
    let mut without = text.replace(|character: char| character.is_ascii_digit(), "#");
    while without.contains("##") {
        without = without.replace("##", "#");
    }
    without
}

/// The lines of a run.
#[derive(Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
    aloud: bool,
}

impl Trace {
    /// One that keeps its lines.
    pub fn kept() -> Trace {
        Trace { lines: Some(Vec::new()), aloud: false }
    }

    /// One that also prints them as they come.
    pub fn aloud() -> Trace {
        Trace { lines: Some(Vec::new()), aloud: true }
    }

    /// Whether lines are wanted.
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// Adds a line, of what happened so many milliseconds after the start.
    pub fn add(&mut self, at: u64, what: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            let mut line = String::new();
            let _ = write!(line, "{:>4}.{:03} {what}", at / 1000, at % 1000);
            if self.aloud {
                // Whoever reads it may have seen enough.
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            lines.push(line);
        }
    }

    /// All lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
