//! Objects that an engine made and the host owns for a while: jobs, timers and events.
//!
//! Each is ended once: it is run, delivered, or discarded. Discarding runs the author's code, so
//! [`Hosting::end_elsewhere`] chooses the thread.

use super::{Callback, CalledFor, EngineFailure, Generation, Hosting};
use crate::abi::{EventObject, Failure, JobObject, TimerObject};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

type Discard<T> = unsafe extern "C" fn(*mut T) -> *mut Failure;

/// Makes an engine discard an object that it made, on another thread.
///
/// # Safety
///
/// `discard` belongs to the object, and the object is used nowhere else from now on.
unsafe fn discard_elsewhere<H: Hosting, T: 'static>(
    generation: &'static Generation<H>,
    callback: Callback,
    object: *mut T,
    discard: Discard<T>,
) {
    struct GivenUp<T>(*mut T);
    // SAFETY: plugin-api makes these objects from values that are `Send`.
    unsafe impl<T> Send for GivenUp<T> {}
    impl<T> GivenUp<T> {
        fn into_object(self) -> *mut T {
            self.0
        }
    }
    let given_up = GivenUp(object);
    H::end_elsewhere(generation, callback, move || {
        // SAFETY: the caller's promise.
        unsafe { discard_now::<H, T>(generation, callback, given_up.into_object(), discard) }
    });
}

/// Makes an engine discard an object that it made.
///
/// # Safety
///
/// As for [`discard_elsewhere`].
unsafe fn discard_now<H: Hosting, T>(
    generation: &'static Generation<H>,
    callback: Callback,
    object: *mut T,
    discard: Discard<T>,
) {
    // SAFETY: the caller's promise.
    let failure = H::call(callback, generation.whose(), CalledFor::Nobody, || unsafe { discard(object) });
    // SAFETY: the failure is the engine's, just returned.
    if let Err(failure) = unsafe { EngineFailure::take(callback, failure) } {
        H::report_failed_drop(generation, &failure);
    }
}

/// Declares kinds of objects, and the names of their discarding in logs.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident($object:ty), discarded as $callback:ident;)+) => {$(
        $(#[$doc])*
        pub struct $name<H: Hosting> {
            generation: &'static Generation<H>,
            object: *mut $object,
            host: PhantomData<fn() -> H>,
        }

        // SAFETY: plugin-api only makes such objects of values that are `Send`.
        unsafe impl<H: Hosting> Send for $name<H> {}

        impl<H: Hosting> $name<H> {
            /// Takes over an object of this generation.
            ///
            /// # Safety
            ///
            /// `object` came from the engine just now and is used nowhere else.
            #[inline]
            pub(super) unsafe fn take(generation: &'static Generation<H>, object: *mut $object) -> Self {
                Self { generation, object, host: PhantomData }
            }

            /// The generation that made it.
            #[inline]
            pub fn generation(&self) -> &'static Generation<H> {
                self.generation
            }
        }

        impl<H: Hosting> Drop for $name<H> {
            fn drop(&mut self) {
                // SAFETY: the object is ours, was neither run nor delivered for good, and ends here.
                unsafe {
                    let discard = (*self.object).discard;
                    discard_elsewhere::<H, _>(self.generation, Callback::$callback, self.object, discard);
                }
            }
        }

        impl<H: Hosting> fmt::Debug for $name<H> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(of {})", stringify!($name), self.generation.name())
            }
        }
    )+};
}

objects! {
    /// A job that an engine returned or spawned. If it is dropped without being run, it is discarded on another thread.
    EngineJob(JobObject), discarded as DropOfJob;
    /// The work of an engine's timer. When it is dropped, it is discarded on another thread.
    EngineTimer(TimerObject), discarded as DropOfTimer;
    /// A value that an engine posted to one of its sessions. If it is dropped undelivered, it is discarded on another
    /// thread.
    EngineEvent(EventObject), discarded as DropOfEvent;
}

impl<H: Hosting> EngineJob<H> {
    /// Gives the object up without ending it.
    #[inline]
    fn into_object(self) -> *mut JobObject {
        ManuallyDrop::new(self).object
    }

    /// Runs the job.
    ///
    /// # Errors
    ///
    /// The panic that ended it.
    pub fn run(self, called_for: CalledFor<'_, H::Client>) -> Result<(), EngineFailure> {
        let (whose, object) = (self.generation.whose(), self.into_object());
        let failure = H::call(Callback::Job, whose, called_for, || {
            // SAFETY: JobObject::run; the object was ours and is given up to it.
            unsafe { ((*object).run)(object) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::Job, failure) }
    }
}

impl<H: Hosting> EngineTimer<H> {
    /// Runs it once.
    ///
    /// # Errors
    ///
    /// The panic that ended the run.
    pub fn run(&mut self) -> Result<(), EngineFailure> {
        let failure = H::call(Callback::Timer, self.generation.whose(), CalledFor::Nobody, || {
            // SAFETY: TimerObject::run; the object is ours, and `&mut` keeps two runs apart.
            unsafe { ((*self.object).run)(self.object) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::Timer, failure) }
    }
}

impl<H: Hosting> EngineEvent<H> {
    /// Gives the object up without ending it.
    #[inline]
    pub(super) fn into_object(self) -> *mut EventObject {
        ManuallyDrop::new(self).object
    }

    /// The library that made it.
    #[inline]
    pub(super) fn origin(&self) -> *const u8 {
        // SAFETY: the object is ours, and alive.
        unsafe { (*self.object).origin }
    }

    /// Discards it here. The value is dropped within the call that posted it, which reports that.
    pub fn discard_here(self) {
        let (generation, object) = (self.generation, self.into_object());
        // SAFETY: the object was ours, and has not been delivered.
        unsafe { discard_now::<H, _>(generation, Callback::DropOfEvent, object, (*object).discard) }
    }
}
