//! The addresses of the engines' code, which tell whose crash it is if it happens outside of all calls.

// This uses the loader's list of libraries, and a list of our own that a signal's handler can read.
#![allow(unsafe_code)]

use libc::{c_int, c_void, dl_phdr_info};
use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

/// The code of one library. Like the library, it is never unloaded.
pub(super) struct Code {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    begin: usize,
    end: usize,
    next: *const Code,
}

/// All codes, the newest first.
static CODES: AtomicPtr<Code> = AtomicPtr::new(null_mut());

/// Notes the addresses of an engine's code, which has been loaded from this file.
pub(crate) fn note_library(copy: &Path, name: &'static str, version: &'static str) {
    let mut search = Search { copy, found: None };
    // SAFETY: `visit` takes a `Search`, which lives for the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    if let Some((begin, end)) = search.found {
        let code = Box::leak(Box::new(Code { name, version, begin, end, next: ptr::null() }));
        let mut newest = CODES.load(Ordering::Acquire);
        loop {
            code.next = newest;
            match CODES.compare_exchange(newest, code, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(newer) => newest = newer,
            }
        }
    }
}

/// The code that an address belongs to.
pub(super) fn at(address: usize) -> Option<&'static Code> {
    all().find(|code| (code.begin..code.end).contains(&address))
}

/// The code of all engines. Takes no lock.
pub(super) fn all() -> impl Iterator<Item = &'static Code> {
    // SAFETY: codes are never freed, and not changed once they can be found.
    let at = |code: *const Code| unsafe { code.as_ref() };
    std::iter::successors(at(CODES.load(Ordering::Acquire)), move |code| at(code.next))
}

struct Search<'a> {
    copy: &'a Path,
    found: Option<(usize, usize)>,
}

unsafe extern "C" fn visit(library: *mut dl_phdr_info, _: usize, search: *mut c_void) -> c_int {
    // SAFETY: the loader passes the first for this call, and the second is what `note_library` gave.
    let (library, search) = unsafe { (&*library, &mut *search.cast::<Search<'_>>()) };
    if library.dlpi_name.is_null() || library.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader gives a valid name.
    if unsafe { CStr::from_ptr(library.dlpi_name) }.to_bytes() != search.copy.as_os_str().as_bytes() {
        return 0;
    }
    // SAFETY: the loader gives this many headers.
    let headers = unsafe { std::slice::from_raw_parts(library.dlpi_phdr, library.dlpi_phnum.into()) };
    let executable = headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0);
    for header in executable {
        let begin = library.dlpi_addr as usize + header.p_vaddr as usize;
        let end = begin + header.p_memsz as usize;
        let found = search.found.get_or_insert((begin, end));
        *found = (found.0.min(begin), found.1.max(end));
    }
    1
}
