//! Static thread-local storage, which allocators such as mimalloc use. The system's loader has little in reserve for
//! libraries that are opened later, and gets none of it back while they stay.

use super::segments::Segments;
use object::{Endianness, elf, pod};
use std::env;

/// glibc's reserve besides the value of [`TUNABLE`], as measured with 2.36.
const FIXED: u64 = 1152;
/// A part of `GLIBC_TUNABLES`, which must be in the environment when the process starts.
pub(super) const TUNABLE: &str = "glibc.rtld.optional_static_tls";
const TUNABLE_DEFAULT: u64 = 512;
/// The number of generations that the advice makes room for.
pub(super) const GENERATIONS: u64 = 32;

/// The bytes of the reserve that each load of a library takes for good, if it takes any.
pub(super) fn taken_by(segments: &Segments<'_>) -> Option<u64> {
    let flagged = segments.value(elf::DT_FLAGS).is_some_and(|flags| flags & u64::from(elf::DF_STATIC_TLS) != 0);
    let is_static = flagged || has_fixed_offsets(segments);
    Some(segments.thread_storage).filter(|bytes| is_static && *bytes > 0)
}

/// Whether the loader must write the offset of a variable from a thread's own address, which is then the same in all
/// threads.
fn has_fixed_offsets(segments: &Segments<'_>) -> bool {
    let fixed = if cfg!(target_arch = "x86_64") {
        elf::R_X86_64_TPOFF64
    } else if cfg!(target_arch = "aarch64") {
        elf::R_AARCH64_TLS_TPREL
    } else if cfg!(target_arch = "riscv64") {
        elf::R_RISCV_TLS_TPREL64
    } else {
        return false;
    };
    let bytes = segments.value(elf::DT_RELA).zip(segments.value(elf::DT_RELASZ));
    let bytes = bytes.and_then(|(address, size)| segments.bytes(address, size)).unwrap_or_default();
    let relocations: &[elf::Rela64<Endianness>] = pod::slice_from_all_bytes(bytes).unwrap_or_default();
    relocations.iter().any(|one| one.r_info.get(segments.endian) & 0xffff_ffff == u64::from(fixed))
}

/// About how many bytes there are for all libraries that a process with this environment opens.
pub(super) fn reserve() -> u64 {
    let tunables = env::var("GLIBC_TUNABLES").unwrap_or_default();
    FIXED.saturating_add(optional(&tunables))
}

/// The part that the environment sets.
fn optional(tunables: &str) -> u64 {
    let told = tunables.split(':').filter_map(|tunable| tunable.split_once('=')).filter(|(name, _)| *name == TUNABLE);
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    told.filter_map(|(_, value)| number(value)).next_back().unwrap_or(TUNABLE_DEFAULT)
}

/// The value for the tunable that makes room for [`GENERATIONS`].
pub(super) fn enough(bytes: u64) -> u64 {
    bytes.saturating_mul(GENERATIONS).checked_next_multiple_of(1024).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_of_the_reserve() {
        assert_eq!(optional(""), 512);
        assert_eq!(optional("glibc.malloc.check=1:glibc.rtld.optional_static_tls=4096"), 4096);
        assert_eq!(optional("glibc.rtld.optional_static_tls=0x1000"), 4096);
        assert_eq!(optional("glibc.rtld.optional_static_tls=much"), 512);
    }

    #[test]
    fn the_advice_makes_room() {
        assert_eq!(enough(344), 11 * 1024);
        assert_eq!(enough(u64::MAX / 2), u64::MAX, "a damaged file may say anything");
    }
}
