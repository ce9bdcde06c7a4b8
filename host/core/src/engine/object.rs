//! What an engine made and the host owns for a while: jobs, events and failures.

use super::generation::Generation;
use crate::calls::{Callback, Whom, watched};
use crate::client::activity::Busy;
use plugin_api::abi::{EventObject, Failure, JobObject, TimerObject};
use std::fmt;

/// A failure inside an engine: its message and, for a panic, the source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFailure {
    /// The callback that failed.
    pub callback: &'static str,
    /// The panic's message, or the error as the engine words it.
    pub message: String,
    /// `file:line:column` of a panic; empty for an error that was returned.
    pub location: String,
}

impl fmt::Display for EngineFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An assertion's message has several lines; an operator's log has one per event.
        let message = self.message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        if self.location.is_empty() {
            write!(f, "{} failed: {message}", self.callback)
        } else {
            write!(f, "{} panicked at {}: {message}", self.callback, self.location)
        }
    }
}

impl EngineFailure {
    /// Takes over a failure that the engine returned; null is none.
    ///
    /// # Safety
    ///
    /// `failure` is null or came from the engine just now and is used nowhere else.
    pub(super) unsafe fn take(callback: &'static str, failure: *mut Failure) -> Result<(), EngineFailure> {
        if failure.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's promise; the strings are copied before the engine frees them.
        unsafe {
            let message = (*failure).message.as_str().to_owned();
            let location = (*failure).location.as_str().to_owned();
            ((*failure).release)(failure);
            Err(EngineFailure { callback, message, location })
        }
    }
}

/// Has an engine discard what it made, elsewhere: that runs the author's code.
///
/// # Safety
///
/// `discard` is the object's own, and the object is used nowhere else from now on.
unsafe fn discard_elsewhere<T: 'static>(
    generation: &'static Generation,
    callback: Callback,
    object: *mut T,
    discard: unsafe extern "C" fn(*mut T) -> *mut Failure,
) {
    struct GivenUp<T>(*mut T);
    // SAFETY: plugin-api makes the objects that come here of values that are `Send`.
    unsafe impl<T> Send for GivenUp<T> {}
    impl<T> GivenUp<T> {
        fn object(&self) -> *mut T {
            self.0
        }
    }
    let given_up = GivenUp(object);
    generation.end(callback.name(), move || {
        // SAFETY: the caller's promise.
        if let Err(failure) = unsafe { discard_now(generation, callback, given_up.object(), discard) } {
            tracing::error!(engine = generation.name(), "{failure}");
        }
    });
}

/// Has an engine discard what it made.
///
/// # Safety
///
/// As for [`discard_elsewhere`].
unsafe fn discard_now<T>(
    generation: &Generation,
    callback: Callback,
    object: *mut T,
    discard: unsafe extern "C" fn(*mut T) -> *mut Failure,
) -> Result<(), EngineFailure> {
    // SAFETY: the caller's promise.
    let failure = watched(callback, generation.whose(), Whom::Nobody, || unsafe { discard(object) });
    // SAFETY: the failure is the engine's, just returned.
    unsafe { EngineFailure::take(callback.name(), failure) }
}

/// A job that an engine returned. Dropped without being run, it is discarded, elsewhere.
#[derive(Debug)]
pub struct Job {
    generation: &'static Generation,
    object: *mut JobObject,
    busy: Option<Busy>,
}

// SAFETY: plugin-api only makes job objects of `Box<dyn Job>`, and `Job: Send`.
unsafe impl Send for Job {}

impl Job {
    /// Takes over a job that this generation returned.
    ///
    /// # Safety
    ///
    /// `object` came from the engine just now and is used nowhere else.
    pub(super) unsafe fn take(generation: &'static Generation, object: *mut JobObject, busy: Busy) -> Job {
        Job { generation, object, busy: Some(busy) }
    }

    /// Runs the job, for its client or nobody.
    ///
    /// # Errors
    ///
    /// The panic that ended it.
    pub fn run(self, whom: Whom<'_>) -> Result<(), EngineFailure> {
        let mut job = std::mem::ManuallyDrop::new(self);
        let _busy = job.busy.take();
        let failure = watched(Callback::Job, job.generation.whose(), whom, || {
            // SAFETY: run frees the object, and the ManuallyDrop keeps us from doing so again.
            unsafe { ((*job.object).run)(job.object) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::Job.name(), failure) }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // SAFETY: the object is ours, has not been run, and ends here.
        unsafe { discard_elsewhere(self.generation, Callback::DropOfJob, self.object, (*self.object).discard) }
    }
}

/// What an engine's timer does. Discarded when dropped, elsewhere.
#[derive(Debug)]
pub(super) struct TimerJob {
    generation: &'static Generation,
    object: *mut TimerObject,
}

// SAFETY: plugin-api only makes timer objects of `Box<dyn FnMut() + Send>`.
unsafe impl Send for TimerJob {}

impl TimerJob {
    /// Takes over a timer that this generation handed in.
    ///
    /// # Safety
    ///
    /// `object` came from the engine just now and is used nowhere else.
    pub(super) unsafe fn take(generation: &'static Generation, object: *mut TimerObject) -> TimerJob {
        TimerJob { generation, object }
    }

    /// Runs it once.
    ///
    /// # Errors
    ///
    /// The panic that ended the run.
    pub(super) fn run(&mut self) -> Result<(), EngineFailure> {
        let failure = watched(Callback::Timer, self.generation.whose(), Whom::Nobody, || {
            // SAFETY: the object is ours, and `&mut` keeps two runs apart.
            unsafe { ((*self.object).run)(self.object) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::Timer.name(), failure) }
    }
}

impl Drop for TimerJob {
    fn drop(&mut self) {
        // SAFETY: the object is ours and ends here.
        unsafe { discard_elsewhere(self.generation, Callback::DropOfTimer, self.object, (*self.object).discard) }
    }
}

/// A value that an engine posted to one of its sessions. Dropped undelivered, it is discarded, elsewhere.
#[derive(Debug)]
pub struct Event {
    generation: &'static Generation,
    object: *mut EventObject,
    busy: Option<Busy>,
}

// SAFETY: plugin-api only makes event objects of `Box<dyn Any + Send>`.
unsafe impl Send for Event {}

impl Event {
    /// Takes over a value that this generation posted.
    ///
    /// # Safety
    ///
    /// `object` came from the engine just now and is used nowhere else.
    pub(super) unsafe fn take(generation: &'static Generation, object: *mut EventObject, busy: Busy) -> Event {
        Event { generation, object, busy: Some(busy) }
    }

    /// The library that made it.
    pub(super) fn origin(&self) -> *const u8 {
        // SAFETY: the object is ours, and alive.
        unsafe { (*self.object).origin }
    }

    /// Gives the value up to `on_event`; it is under way until the second is dropped.
    pub(super) fn into_object(self) -> (*mut EventObject, Option<Busy>) {
        let mut event = std::mem::ManuallyDrop::new(self);
        (event.object, event.busy.take())
    }

    /// Discards it here: the value is dropped within the very call that posted it, which says so.
    pub fn discard_here(self) {
        let generation = self.generation;
        let (object, _busy) = self.into_object();
        // SAFETY: the object was ours and has not been delivered.
        let discarded = unsafe { discard_now(generation, Callback::DropOfEvent, object, (*object).discard) };
        if let Err(failure) = discarded {
            tracing::error!(engine = generation.name(), "{failure}");
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the object is ours, has not been delivered, and ends here.
        unsafe { discard_elsewhere(self.generation, Callback::DropOfEvent, self.object, (*self.object).discard) }
    }
}
