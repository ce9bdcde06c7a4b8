//! Timers: jobs that run later, or again and again.

use super::Host;
use crate::abi::{Failure, TimerObject};
use crate::contain::entry::entries;
use std::ptr::null_mut;

/// A timer that [`Host::after`] or [`Host::every`] started. If this handle is dropped, the timer goes on until the
/// engine ends. Each timer costs the host some 300 bytes besides the data of its closure.
#[derive(Clone, Debug)]
#[must_use = "a timer cannot be cancelled without its handle; drop it explicitly if that is intended"]
pub struct Timer {
    host: Host,
    number: u64,
}

impl Timer {
    pub(crate) fn new(host: Host, number: u64) -> Self {
        Timer { host, number }
    }

    /// Cancels the timer. A run that has begun is not interrupted; none begins after this. Cancelling a timer that has
    /// run out does nothing. The host drops the closure's data soon, on one of its threads.
    pub fn cancel(&self) {
        self.host.cancel_timer(self.number);
    }
}

/// A timer's job as it crosses: the functions first, then our own data.
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
