//! Checks whether a library is whole, as far as reading its file can tell.
//!
//! The system's loader trusts the file: a table that leads elsewhere, or zeros in its place, crash the process that
//! opens it. So the tables that the loader uses are followed here first, and code must have no long run of zeros. This
//! does not find damage to constants, to single instructions, and to the names of versions.

use super::segments::Segments;
use object::{Endianness, elf, pod};

/// Code never has this many zeros in a row, and files lose whole blocks.
const BLANK: usize = 2048;

type Relocation = elf::Rela64<Endianness>;
type Symbol = elf::Sym64<Endianness>;

/// Follows everything that the loader follows.
///
/// # Errors
///
/// The damaged part.
pub(super) fn check(segments: &Segments<'_>) -> Result<(), String> {
    let strings = table(segments, elf::DT_STRTAB, elf::DT_STRSZ)?.ok_or("names that are missing")?;
    if strings.first() != Some(&0) || strings.last() != Some(&0) {
        return Err("its names".into());
    }
    let named = |offset: u64| usize::try_from(offset).is_ok_and(|offset| offset < strings.len());
    for tag in [elf::DT_NEEDED, elf::DT_SONAME, elf::DT_RPATH, elf::DT_RUNPATH] {
        if !segments.values(tag).all(named) {
            return Err("the name of a library that it needs".into());
        }
    }
    let symbols = check_symbols(segments, named)?;
    check_hash(segments, symbols)?;
    check_relocations(segments, symbols)?;
    check_initialisers(segments)?;
    check_unwinding(segments)
}

/// Looks for long runs of zeros in these parts of the file.
///
/// # Errors
///
/// There is one.
pub(super) fn check_code<'a>(mut code: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
    if code.any(is_blank_somewhere) { Err("holes in its code".into()) } else { Ok(()) }
}

/// Whether there is a long run of zeros.
fn is_blank_somewhere(code: &[u8]) -> bool {
    // A run of this length covers one of these positions; look to both sides from there.
    let mut at = BLANK - 1;
    while let Some(byte) = code.get(at) {
        if *byte == 0 {
            let before = code[..at].iter().rev().take(BLANK).take_while(|byte| **byte == 0).count();
            let behind = code[at..].iter().take(BLANK).take_while(|byte| **byte == 0).count();
            if before + behind >= BLANK {
                return true;
            }
        }
        at += BLANK;
    }
    false
}

/// A table whose address and size are entries of the dynamic table. `None` if there is none.
fn table<'a>(segments: &Segments<'a>, address: i64, size: i64) -> Result<Option<&'a [u8]>, String> {
    match (segments.value(address), segments.value(size)) {
        (None, _) => Ok(None),
        (Some(_), None) => Err("a table without a size".into()),
        (Some(address), Some(size)) => {
            segments.bytes(address, size).map(Some).ok_or_else(|| "a table that is not in the file".to_owned())
        }
    }
}

/// Checks the symbols, and returns their number, or `None` if it is unknown.
fn check_symbols(segments: &Segments<'_>, named: impl Fn(u64) -> bool) -> Result<Option<u64>, String> {
    let address = segments.value(elf::DT_SYMTAB).ok_or("symbols that are missing")?;
    let endian = segments.endian;
    let Some(count) = count_symbols(segments)? else { return Ok(None) };
    let size = count.checked_mul(size_of::<Symbol>() as u64).ok_or("the number of its symbols")?;
    let symbols: &[Symbol] = segments
        .bytes(address, size)
        .and_then(|bytes| pod::slice_from_all_bytes(bytes).ok())
        .ok_or("symbols that are not in the file")?;
    let is_sound = |(number, symbol): (usize, &Symbol)| {
        let (section, value) = (symbol.st_shndx.get(endian), symbol.st_value.get(endian));
        let kind = symbol.st_info & 0xf;
        let is_nothing = symbol.st_name.get(endian) == 0 && symbol.st_info == 0 && value == 0;
        let is_address = !matches!(section, elf::SHN_UNDEF | elf::SHN_ABS) && kind != elf::STT_TLS;
        named(u64::from(symbol.st_name.get(endian)))
            && is_nothing == (number == 0)
            && (!is_address || segments.has(value, 0))
            && (section == elf::SHN_UNDEF || kind != elf::STT_FUNC || segments.has_code(value))
    };
    if count == 0 || !symbols.iter().enumerate().all(is_sound) {
        return Err("its symbols".into());
    }
    Ok(Some(count))
}

