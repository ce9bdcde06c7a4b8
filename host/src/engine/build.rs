//! Which build a library is, and whether it still is as it was built.
//!
//! Most linkers write a build id: a number that they make of what they have linked. So two files with one id and different
//! content cannot both be as they were linked.

use super::segments::Segments;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

/// What may differ between files of one build: where the table of sections is, which tools that strip files move.
const SECTION_FIELDS: [Range<usize>; 2] = [40..48, 58..64];

/// A build: its id, and what is loaded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    id: Vec<u8>,
    content: u64,
}

impl Build {
    /// `None`: the file has no id.
    pub(super) fn of(segments: &Segments<'_>, content: &[u8]) -> Option<Build> {
        let id = segments.build_id()?.to_owned();
        let mut hasher = DefaultHasher::new();
        for range in segments.mapped() {
            let mut at = range.start;
            for field in SECTION_FIELDS.iter().filter(|field| range.start <= field.start && field.end <= range.end) {
                hasher.write(&content[at..field.start]);
                at = field.end;
            }
            hasher.write(&content[at..range.end]);
        }
        Some(Build { id, content: hasher.finish() })
    }

    /// Whether one of the two is damaged: they say that they are the same, and are not.
    pub fn contradicts(&self, other: &Build) -> bool {
        self.id == other.id && self.content != other.content
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
