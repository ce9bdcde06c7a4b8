//! Timers: jobs that run later, or again and again.

use super::Host;
use crate::abi::{Failure, TimerObject};
use crate::contain::entry::entries;
use std::ptr::null_mut;

/// A timer that [`Host::after`] or [`Host::every`] started. It goes on when this handle is dropped, until it is cancelled
/// or the engine goes. Each costs the host some 300 bytes beside what its closure holds.
#[derive(Clone, Debug)]
#[must_use = "a timer cannot be cancelled without its handle; drop it explicitly where that is meant"]
pub struct Timer {
    host: Host,
    number: u64,
}

impl Timer {
    pub(crate) fn new(host: Host, number: u64) -> Self {
        Timer { host, number }
    }

    /// Cancels the timer. A run that goes on is not interrupted; none begins after this. Harmless if it has run out. What
    /// its closure holds is dropped soon, on a thread of the host's.
    pub fn cancel(&self) {
        self.host.cancel_timer(self.number);
    }
}

/// A timer's job as it crosses: the functions first, then what is ours.
#[repr(C)]
struct Crossing {
    object: TimerObject,
    job: Box<dyn FnMut() + Send>,
}

pub(crate) fn into_object(job: Box<dyn FnMut() + Send>) -> *mut TimerObject {
    Box::into_raw(Box::new(Crossing { object: TimerObject { run, discard }, job })).cast()
}

entries! {
    fn run(timer: *mut TimerObject) -> *mut Failure {
        // SAFETY: the host hands in what into_object made, and never twice at once.
        let crossing = unsafe { &mut *timer.cast::<Crossing>() };
        (crossing.job)();
        null_mut()
    }

    fn discard(timer: *mut TimerObject) -> *mut Failure {
        // SAFETY: the host hands back what into_object made, once.
        drop(unsafe { Box::from_raw(timer.cast::<Crossing>()) });
        null_mut()
    }
}
