//! Names of people and rooms: what is one, and which two are the same.

use crate::refusal::Refusal;

/// Characters of a room's name at most. In UTF-8 that fits a group's name, 255 bytes.
pub const MAX_ROOM: usize = 32;

/// The room of those who name none.
pub const LOBBY: &str = "lobby";

/// A checked name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As people see it.
    pub shown: String,
    /// In lower case: two names with the same key are the same.
    pub key: String,
}

impl Name {
    /// The name of a person: white space around it is cut off, and inside it becomes one space.
    ///
    /// # Errors
    ///
    /// It is empty, longer than `max` characters, or changes how the text around it is shown.
    pub fn person(given: &str, max: usize) -> Result<Name, Refusal> {
        let mut shown = String::new();
        let mut length = 0;
        for word in given.split_whitespace() {
            if length > 0 {
                shown.push(' ');
                length += 1;
            }
            length += word.chars().count();
            if length > max {
                return Err(Refusal::NameTooLong(max));
            }
            shown.push_str(word);
        }
        if shown.chars().any(|character| character.is_control() || turns_others(character)) {
            return Err(Refusal::NameBad);
        }
        // What nobody sees makes no difference. It may stay: emoji are made of such.
        let key: String = shown.to_lowercase().chars().filter(|character| !is_invisible(*character)).collect();
        if key.trim().is_empty() { Err(Refusal::NameEmpty) } else { Ok(Name { shown, key }) }
    }

    /// The name of a room, always in lower case.
    ///
    /// # Errors
    ///
    /// It is empty, too long, or has other characters than letters, digits, `-` and `_`.
    pub fn room(given: &str) -> Result<Name, Refusal> {
        let key = given.trim().to_lowercase();
        let fits = key.chars().all(|character| character.is_alphanumeric() || matches!(character, '-' | '_'));
        if key.is_empty() || !fits || key.chars().count() > MAX_ROOM {
            return Err(Refusal::RoomBad(MAX_ROOM));
        }
        Ok(Name { shown: key.clone(), key })
    }
}

/// Whether this character changes the direction in which others are written.
fn turns_others(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether nothing is seen of this character: with it, two different names look the same.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(given: &str) -> Result<String, Refusal> {
        Name::person(given, 8).map(|name| name.shown)
    }

    #[test]
    fn names_of_people_are_tidied() {
        assert_eq!(person("Ann").as_deref(), Ok("Ann"));
        assert_eq!(person("  Ann \t B. ").as_deref(), Ok("Ann B."));
        assert_eq!(person("Éva 😀").as_deref(), Ok("Éva 😀"));
        assert_eq!(person("12345678").as_deref(), Ok("12345678"));
        assert_eq!(Name::person("ÉVA", 8).unwrap().key, Name::person("éva", 8).unwrap().key);
    }

    #[test]
    fn names_that_nobody_can_read_are_refused() {
        assert_eq!(person(""), Err(Refusal::NameEmpty));
        assert_eq!(person(" \n "), Err(Refusal::NameEmpty));
        assert_eq!(person("123456789"), Err(Refusal::NameTooLong(8)));
        assert_eq!(person("1234 6789"), Err(Refusal::NameTooLong(8)));
        for bad in ["A\u{0}nn", "\u{202e}nnA", "A\u{7f}", "\u{2067}"] {
            assert_eq!(person(bad), Err(Refusal::NameBad), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_makes_no_other_name() {
        let key = |given| Name::person(given, 8).map(|name| name.key);
        assert_eq!(key("A\u{200b}nn\u{feff}").as_deref(), Ok("ann"));
        assert_eq!(person("👩\u{200d}💻 ❤\u{fe0f}").as_deref(), Ok("👩\u{200d}💻 ❤\u{fe0f}"));
        for empty in ["\u{3164}", "\u{200b} \u{200b}"] {
            assert_eq!(person(empty), Err(Refusal::NameEmpty), "{empty:?}");
        }
    }

    #[test]
    fn names_of_rooms_are_plain() {
        assert_eq!(Name::room("Rust-2024_b").unwrap().key, "rust-2024_b");
        assert_eq!(Name::room("käse").unwrap().shown, "käse");
        assert!(Name::room(&"x".repeat(MAX_ROOM)).is_ok());
        for bad in ["", " ", "a b", "a/b", "../x", "<b>", &"x".repeat(MAX_ROOM + 1)] {
            assert_eq!(Name::room(bad), Err(Refusal::RoomBad(MAX_ROOM)), "{bad:?}");
        }
    }
}
