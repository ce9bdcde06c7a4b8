//! The text of the last line.

// The system and `calls` pass pointers to a signal's handler.
#![allow(unsafe_code)]

use super::line::Line;
use super::process::{read_memory, thread_name};
use super::{code, panics};
use libc::{c_int, siginfo_t, ucontext_t};
use std::fmt::Write;
use wshost_core::calls::{self, Call, CallFor, Callback};

/// How far above the stack's end to search for an engine's code.
const STACK: usize = 16 * 1024;
const PAGE: usize = 4096;
/// A refused access this close to the stack's end is an overflow; with large frames it can be far below.
const NEAR: usize = 1024 * 1024;

/// Reports a signal that ends the process.
pub(super) fn crash(line: &mut Line, signal: c_int, info: &siginfo_t, context: Option<&ucontext_t>) {
    let registers = context.map(Registers::of);
    let address = has_address(signal, info).then(|| {
        // SAFETY: these signals have an address.
        unsafe { info.si_addr() as usize }
    });
    let overflow = signal == libc::SIGSEGV
        && address.zip(registers.as_ref()).is_some_and(|(address, registers)| registers.has_overflowed(address));
    // If the line is full, the rest is cut off.
    let _ = write!(line, "crashed by {}", name(signal));
    let _ = match address {
        _ if overflow => write!(line, " (the stack has overflowed)"),
        Some(address) => write!(line, " (at address {address:#x})"),
        None if sent(info) => write!(line, " (sent by somebody)"),
        None => Ok(()),
    };
    place(line, registers.as_ref());
    let panicked = panics::engine().is_some();
    let advice = match signal {
        _ if overflow => "; look for a recursion without an end, and for large values on the stack",
        libc::SIGABRT if panicked => {
            "; a panic ends the process if it cannot unwind: in a drop during another panic, in an extern \"C\" \
             function, in the destructor of a thread-local, or in a library built with panic = \"abort\""
        }
        libc::SIGABRT => {
            "; something called abort(): look at C libraries, assertions and allocators, and at panics that cannot unwind"
        }
        libc::SIGSYS => "; a system call was refused by a filter: look at the sandbox that wshost runs in",
        _ if sent(info) => "; look at who sends signals to wshost",
        _ => "; look at its unsafe code and at the C libraries that it uses; a core dump or a debugger shows the place",
    };
    let _ = line.write_str(advice);
}

/// Reports that `exit` was called, and not by the host. `instead` is the process's exit code, if it differs.
pub(super) fn exit(line: &mut Line, function: &str, status: Option<c_int>, instead: Option<u8>) {
    let _ = match status {
        Some(status) => write!(line, "the process was ended by {function}({status})"),
        None => write!(line, "the process was ended by {function}()"),
    };
    place(line, Some(&Registers::here()));
    let _ =
        line.write_str("; look for exit() in it and in the libraries that it uses: it must return an error instead");
    if let Some(instead) = instead {
        let _ = write!(line, "; the exit code is {instead}");
    }
}

/// The call, its engine and client, and the thread; and the panics.
fn place(line: &mut Line, registers: Option<&Registers>) {
    // SAFETY: a call is on this thread's stack until it returns, and this thread is in it.
    let call = unsafe { calls::innermost().as_ref() };
    match call {
        Some(call) => within(line, call),
        None => outside(line, registers),
    }
    let mut name = [0; 16];
    let name = thread_name(&mut name);
    // A thread without a name has that of the thread that started it, which may be one of ours.
    if call.is_some() || calls::is_this_thread_ours() || !name.starts_with("wshost") {
        let _ = write!(line, ", thread {name}");
    }
    let mut first = true;
    panics::each(|panic| {
        let _ = write!(line, "{} {panic}", if first { "; it panicked at" } else { "; then at" });
        first = false;
    });
}

fn within(line: &mut Line, call: &Call<'_>) {
    let whose = call.whose;
    let _ = match call.callback {
        Callback::OpeningOfLibrary => write!(line, " in an initialiser of the library {}", whose.name),
        callback => write!(line, " in {} of engine {} {}", callback.name(), whose.name, whose.version),
    };
    let _ = match call.whom {
        CallFor::Client { number, peer } => write!(line, ", client {number} ({peer})"),
        CallFor::Peer(peer) => write!(line, ", for {peer}"),
        CallFor::Nobody => Ok(()),
    };
}

