//! A library's file as the system's loader sees it: the addresses of its bytes, and the table that tells the loader
//! what to do with them. This only reads; a part that does not lie where it should is damage.

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf, pod};
use std::ops::Range;

/// More than all addresses that a process can have.
const SPACE: u64 = 1 << 56;

type ElfHeader = elf::FileHeader64<Endianness>;

/// A library as the loader maps it.
#[derive(Debug)]
pub(super) struct Segments<'a> {
    pub(super) endian: Endianness,
    content: &'a [u8],
    loads: Vec<Load>,
    /// The linker's table for the loader, in its order: tag and value.
    pub(super) dynamic: Vec<(i64, u64)>,
    /// The size of each thread's storage, with its alignment.
    pub(super) thread_storage: u64,
    notes: Vec<Range<usize>>,
    /// The address of the index for unwinding.
    pub(super) unwind_index: Option<u64>,
}

/// A part of the file that is mapped.
#[derive(Debug)]
struct Load {
    address: u64,
    /// The size in memory. The bytes after those in the file are zero.
    memory: u64,
    file: Range<usize>,
    flags: u32,
}

impl<'a> Segments<'a> {
    /// # Errors
    ///
    /// The damaged part, in words that continue "as shows in".
    pub(super) fn read(header: &ElfHeader, content: &'a [u8]) -> Result<Self, String> {
        let endian = header.endian().map_err(|_| "its header")?;
        let headers = header.program_headers(endian, content).map_err(|_| "its program headers")?;
        let mut segments = Segments {
            endian,
            content,
            loads: Vec::new(),
            dynamic: Vec::new(),
            thread_storage: 0,
            notes: Vec::new(),
            unwind_index: None,
        };
        let mut dynamic = None;
        for segment in headers {
            let (address, memory) = (segment.p_vaddr(endian), segment.p_memsz(endian));
            let (offset, size) = segment.file_range(endian);
            let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
            let file = usize::try_from(offset).ok().zip(end).map(|(start, end)| start..end);
            let file = file.filter(|file| file.end <= content.len()).ok_or("a segment that is not in the file")?;
            match segment.p_type(endian) {
                elf::PT_LOAD => {
                    let align = segment.p_align(endian).max(1);
                    let congruent = align.is_power_of_two() && address % align == offset % align;
                    let behind = segments.loads.last().is_none_or(|before| before.end() <= Some(address));
                    if !congruent
                        || !behind
                        || size > memory
                        || address.checked_add(memory).is_none_or(|end| end > SPACE)
                    {
                        return Err("segments that do not fit together".into());
                    }
                    segments.loads.push(Load { address, memory, file, flags: segment.p_flags(endian) });
                }
                elf::PT_DYNAMIC => dynamic = Some(file),
                elf::PT_TLS => {
                    let padded = memory.checked_next_multiple_of(segment.p_align(endian).max(1));
                    segments.thread_storage = padded.filter(|size| *size <= SPACE).ok_or("its threads' storage")?;
                }
                elf::PT_NOTE => segments.notes.push(file),
                elf::PT_GNU_EH_FRAME => segments.unwind_index = Some(address),
                _ => {}
            }
        }
        if segments.loads.is_empty() {
            return Err("segments that are missing".into());
        }
        let entries: &[elf::Dyn64<Endianness>] = dynamic
            .and_then(|range| pod::slice_from_all_bytes(&content[range]).ok())
            .ok_or("a dynamic table that is missing")?;
        let entries = entries.iter().map(|entry| (entry.d_tag.get(endian), entry.d_val.get(endian)));
        segments.dynamic = entries.take_while(|(tag, _)| *tag != elf::DT_NULL).collect();
        Ok(segments)
    }

    /// The value of a tag.
    pub(super) fn value(&self, tag: i64) -> Option<u64> {
        self.dynamic.iter().find(|entry| entry.0 == tag).map(|entry| entry.1)
    }

