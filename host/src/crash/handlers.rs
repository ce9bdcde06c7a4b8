//! The handlers for a crash and for `exit`: they write the last line, and let the process end as it would.

// Signals, `on_exit` and `_exit` have no safe interface.
#![allow(unsafe_code)]

use super::line::{Line, with_line};
use super::{code, panics, tell};
use crate::exit::{self, INTERNAL};
use crate::log::{self, LogFormat};
use libc::{c_int, c_void, siginfo_t};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use wshost_core::calls::witness::{self, Witness};

/// The signals by which a fault ends a process.
const SIGNALS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];

/// How long the last line waits for those before it, and for stderr, in steps of a millisecond.
const PATIENCE_MS: c_int = 100;

/// The process that has a last line. A process that an engine forks has none.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// Whether `exit` of an engine ends the process with the code of the engine's choice.
static KEEP_CODE: AtomicBool = AtomicBool::new(false);
/// The descriptor for the line.
static STDERR: AtomicI32 = AtomicI32::new(libc::STDERR_FILENO);
static JSON: AtomicBool = AtomicBool::new(false);
/// Whether a thread has begun to write the line, and whether it is done.
static BEGUN: AtomicBool = AtomicBool::new(false);
static DONE: AtomicBool = AtomicBool::new(false);

/// How the process ends when an engine has called `exit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterExit {
    /// It ends with [`INTERNAL`], so that its supervisor sees a failure.
    Fail,
    /// It ends with the engine's code, which its parent wants to know.
    KeepCode,
}

/// Reports crashes and calls of `exit` from now on, to the log if there is one. Call this before any plugin is opened,
/// since the destructors and `atexit` handlers of libraries run before those that were registered earlier.
pub fn attribute(after_exit: AfterExit) {
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    if let Some(log) = log::destination() {
        STDERR.store(log.stderr.as_raw_fd(), Ordering::Relaxed);
        JSON.store(log.format == LogFormat::Json, Ordering::Relaxed);
    }
    KEEP_CODE.store(after_exit == AfterExit::KeepCode, Ordering::Relaxed);
    witness::call(Witness { library_opened: code::note_library, panicked: panics::note, caught: panics::forget });
    wshost_core::calls::this_thread_is_ours();
    for signal in SIGNALS {
        // SAFETY: `crashed` has the type that SA_SIGINFO asks for, and does only what a handler may. Rust's own handler for
        // overflows of the stack is replaced, and its alternate stacks are used.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = crashed as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigfillset(&raw mut action.sa_mask);
            libc::sigaction(signal, &raw const action, null_mut());
        }
    }
    // SAFETY: the functions stay at their addresses, and take the given arguments.
    unsafe {
        on_exit(exiting, null_mut());
        at_quick_exit(exiting_quickly);
    }
}

/// Ends the process without the destructors of libraries, since some may wait for the loader's lock.
pub(crate) fn end(code: c_int) -> ! {
    // SAFETY: `_exit` may be called anywhere, and does not return.
    unsafe { libc::_exit(code) }
}

unsafe extern "C" {
    // The libc crate lacks these functions of glibc.
    fn on_exit(function: extern "C" fn(status: c_int, argument: *mut c_void), argument: *mut c_void) -> c_int;
    fn at_quick_exit(function: extern "C" fn()) -> c_int;
}

extern "C" fn crashed(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if is_this_process() {
        if !BEGUN.swap(true, Ordering::SeqCst) {
            wait(|| log::waiting() == 0);
            // SAFETY: the system passes them for this call.
            let (info, context) = unsafe { (&*info, context.cast::<libc::ucontext_t>().as_ref()) };
            last_line(|line| tell::crash(line, signal, info, context));
            DONE.store(true, Ordering::SeqCst);
        } else {
            // Another thread has crashed at the same time. The process must not end before that thread has written its
            // line.
            wait(|| DONE.load(Ordering::SeqCst));
        }
    }
    // SAFETY: as in `attribute`. The signal that is raised waits until this handler returns.
    unsafe {
        let mut default: libc::sigaction = zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, null_mut());
        libc::raise(signal);
    }
}

extern "C" fn exiting(status: c_int, _: *mut c_void) {
    exited("exit", Some(status));
}

extern "C" fn exiting_quickly() {
    exited("quick_exit", None);
}

/// Handles a call of `exit`, which may be the host's own.
fn exited(function: &str, status: Option<c_int>) {
    if exit::is_by_ourselves() || !is_this_process() {
        return;
    }
    if BEGUN.swap(true, Ordering::SeqCst) {
        return;
    }
    log::last_words();
    let keeps_code = KEEP_CODE.load(Ordering::Relaxed);
    last_line(|line| tell::exit(line, function, status, (!keeps_code).then_some(INTERNAL)));
    match status {
        Some(status) if keeps_code => end(status),
        _ => end(INTERNAL.into()),
    }
}

fn is_this_process() -> bool {
    // Do not use Rust's cached number, which may be the parent's. SAFETY: it cannot fail.
    let process = unsafe { libc::getpid() };
    u32::try_from(process).is_ok_and(|process| process == PROCESS.load(Ordering::Relaxed))
}

/// Waits a while until it is so.
fn wait(is_so: impl Fn() -> bool) {
    for _ in 0..PATIENCE_MS {
        if is_so() {
            return;
        }
        // SAFETY: it passes no descriptors, only a time.
        unsafe { libc::poll(null_mut(), 0, 1) };
    }
}

/// Writes the line, unless stderr does not take it in time.
fn last_line(tell: impl FnOnce(&mut Line)) {
    with_line(JSON.load(Ordering::Relaxed), |line| {
        tell(line);
        let bytes = line.finish();
        let mut stderr = libc::pollfd { fd: STDERR.load(Ordering::Relaxed), events: libc::POLLOUT, revents: 0 };
        // SAFETY: it passes one descriptor, and our own bytes. A pipe that is ready takes this many without blocking.
        unsafe {
            // If this is not a signal's handler, a signal may interrupt it.
            let ready = (0..10).map(|_| libc::poll(&raw mut stderr, 1, PATIENCE_MS)).find(|ready| *ready >= 0);
            if ready == Some(1) {
                libc::write(stderr.fd, bytes.as_ptr().cast(), bytes.len());
            }
        }
    });
}
