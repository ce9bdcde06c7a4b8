//! What an engine made and the host owns for a while: jobs, timers, events and failures.

use crate::abi::{EventObject, Failure, JobObject, TimerObject};
use crate::testing::EngineFailure;
use crate::testing::services::Services;
use std::sync::{Arc, Weak};

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
            Err(EngineFailure { callback, message, location, client: None })
        }
    }
}

/// A kind of object, which is discarded when dropped, and how a panic of its drop is called.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident($object:ty), dropped as $callback:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::testing) struct $name {
            /// Null once it was given up.
            object: *mut $object,
            /// Where a panic of its drop is reported. Weak, since the services hold objects in turn.
            services: Weak<Services>,
        }

        // SAFETY: plugin-api only makes such objects of values that are `Send`.
        unsafe impl Send for $name {}

        impl $name {
            /// Takes over an object of the engine's.
            ///
            /// # Safety
            ///
            /// `object` came from the engine just now and is used nowhere else.
            pub(super) unsafe fn take(object: *mut $object, services: &Arc<Services>) -> Self {
                Self { object, services: Arc::downgrade(services) }
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                if self.object.is_null() {
                    return;
                }
                // SAFETY: the object is ours and ends here.
                let discarded = unsafe { EngineFailure::take($callback, ((*self.object).discard)(self.object)) };
                if let (Err(failure), Some(services)) = (discarded, self.services.upgrade()) {
                    services.report(failure, None);
                }
            }
        }
    };
}

object! {
    /// A job that an engine returned or spawned. Dropped without being run, it is discarded.
    Job(JobObject), dropped as "drop of a job"
}

object! {
    /// What an engine's timer does. Discarded when dropped.
    TimerJob(TimerObject), dropped as "drop of a timer"
}

object! {
    /// A value that an engine posted to one of its sessions. Dropped undelivered, it is discarded.
    Event(EventObject), dropped as "drop of an event"
}

impl Job {
    /// Runs the job.
    pub(in crate::testing) fn run(mut self) -> Result<(), EngineFailure> {
        let object = std::mem::replace(&mut self.object, std::ptr::null_mut());
        // SAFETY: the object was ours, and `run` frees it.
        unsafe { EngineFailure::take("job", ((*object).run)(object)) }
    }
}

impl TimerJob {
    /// Runs it once.
    pub(in crate::testing) fn run(&mut self) -> Result<(), EngineFailure> {
        // SAFETY: the object is ours, and `&mut` keeps two runs apart.
        unsafe { EngineFailure::take("timer", ((*self.object).run)(self.object)) }
    }
}

impl Event {
    /// Gives the value up to `on_event`.
    pub(super) fn into_object(mut self) -> *mut EventObject {
        std::mem::replace(&mut self.object, std::ptr::null_mut())
    }
}
