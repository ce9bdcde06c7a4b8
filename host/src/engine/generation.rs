//! One generation of an engine, as its handles know it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A generation of an engine. Lives as long as the process, as its library does: handles point to it that the engine's
/// threads may keep for ever.
#[derive(Debug)]
pub(super) struct Generation {
    /// Counted over all engines of the host.
    number: u32,
    retired: AtomicBool,
}

impl Generation {
    /// The next one.
    pub(super) fn next() -> &'static Generation {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Box::leak(Box::new(Generation { number, retired: AtomicBool::new(false) }))
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Its handles reach nobody from now on.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }
}
