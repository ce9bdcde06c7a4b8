//! One generation of an engine, as its handles know it: whether they reach anybody.

use std::sync::atomic::{AtomicU8, Ordering};

/// It is being made, and another serves the clients.
const COMING: u8 = 0;
const PRESENT: u8 = 1;
/// Another has taken over, it has ended, or it came to nothing.
const RETIRED: u8 = 2;

/// What a host calls a generation of an engine, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The host's number for it; 0 for a library that is not known yet.
    pub number: u32,
    /// The engine's name, or the file that it is to come from.
    pub name: &'a str,
    /// Its version, if it is known.
    pub version: &'a str,
}

/// A generation of an engine. It lives as long as the process, as its library does: the engine's threads may keep handles
/// that point to it for ever.
///
/// Handles of one that is not present reach nobody: what acts on clients does nothing and says that they are gone.
#[derive(Debug)]
pub struct Generation<H> {
    whose: Whose<'static>,
    stage: AtomicU8,
    host: H,
}

impl<H> Generation<H> {
    /// A generation that is present, of an engine of this host's. It is never freed: a few bytes per loaded library.
    pub fn new(whose: Whose<'static>, host: H) -> &'static Generation<H> {
        Box::leak(Box::new(Generation { whose, stage: AtomicU8::new(PRESENT), host }))
    }

    /// The host whose engine it is.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// What the host calls it.
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

    /// Its handles reach nobody until it begins. To be called before it has any.
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
