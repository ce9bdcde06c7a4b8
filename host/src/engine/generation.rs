//! One generation of an engine, as its handles know it.

use crate::calls::{self, Whose};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A generation of an engine. Lives as long as the process, as its library does: handles point to it that the engine's
/// threads may keep for ever.
#[derive(Debug)]
pub(super) struct Generation {
    whose: Whose<'static>,
    retired: AtomicBool,
}

impl Generation {
    /// The next one of all engines: this engine's, in this version.
    pub(super) fn next(name: &'static str, version: &'static str) -> &'static Generation {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let whose = Whose { number: NUMBERS.fetch_add(1, Ordering::Relaxed), name, version };
        calls::register(whose);
        Box::leak(Box::new(Generation { whose, retired: AtomicBool::new(false) }))
    }

    /// Counted over all engines of the host.
    pub(super) fn number(&self) -> u32 {
        self.whose.number
    }

    /// For logs.
    pub(super) fn whose(&self) -> &Whose<'static> {
        &self.whose
    }

    pub(super) fn name(&self) -> &'static str {
        self.whose.name
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
