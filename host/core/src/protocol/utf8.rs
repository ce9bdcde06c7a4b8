//! Text that arrives in parts, each checked as it comes (RFC 6455 sections 5.6 and 8.1).
//!
//! A part may end inside a character, so up to three bytes wait until the rest of the character arrives. It knows
//! nothing of frames: parts may be fragments, or pieces of one.

use super::{Fault, assembly};

/// The whole of `bytes` as text.
#[inline]
pub(super) fn check(bytes: &[u8]) -> Result<&str, Fault> {
    // RFC 6455 section 8.1: an endpoint that finds text that is not UTF-8 "MUST _Fail the WebSocket Connection_".
    simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::TextNotUtf8)
}

/// The text so far of a message in progress.
#[derive(Debug, Default)]
pub(super) struct PartialText {
    text: String,
    /// The first bytes of a character whose end is still to come.
    split: [u8; 4],
    split_len: usize,
}

impl PartialText {
    /// Empty text, in the memory of `room`, which is empty.
    pub(super) fn new(room: Vec<u8>) -> PartialText {
        PartialText { text: String::from_utf8(room).unwrap_or_default(), ..PartialText::default() }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// Bytes so far, including those of an unfinished character.
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.split_len
    }

    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Appends `part`, or refuses it at the first byte that cannot be UTF-8. `most` is the most bytes that the text can
    /// have.
    pub(super) fn append(&mut self, part: &[u8], most: usize) -> Result<(), Fault> {
        let part = self.mend_split(part, most)?;
        let (whole, split) = part.split_at(end_of_whole_characters(part));
        push(&mut self.text, check(whole)?, most);
        self.split_further(split, most)
    }

    /// Declares the text complete. It must not end inside a character.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        if self.split_len == 0 { Ok(()) } else { Err(Fault::TextNotUtf8) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Completes the split character from the front of `part` and returns the rest of it.
    fn mend_split<'a>(&mut self, mut part: &'a [u8], most: usize) -> Result<&'a [u8], Fault> {
        while self.split_len > 0 {
            let Some((byte, rest)) = part.split_first() else {
                break;
            };
            self.split_further(std::slice::from_ref(byte), most)?;
            part = rest;
        }
        Ok(part)
    }

    /// Appends bytes that belong to the split character only.
    fn split_further(&mut self, bytes: &[u8], most: usize) -> Result<(), Fault> {
        let end = self.split_len + bytes.len();
        self.split[self.split_len..end].copy_from_slice(bytes);
        self.split_len = end;
        match std::str::from_utf8(&self.split[..end]) {
            Ok(character) => {
                push(&mut self.text, character, most);
                self.split_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_some() => Err(Fault::TextNotUtf8),
            Err(_) => Ok(()),
        }
    }
}

fn push(text: &mut String, more: &str, most: usize) {
    text.reserve_exact(assembly::growth(text.len(), text.capacity(), more.len(), most));
    text.push_str(more);
}

/// The start of the last character of `part` if its first byte promises more bytes than are there, else the end.
fn end_of_whole_characters(part: &[u8]) -> usize {
    for (behind, byte) in part.iter().rev().take(3).enumerate() {
        let promised = match byte {
            0x80..=0xBF => continue,
            0x00..=0x7F => 1,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
        };
        return if promised > behind + 1 { part.len() - behind - 1 } else { part.len() };
    }
    part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "aé€😀 κόσμε \u{10FFFF}\u{FFFF}z";

    #[test]
    fn text_may_be_split_anywhere() {
        for first in 0..=MIXED.len() {
            for second in first..=MIXED.len() {
                let mut text = PartialText::default();
                for range in [0..first, first..second, second..MIXED.len()] {
                    text.append(&MIXED.as_bytes()[range], usize::MAX).unwrap();
                }
                assert_eq!(text.finish(), Ok(()));
                assert_eq!(text.as_str(), MIXED);
                assert_eq!(text.len(), MIXED.len());
            }
        }
    }

    #[test]
    fn a_bad_byte_is_refused_when_it_comes_and_not_before() {
        for (good, bad) in [
            (&b"ab"[..], 0xFF),
            (b"ab", 0x80),
            (b"ab", 0xC0),
            (b"\xC3", b'a'),
            (b"\xE0", 0x9F), // overlong
            (b"\xED", 0xA0), // a surrogate
            (b"\xF4", 0x90), // beyond U+10FFFF
            (b"\xF0\x9F\x98", b' '),
            (b"ab", 0xF5),
        ] {
            let mut text = PartialText::default();
            for byte in good {
                assert_eq!(text.append(&[*byte], usize::MAX), Ok(()));
            }
            assert_eq!(text.append(&[bad], usize::MAX), Err(Fault::TextNotUtf8), "{good:x?} {bad:x}");

            let mut text = PartialText::default();
            assert_eq!(text.append(&[good, &[bad]].concat(), usize::MAX), Err(Fault::TextNotUtf8));
        }
    }

    #[test]
    fn text_must_not_end_inside_a_character() {
        let mut text = PartialText::default();
        text.append("€".as_bytes().split_last().unwrap().1, usize::MAX).unwrap();
        assert_eq!(text.finish(), Err(Fault::TextNotUtf8));
    }
}