/// Describes a thread outside of all calls: it is an engine's own, unless the fault is the host's.
fn outside(line: &mut Line, registers: Option<&Registers>) {
    let by_panic = panics::engine();
    let by_code = || registers.and_then(by_code).map(|code| (code.name, code.version));
    let _ = match by_panic.or_else(by_code) {
        Some((name, version)) if calls::is_this_thread_ours() => {
            write!(line, " in code of engine {name} {version}, outside of its callbacks")
        }
        Some((name, version)) => write!(line, " in code of engine {name} {version}, on a thread of its own"),
        None if calls::is_this_thread_ours() => write!(
            line,
            " in wshost itself, outside of all engines: a fault of wshost, please report it, or memory that an engine has \
             damaged"
        ),
        None => {
            let _ =
                write!(line, " on a thread that is not one of wshost's, perhaps of an engine or of a library of its");
            let mut engines = code::all().peekable();
            if engines.peek().is_some() {
                let _ = write!(line, "; loaded are");
            }
            engines.take(8).try_for_each(|code| write!(line, " {} {}", code.name, code.version))
        }
    };
}

/// The code that the thread is in, by its instruction, or by the return addresses on its stack.
fn by_code(registers: &Registers) -> Option<&'static code::Code> {
    if let Some(code) = code::at(registers.instruction) {
        return Some(code);
    }
    let mut words = [0_u8; 512];
    let begin = registers.stack & !7;
    // Read piece by piece, since the stack may end.
    (begin..begin.saturating_add(STACK)).step_by(words.len()).find_map(|address| {
        let read = read_memory(address, &mut words);
        let returns = words[..read].chunks_exact(8).filter_map(|word| word.try_into().ok().map(usize::from_ne_bytes));
        returns.into_iter().find_map(code::at)
    })
}

/// The position of a thread.
struct Registers {
    instruction: usize,
    stack: usize,
}

impl Registers {
    /// Whether a refused access to this address shows that the stack is full. Both values may be anything, and the
    /// stack is 0 if it is not known.
    fn has_overflowed(&self, address: usize) -> bool {
        self.stack != 0 && address < self.stack.saturating_add(PAGE) && address.saturating_add(NEAR) > self.stack
    }

    /// The registers of a call of this function, as far as they identify the caller.
    fn here() -> Registers {
        let on_stack = 0_u8;
        Registers { instruction: 0, stack: (&raw const on_stack).addr() }
    }

    #[cfg(target_arch = "x86_64")]
    fn of(context: &ucontext_t) -> Registers {
        let registers = &context.uc_mcontext.gregs;
        Registers {
            instruction: registers[libc::REG_RIP as usize] as usize,
            stack: registers[libc::REG_RSP as usize] as usize,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn of(context: &ucontext_t) -> Registers {
        Registers { instruction: context.uc_mcontext.pc as usize, stack: context.uc_mcontext.sp as usize }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn of(_: &ucontext_t) -> Registers {
        Registers { instruction: 0, stack: 0 }
    }
}

fn name(signal: c_int) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV, an access to memory that is not there",
        libc::SIGBUS => "SIGBUS, an access to memory that cannot be had",
        libc::SIGILL => "SIGILL, an instruction that does not exist",
        libc::SIGFPE => "SIGFPE, an impossible calculation",
        libc::SIGABRT => "SIGABRT, an abort",
        libc::SIGTRAP => "SIGTRAP, a trap",
        libc::SIGSYS => "SIGSYS, a forbidden system call",
        _ => "a signal",
    }
}

/// Whether an access caused the signal, so that it has an address.
fn has_address(signal: c_int, info: &siginfo_t) -> bool {
    matches!(signal, libc::SIGSEGV | libc::SIGBUS) && !sent(info)
}

/// Whether a process has sent it.
fn sent(info: &siginfo_t) -> bool {
    matches!(info.si_code, libc::SI_USER | libc::SI_QUEUE)
}
