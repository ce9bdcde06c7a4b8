//! Identifies the build of a library, and tells whether the file is still as it was built.
//!
//! Most linkers write a build id, a number made from the linked content. So two files with the same id and different
//! content cannot both be as they were linked. We know how LLD, which comes with rustc, makes the id: it covers every
//! byte of the file, so a single file shows whether it is still as it was linked. Tools that strip or patch files do
//! not renew the id.

use super::segments::Segments;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

/// The bytes that may differ between files of one build: the place of the section table, which stripping moves.
const SECTION_FIELDS: [Range<usize>; 2] = [40..48, 58..64];

/// The text by which LLD marks a file that it has linked.
const LLD: &[u8] = b"Linker: LLD";
/// The size of an id that we can verify.
const ID_SIZE: usize = 20;

/// A build: its id, and its loaded content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    id: Vec<u8>,
    content: u64,
    /// Whether the id matches the content, as LLD makes it.
    agrees: bool,
    /// Whether the file says that LLD has linked it.
    by_lld: bool,
}

impl Build {
    /// Returns `None` if the file has no id. `comment` is the section in which compilers and linkers leave their names.
    pub(super) fn of(segments: &Segments<'_>, content: &[u8], comment: &[u8]) -> Option<Build> {
        let place = segments.build_id()?;
        let id = content[place.clone()].to_owned();
        let agrees = made_by_lld(content, place).is_some_and(|made| made == id);
        let by_lld = comment.windows(LLD.len()).any(|part| part == LLD);
        let mut hasher = DefaultHasher::new();
        for range in segments.mapped() {
            let mut at = range.start;
            for field in SECTION_FIELDS.iter().filter(|field| range.start <= field.start && field.end <= range.end) {
                hasher.write(&content[at..field.start]);
                at = field.end;
            }
            hasher.write(&content[at..range.end]);
        }
        Some(Build { id, content: hasher.finish(), agrees, by_lld })
    }

    /// Whether one of the two is damaged: they have the same id and different content.
    pub(crate) fn contradicts(&self, other: &Build) -> bool {
        self.id == other.id && self.content != other.content
    }

    /// Whether the file is as it was linked, to the last byte.
    pub fn is_as_linked(&self) -> bool {
        self.agrees
    }

    /// Whether it is no longer as it was linked, which means damaged, stripped or patched.
    pub fn is_changed(&self) -> bool {
        self.by_lld && self.id.len() == ID_SIZE && !self.agrees
    }
}

/// The id that LLD makes for this content, with the id at this place: the shortened hash of the hashes of its pieces,
/// with zeros in place of the id.
fn made_by_lld(content: &[u8], id: Range<usize>) -> Option<Vec<u8>> {
    const PIECE: usize = 1 << 20;
    if id.len() != ID_SIZE || id.end > PIECE.min(content.len()) {
        return None;
    }
    let mut hashes = Vec::with_capacity((content.len() / PIECE + 1) * ID_SIZE);
    for (number, piece) in content.chunks(PIECE).enumerate() {
        let mut hasher = blake3::Hasher::new();
        if number == 0 {
            hasher.update(&piece[..id.start]).update(&[0; ID_SIZE]).update(&piece[id.end..]);
        } else {
            hasher.update(piece);
        }
        hashes.extend_from_slice(&hasher.finalize().as_bytes()[..ID_SIZE]);
    }
    Some(blake3::hash(&hashes).as_bytes()[..ID_SIZE].to_vec())
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::Endianness;
    use object::read::elf::FileHeader;

    fn build(content: &[u8]) -> Option<Build> {
        let header = object::elf::FileHeader64::<Endianness>::parse(content).unwrap();
        Build::of(&Segments::read(header, content).unwrap(), content, LLD)
    }

    /// The linker of engines also links this program. It need not be LLD.
    #[test]
    fn a_byte_that_has_changed_shows_if_the_linker_is_lld() {
        let mut program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let Some(whole) = build(&program).filter(Build::is_as_linked) else { return };
        assert!(!whole.is_changed() && !whole.contradicts(&whole));
        for at in [program.len() - 1, program.len() / 2, (1 << 20) + 1] {
            program[at] ^= 1;
            let changed = build(&program).unwrap();
            assert!(changed.is_changed() && !changed.is_as_linked(), "{at}");
            program[at] ^= 1;
        }
    }
}