fn count_symbols(segments: &Segments<'_>) -> Result<Option<u64>, String> {
    let endian = segments.endian;
    if let Some(address) = segments.value(elf::DT_HASH) {
        let header = words(segments, address, 2).ok_or("its table of symbols")?;
        return Ok(Some(u64::from(header[1].get(endian))));
    }
    let Some(gnu) = GnuHash::read(segments)? else { return Ok(None) };
    let Some(last) = gnu.buckets.iter().map(|bucket| bucket.get(endian)).max().filter(|last| *last >= gnu.base) else {
        return Ok(if gnu.buckets.iter().all(|bucket| bucket.get(endian) == 0) { None } else { Some(0) });
    };
    let rest = gnu.chains.get(usize::try_from(last - gnu.base).unwrap_or(usize::MAX)..).unwrap_or_default();
    let length = rest.iter().position(|link| link.get(endian) & 1 == 1).ok_or("its table of symbols")?;
    Ok(Some(u64::from(last) + length as u64 + 1))
}

/// Checks the tables for looking up symbols.
fn check_hash(segments: &Segments<'_>, symbols: Option<u64>) -> Result<(), String> {
    let endian = segments.endian;
    if let Some(gnu) = GnuHash::read(segments)? {
        let first = |bucket: &elf_word::Word| bucket.get(endian);
        let is_link =
            |first: u32| first == 0 || (first >= gnu.base && symbols.is_none_or(|all| u64::from(first) < all));
        if gnu.buckets.is_empty() || !gnu.buckets.iter().map(first).all(is_link) {
            return Err("its table of symbols".into());
        }
    }
    if let Some(address) = segments.value(elf::DT_HASH) {
        let header = words(segments, address, 2).ok_or("its table of symbols")?;
        let (buckets, links) = (header[0].get(endian), header[1].get(endian));
        let all = words(segments, address + 8, u64::from(buckets) + u64::from(links)).ok_or("its table of symbols")?;
        if buckets == 0 || all.iter().any(|number| number.get(endian) >= links) {
            return Err("its table of symbols".into());
        }
    }
    if let Some(address) = segments.value(elf::DT_VERSYM) {
        let size = symbols.unwrap_or_default() * 2;
        segments.bytes(address, size).ok_or("the versions of its symbols")?;
    }
    check_versions(segments, (elf::DT_VERNEED, elf::DT_VERNEEDNUM), 12)?;
    check_versions(segments, (elf::DT_VERDEF, elf::DT_VERDEFNUM), 16)
}

/// Follows a list of versions. Each entry begins with its own version, and has the offset of the next entry at `next`.
fn check_versions(segments: &Segments<'_>, (list, count): (i64, i64), next: usize) -> Result<(), String> {
    let Some(mut address) = segments.value(list) else { return Ok(()) };
    for _ in 0..segments.value(count).unwrap_or_default() {
        let entry = segments.bytes(address, next as u64 + 4).ok_or("the versions that it needs")?;
        if u16::from_ne_bytes([entry[0], entry[1]]) != 1 {
            return Err("the versions that it needs".into());
        }
        match word(&entry[next..]) {
            0 => break,
            next => address = address.checked_add(next.into()).ok_or("the versions that it needs")?,
        }
    }
    Ok(())
}

/// The number at the start.
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |word| u32::from_ne_bytes(*word))
}

/// Checks the places that the loader writes to, and the values.
fn check_relocations(segments: &Segments<'_>, symbols: Option<u64>) -> Result<(), String> {
    let endian = segments.endian;
    // These may include relocations in read-only parts, which the loader makes writable for a while.
    let anywhere = segments.value(elf::DT_TEXTREL).is_some()
        || segments.value(elf::DT_FLAGS).is_some_and(|flags| flags & u64::from(elf::DF_TEXTREL) != 0);
    for (address, size) in [(elf::DT_RELA, elf::DT_RELASZ), (elf::DT_JMPREL, elf::DT_PLTRELSZ)] {
        let Some(bytes) = table(segments, address, size)? else { continue };
        let relocations: &[Relocation] = pod::slice_from_all_bytes(bytes).map_err(|()| "its relocations")?;
        let mut nothing = 0;
        for relocation in relocations {
            let info = relocation.r_info.get(endian);
            let (kind, symbol) = (info & 0xffff_ffff, info >> 32);
            if kind == 0 {
                nothing += 1;
                // Some linkers leave a few zeros.
                if nothing * size_of::<Relocation>() >= BLANK {
                    return Err("holes in its relocations".into());
                }
                continue;
            }
            let relative = Some(kind) == relative();
            let place = relocation.r_offset.get(endian);
            let target = relocation.r_addend.get(endian).cast_unsigned();
            let is_place = |place| segments.is_writable(place, 8) || (anywhere && segments.has(place, 8));
            let known = symbols.is_none_or(|all| symbol < all) || symbol == 0;
            if !known || !is_place(place) || (relative && !segments.has(target, 0)) {
                return Err("relocations that lead out of it".into());
            }
        }
    }
    // Each address is followed by a bitmap, whose form says little.
    table(segments, elf::DT_RELR, elf::DT_RELRSZ)?;
    Ok(())
}