    /// All values of a tag, in order.
    pub(super) fn values(&self, tag: i64) -> impl Iterator<Item = u64> {
        self.dynamic.iter().filter(move |entry| entry.0 == tag).map(|entry| entry.1)
    }

    /// The file's bytes for `size` bytes at an address.
    pub(super) fn bytes(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        self.loads.iter().find_map(|load| {
            let start = usize::try_from(address.checked_sub(load.address)?).ok()?.checked_add(load.file.start)?;
            let end = start.checked_add(usize::try_from(size).ok()?)?;
            if end <= load.file.end { self.content.get(start..end) } else { None }
        })
    }

    /// The file's bytes from an address to the end of its segment.
    pub(super) fn bytes_from(&self, address: u64) -> Option<&'a [u8]> {
        self.loads.iter().find_map(|load| {
            let start = usize::try_from(address.checked_sub(load.address)?).ok()?.checked_add(load.file.start)?;
            self.content.get(start..load.file.end)
        })
    }

    /// Whether the segments have `size` bytes at an address. They may be zero at first.
    pub(super) fn has(&self, address: u64, size: u64) -> bool {
        let Some(end) = address.checked_add(size) else { return false };
        // A table may be empty, and its address may be the one after the last byte.
        self.loads.iter().any(|load| load.address <= address && Some(end) <= load.end())
    }

    /// Whether there is code at an address.
    pub(super) fn has_code(&self, address: u64) -> bool {
        let executable = |load: &&Load| load.flags & elf::PF_X != 0;
        self.loads.iter().filter(executable).any(|load| load.address <= address && Some(address) < load.end())
    }

    /// Whether the loader can write to an address.
    pub(super) fn is_writable(&self, address: u64, size: u64) -> bool {
        let Some(end) = address.checked_add(size) else { return false };
        let writable = |load: &&Load| load.flags & elf::PF_W != 0;
        self.loads.iter().filter(writable).any(|load| load.address <= address && Some(end) <= load.end())
    }

    /// The parts of the file with code.
    pub(super) fn code(&self) -> impl Iterator<Item = &'a [u8]> {
        let executable = |load: &&Load| load.flags & elf::PF_X != 0;
        self.loads.iter().filter(executable).map(|load| &self.content[load.file.clone()])
    }

    /// The parts of the file that are mapped.
    pub(super) fn mapped(&self) -> impl Iterator<Item = Range<usize>> {
        self.loads.iter().map(|load| load.file.clone())
    }

    /// The place of the linker's id of this build, which is made from the content. Most linkers write one.
    pub(super) fn build_id(&self) -> Option<Range<usize>> {
        self.notes.iter().find_map(|range| {
            let mut rest = &self.content[range.clone()];
            loop {
                let (header, behind) = pod::from_bytes::<elf::NoteHeader64<Endianness>>(rest).ok()?;
                let (name, behind) = part(behind, header.n_namesz.get(self.endian))?;
                let (told, behind) = part(behind, header.n_descsz.get(self.endian))?;
                if name == b"GNU\0" && header.n_type.get(self.endian) == elf::NT_GNU_BUILD_ID {
                    // A padded part ends with its padding.
                    let padded = told.len().next_multiple_of(4).min(told.len() + behind.len());
                    let start = range.end - behind.len() - padded;
                    return Some(start..start + told.len());
                }
                rest = behind;
            }
        })
    }
}

impl Load {
    fn end(&self) -> Option<u64> {
        self.address.checked_add(self.memory)
    }
}

/// A part of a note, which is padded to four bytes, and the rest.
fn part(bytes: &[u8], size: u32) -> Option<(&[u8], &[u8])> {
    let size = usize::try_from(size).ok()?;
    let padded = size.checked_next_multiple_of(4)?.min(bytes.len());
    Some((bytes.get(..size)?, bytes.get(padded..)?))
}
