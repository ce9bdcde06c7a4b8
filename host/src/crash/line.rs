//! A line in memory that exists from the start, since it is made when nothing may be allocated.

// The line is a static that is written without a lock.
#![allow(unsafe_code)]

use crate::log::escape;
use std::cell::UnsafeCell;
use std::fmt::{self, Write};
use std::time::SystemTime;

/// The most that a pipe takes at once.
const LONGEST: usize = 4096;

/// A line, of text or JSON.
pub(super) struct Line {
    bytes: [u8; LONGEST],
    length: usize,
    json: bool,
}

struct Place(UnsafeCell<Line>);

// SAFETY: only `with_line` uses it, and its callers ensure that it is called once.
unsafe impl Sync for Place {}

static LINE: Place = Place(UnsafeCell::new(Line { bytes: [0; LONGEST], length: 0, json: false }));

/// Makes the line of this process. Only the first thread that is about to end the process may call it.
pub(super) fn with_line(json: bool, make: impl FnOnce(&mut Line)) {
    // SAFETY: there is one caller, once.
    let line = unsafe { &mut *LINE.0.get() };
    line.json = json;
    line.begin();
    make(line);
}

impl Line {
    fn begin(&mut self) {
        self.length = 0;
        // Like all formatting here, it neither allocates nor takes a lock.
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let _ = if self.json {
            write!(Raw(self), "{{\"timestamp\":\"{now}\",\"level\":\"ERROR\",\"message\":\"")
        } else {
            write!(Raw(self), "{now} ERROR ")
        };
    }

    /// The whole line.
    pub(super) fn finish(&mut self) -> &[u8] {
        // `Raw` leaves room for the end.
        let end: &[u8] = if self.json { b"\",\"target\":\"wshost::crash\"}\n" } else { b"\n" };
        let length = self.length.min(LONGEST - end.len());
        self.bytes[length..length + end.len()].copy_from_slice(end);
        &self.bytes[..length + end.len()]
    }
}

/// Text from strangers is escaped.
impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.json {
            escape::push_within_json(&mut Raw(self), text);
        } else {
            escape::push(&mut Raw(self), text);
        }
        Ok(())
    }
}

/// Adds bytes unescaped, as far as they fit, and leaves room for the end.
struct Raw<'a>(&'a mut Line);

impl Write for Raw<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let line = &mut *self.0;
        let room = (LONGEST - 64).saturating_sub(line.length);
        if text.len() > room {
            // Each call adds a whole letter or escape, so none is torn.
            return Err(fmt::Error);
        }
        line.bytes[line.length..line.length + text.len()].copy_from_slice(text.as_bytes());
        line.length += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: bool, text: &str) -> String {
        let mut line = Line { bytes: [0; LONGEST], length: 0, json };
        line.begin();
        line.write_str(text).unwrap();
        String::from_utf8(line.finish().to_vec()).unwrap()
    }

    #[test]
    fn it_is_one_line_of_its_format() {
        let text = line(false, "crashed\n\u{1b}[2J \"x\"");
        assert!(text.ends_with(" ERROR crashed\\n\\x1b[2J \"x\"\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&line(true, "crashed\n\u{1b}[2J \"x\"")).unwrap();
        assert_eq!((&json["message"], &json["level"]), (&"crashed\n\u{1b}[2J \"x\"".into(), &"ERROR".into()));
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        for json in [false, true] {
            let line = line(json, &"é\n".repeat(LONGEST));
            assert!(line.len() <= LONGEST && line.ends_with('\n') && line.lines().count() == 1);
            assert!(!json || serde_json::from_str::<serde_json::Value>(&line).is_ok());
        }
    }
}