/// The kind of relocation that adds the library's address.
fn relative() -> Option<u64> {
    if cfg!(target_arch = "x86_64") {
        Some(elf::R_X86_64_RELATIVE.into())
    } else if cfg!(target_arch = "aarch64") {
        Some(elf::R_AARCH64_RELATIVE.into())
    } else if cfg!(target_arch = "riscv64") {
        Some(elf::R_RISCV_RELATIVE.into())
    } else {
        None
    }
}

/// Checks the functions that the loader calls.
fn check_initialisers(segments: &Segments<'_>) -> Result<(), String> {
    for tag in [elf::DT_INIT, elf::DT_FINI] {
        if !segments.values(tag).all(|address| segments.has_code(address)) {
            return Err("initialisers that are no code".into());
        }
    }
    for (address, size) in [(elf::DT_INIT_ARRAY, elf::DT_INIT_ARRAYSZ), (elf::DT_FINI_ARRAY, elf::DT_FINI_ARRAYSZ)] {
        let Some(bytes) = table(segments, address, size)? else { continue };
        let start = segments.value(address).unwrap_or_default();
        let range = start..start + bytes.len() as u64;
        // The relocations put the called addresses there.
        let Some(relocations) = table(segments, elf::DT_RELA, elf::DT_RELASZ)? else { continue };
        let relocations: &[Relocation] = pod::slice_from_all_bytes(relocations).map_err(|()| "its relocations")?;
        let mut of_array = relocations.iter().filter(|one| range.contains(&one.r_offset.get(segments.endian)));
        let is_code = |one: &Relocation| {
            let kind = one.r_info.get(segments.endian) & 0xffff_ffff;
            Some(kind) != relative() || segments.has_code(one.r_addend.get(segments.endian).cast_unsigned())
        };
        if !of_array.all(is_code) {
            return Err("initialisers that are no code".into());
        }
    }
    Ok(())
}

/// Checks the index for panics: pairs of an address in the code and an address of its description, in order.
fn check_unwinding(segments: &Segments<'_>) -> Result<(), String> {
    /// Version 1, and the encodings that linkers use: relative to here, and to the start of the index.
    const USUAL: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    let Some(address) = segments.unwind_index else { return Ok(()) };
    let head = segments.bytes(address, 12).ok_or("its table for unwinding")?;
    if head[0] != USUAL[0] {
        return Err("its table for unwinding".into());
    }
    if head[..4] != USUAL {
        return Ok(());
    }
    let count = u64::from(word(&head[8..]));
    let entries = segments.bytes(address + 12, count * 8).ok_or("its table for unwinding")?;
    let mut before = i32::MIN;
    for entry in entries.chunks_exact(8) {
        let (code, description) = (word(entry).cast_signed(), word(&entry[4..]).cast_signed());
        let at = |offset: i32| address.wrapping_add_signed(i64::from(offset));
        if code < before || !segments.has_code(at(code)) || segments.bytes(at(description), 8).is_none() {
            return Err("its table for unwinding".into());
        }
        before = code;
    }
    Ok(())
}

/// The newer table for looking up symbols.
struct GnuHash<'a> {
    /// The first symbol in it.
    base: u32,
    buckets: &'a [elf_word::Word],
    chains: &'a [elf_word::Word],
}

mod elf_word {
    /// A number in the file.
    pub(super) type Word = object::U32<object::Endianness>;
}

impl<'a> GnuHash<'a> {
    fn read(segments: &Segments<'a>) -> Result<Option<GnuHash<'a>>, String> {
        let Some(address) = segments.value(elf::DT_GNU_HASH) else { return Ok(None) };
        let endian = segments.endian;
        let head = words(segments, address, 4).ok_or("its table of symbols")?;
        let [count, base, filters] = [0, 1, 2].map(|index| head[index].get(endian));
        if count == 0 || !filters.is_power_of_two() {
            return Err("its table of symbols".into());
        }
        let address = address + 16 + 8 * u64::from(filters);
        let buckets = words(segments, address, count.into()).ok_or("its table of symbols")?;
        let rest = segments.bytes_from(address + 4 * u64::from(count)).unwrap_or_default();
        let chains = pod::slice_from_bytes(rest, rest.len() / 4).map_or(&[][..], |chains| chains.0);
        Ok(Some(GnuHash { base, buckets, chains }))
    }
}

fn words<'a>(segments: &Segments<'a>, address: u64, count: u64) -> Option<&'a [elf_word::Word]> {
    pod::slice_from_all_bytes(segments.bytes(address, count.checked_mul(4)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_of_zeros_is_found_wherever_it_lies() {
        for start in [0, 1, 1000, 2047, 2048, 5000, 10_000 - BLANK] {
            let mut code = vec![0xc3; 10_000];
            code[start..start + BLANK - 1].fill(0);
            assert!(!is_blank_somewhere(&code), "{start}");
            code[start..start + BLANK].fill(0);
            assert!(is_blank_somewhere(&code), "{start}");
        }
        assert!(!is_blank_somewhere(&[0; BLANK - 1]));
    }
}
