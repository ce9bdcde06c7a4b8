//! Counts what the engine has made and nobody has dropped.

use std::cell::Cell;

/// A kind of thing that must be gone at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    Engine,
    Session,
    Job,
    Timer,
    Event,
}

const THINGS: [Thing; 5] = [Thing::Engine, Thing::Session, Thing::Job, Thing::Timer, Thing::Event];

thread_local! {
    static ALIVE: [Cell<i64>; THINGS.len()] = const { [const { Cell::new(0) }; THINGS.len()] };
}

/// One thing, counted as long as this is there.
#[derive(Debug)]
pub struct Alive(Thing);

impl Alive {
    /// One more of this kind.
    pub fn new(thing: Thing) -> Alive {
        ALIVE.with(|alive| alive[thing as usize].set(alive[thing as usize].get() + 1));
        Alive(thing)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.with(|alive| alive[self.0 as usize].set(alive[self.0 as usize].get() - 1));
    }
}

/// What there is, of each kind of which there is any.
pub fn alive() -> Vec<(Thing, i64)> {
    let count = |thing: Thing| ALIVE.with(|alive| alive[thing as usize].get());
    THINGS.into_iter().map(|thing| (thing, count(thing))).filter(|(_, count)| *count != 0).collect()
}

/// Forgets what an earlier run of this thread has left.
pub fn forget() {
    ALIVE.with(|alive| alive.iter().for_each(|count| count.set(0)));
}
