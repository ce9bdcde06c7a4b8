//! One generation of an engine, as its handles know it: whether they reach anybody.

use crate::calls::{self, Whose};
use crate::executor::Executor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// It is being made, and another serves the clients.
const COMING: u8 = 0;
const PRESENT: u8 = 1;
/// Another has taken over, it has ended, or it came to nothing.
const RETIRED: u8 = 2;

/// A generation of an engine. Lives as long as the process, as its library does: handles point to it that the engine's
/// threads may keep for ever.
#[derive(Debug)]
pub(super) struct Generation {
    whose: Whose<'static>,
    stage: AtomicU8,
    /// Ends what it made.
    executor: Arc<dyn Executor>,
}

impl Generation {
    /// The next one of all engines: this engine's, in this version.
    pub(super) fn next(name: &'static str, version: &'static str, executor: Arc<dyn Executor>) -> &'static Generation {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let whose = Whose { number: NUMBERS.fetch_add(1, Ordering::Relaxed), name, version };
        calls::register(whose);
        Box::leak(Box::new(Generation { whose, stage: AtomicU8::new(PRESENT), executor }))
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

    /// Has something that it made come to its end elsewhere: that runs the author's code.
    pub(super) fn end(&self, what: &'static str, end: impl FnOnce() + Send + 'static) {
        self.executor.retire(Some(self.whose.name), what, Box::new(end));
    }

    /// Its handles reach nobody until it begins. To be said before it has any.
    pub(super) fn wait_for_its_turn(&self) {
        self.stage.store(COMING, Ordering::Release);
    }

    /// Its handles reach the clients from now on, unless it is retired.
    pub(super) fn begin(&self) {
        let _ = self.stage.compare_exchange(COMING, PRESENT, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Its handles reach nobody from now on.
    pub(super) fn retire(&self) {
        self.stage.store(RETIRED, Ordering::Release);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == RETIRED
    }

    /// Whether its handles reach clients.
    #[inline]
    pub(super) fn is_present(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == PRESENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Thread;
    use crate::jobs::Work;
    use std::io;

    #[derive(Debug)]
    struct Nobody;

    impl Executor for Nobody {
        fn thread(&self, _: &'static str) -> io::Result<Thread> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn retire(&self, _: Option<&'static str>, _: &'static str, end: Work) {
            end();
        }
    }

    #[test]
    fn what_is_retired_does_not_come_back() {
        let generation = Generation::next("engine", "1.0.0", Arc::new(Nobody));
        assert!(generation.is_present());
        generation.wait_for_its_turn();
        assert!(!generation.is_present() && !generation.is_retired());
        generation.begin();
        assert!(generation.is_present());
        generation.retire();
        generation.begin();
        assert!(generation.is_retired() && !generation.is_present());
    }
}
