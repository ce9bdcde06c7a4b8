//! One generation of an engine. Its handles ask it whether they reach anybody.

use std::sync::atomic::{AtomicU8, Ordering};

/// It is being made, and another generation serves the clients.
const COMING: u8 = 0;
const PRESENT: u8 = 1;
/// Another generation has taken over, or it has ended or was never ready.
const RETIRED: u8 = 2;

/// The host's name for a generation of an engine, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The host's number for it; 0 for a library that is not known yet.
    pub number: u32,
    /// The engine's name, or the file that it will come from.
    pub name: &'a str,
    /// Its version, if it is known.
    pub version: &'a str,
}

/// A generation of an engine. Like its library, it lives as long as the process, since the engine's threads may keep
/// handles that point to it for ever.
///
/// Handles of a generation that is not present reach nobody: functions that act on clients do nothing and answer that
/// the clients are gone.
#[derive(Debug)]
pub struct Generation<H> {
    whose: Whose<'static>,
    stage: AtomicU8,
    host: H,
}

impl<H> Generation<H> {
    /// A present generation of an engine of this host. It is never freed, and takes a few bytes per loaded library.
    pub fn new(whose: Whose<'static>, host: H) -> &'static Generation<H> {
        Box::leak(Box::new(Generation { whose, stage: AtomicU8::new(PRESENT), host }))
    }

    /// The host whose engine it is.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The host's name for it.
    #[inline]
    pub fn whose(&self) -> &Whose<'static> {
        &self.whose
    }

    /// The engine's name.
    #[inline]
    pub fn name(&self) -> &'static str {
        self.whose.name
    }

    /// The host's number for it.
    #[inline]
    pub fn number(&self) -> u32 {
        self.whose.number
    }

    /// Lets its handles reach nobody until it begins. Call this before it has any.
    pub fn wait_for_its_turn(&self) {
        self.stage.store(COMING, Ordering::Release);
    }

    /// Its handles reach the clients from now on, unless it is retired.
    pub fn begin(&self) {
        let _ = self.stage.compare_exchange(COMING, PRESENT, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Its handles reach nobody from now on.
    pub fn retire(&self) {
        self.stage.store(RETIRED, Ordering::Release);
    }

    /// Whether it has been retired.
    pub fn is_retired(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == RETIRED
    }

    /// Whether its handles reach clients.
    #[inline]
    pub fn is_present(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == PRESENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_retired_does_not_come_back() {
        let generation = Generation::new(Whose { number: 1, name: "engine", version: "1.0.0" }, ());
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
