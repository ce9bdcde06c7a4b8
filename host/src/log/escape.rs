//! Text from strangers in a line of the log: whatever it contains, the line stays one line, and the text stays visible.

use std::fmt::Write;

/// The most bytes of one text in a line. Longer text belongs into a file.
const LONGEST: usize = 16 * 1024;

/// Adds a text to a line of text. Characters that could end the line, control a terminal or change the direction of
/// text are escaped as in Rust and C.
pub(crate) fn push(line: &mut impl Write, text: &str) {
    let (text, more) = cut(text);
    for letter in text.chars() {
        match letter {
            '\n' => put(line, "\\n"),
            '\r' => put(line, "\\r"),
            '\t' => put(line, "\\t"),
            letter if is_unsafe(letter) && letter.is_ascii() => {
                push_formatted(line, format_args!("\\x{:02x}", letter as u32))
            }
            letter if is_unsafe(letter) => push_formatted(line, format_args!("\\u{{{:x}}}", letter as u32)),
            letter => put(line, letter.encode_utf8(&mut [0; 4])),
        }
    }
    if more > 0 {
        push_formatted(line, format_args!("... ({more} bytes more)"));
    }
}

/// Adds a text to a line of JSON, with its quotes.
pub(super) fn push_json(line: &mut String, text: &str) {
    line.push('"');
    push_within_json(line, text);
    line.push('"');
}

/// Adds a text to a quoted string in a line of JSON.
pub(crate) fn push_within_json(line: &mut impl Write, text: &str) {
    let (text, more) = cut(text);
    for letter in text.chars() {
        match letter {
            '"' => put(line, "\\\""),
            '\\' => put(line, "\\\\"),
            '\n' => put(line, "\\n"),
            '\r' => put(line, "\\r"),
            '\t' => put(line, "\\t"),
            // All of them have four hexadecimal digits.
            letter if is_unsafe(letter) => push_formatted(line, format_args!("\\u{:04x}", letter as u32)),
            letter => put(line, letter.encode_utf8(&mut [0; 4])),
        }
    }
    if more > 0 {
        push_formatted(line, format_args!("... ({more} bytes more)"));
    }
}

/// Control characters (C0, DEL, C1), separators of lines and paragraphs, characters that change the direction of text,
/// and invisible ones.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The start of the text, and how many bytes are left out.
pub(super) fn cut(text: &str) -> (&str, usize) {
    let whole = shortened(text, LONGEST);
    (whole, text.len() - whole.len())
}

/// The start of the text, up to a character that ends within this many bytes.
pub(super) fn shortened(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

fn put(line: &mut impl Write, text: &str) {
    // A String takes everything, and the last line of a process takes as much as fits.
    let _ = line.write_str(text);
}

fn push_formatted(line: &mut impl Write, text: std::fmt::Arguments<'_>) {
    // As above.
    let _ = line.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        let mut line = String::new();
        push(&mut line, text);
        line
    }

    #[test]
    fn nothing_in_a_text_ends_the_line_or_steers_the_terminal() {
        assert_eq!(text("a\r\nERROR forged\tb"), "a\\r\\nERROR forged\\tb");
        assert_eq!(text("\u{1b}[31m\u{7f}\u{0}\u{8}"), "\\x1b[31m\\x7f\\x00\\x08");
        assert_eq!(text("\u{85}\u{9b}31m"), "\\u{85}\\u{9b}31m");
        assert_eq!(text("a\u{2028}b\u{2029}c\u{b}d\u{c}"), "a\\u{2028}b\\u{2029}c\\x0bd\\x0c");
        assert_eq!(text("\u{202e}gnp\u{2066}\u{200f}\u{feff}"), "\\u{202e}gnp\\u{2066}\\u{200f}\\u{feff}");
        assert_eq!(text("Füße, 日本, 🎉 \"quoted\" \\"), "Füße, 日本, 🎉 \"quoted\" \\");
    }

    #[test]
    fn every_text_is_one_line_of_json_that_says_the_same() {
        for letter in (0..=0xffff).filter_map(char::from_u32) {
            let mut line = String::new();
            push_json(&mut line, &String::from(letter));
            assert!(!line.contains(is_unsafe), "{line}");
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), String::from(letter));
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_letter() {
        let long = "é".repeat(LONGEST);
        let line = text(&long);
        assert!(line.len() < LONGEST + 40 && line.ends_with(&format!("é... ({LONGEST} bytes more)")), "{}", line.len());
    }
}
