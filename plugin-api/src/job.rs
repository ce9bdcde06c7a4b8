//! Jobs: work that a callback hands to the host.

use crate::abi::{Failure, JobObject};
use crate::contain::entry::entries;
use std::ptr::null_mut;

/// Work that the host runs away from the connection that asked for it, such as a computation or a look-up.
///
/// Every closure that is `FnOnce() + Send` is a job. Jobs of one client run one at a time, in the order in which they
/// were returned. A job that needs its client holds a [clone](crate::Client) of the handle.
///
/// ```
/// use plugin_api::Job;
///
/// let job: Box<dyn Job> = Box::new(|| println!("counted to {}", (1..=1000).count()));
/// job.run();
/// ```
pub trait Job: Send {
    /// Does the work. `[worker; with --workers 0: the client's event loop, or a thread for jobs of no client]`
    fn run(self: Box<Self>);
}

impl<F: FnOnce() + Send> Job for F {
    fn run(self: Box<Self>) {
        self()
    }
}

/// A job as it crosses: the functions first, then our own data.
#[repr(C)]
struct Crossing {
    object: JobObject,
    job: Box<dyn Job>,
}

pub(crate) fn into_object(job: Box<dyn Job>) -> *mut JobObject {
    let object = JobObject { run, discard };
    Box::into_raw(Box::new(Crossing { object, job })).cast()
}

entries! {
    fn run(job: *mut JobObject) -> *mut Failure {
        // SAFETY: the host hands back what into_object made, once.
        let crossing = unsafe { Box::from_raw(job.cast::<Crossing>()) };
        crossing.job.run();
        null_mut()
    }

    fn discard(job: *mut JobObject) -> *mut Failure {
        // SAFETY: the host hands back what into_object made, once.
        drop(unsafe { Box::from_raw(job.cast::<Crossing>()) });
        null_mut()
    }
}
