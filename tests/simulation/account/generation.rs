//! What is known of one generation of the engine, and how a swap is to fail.

/// How far a generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is made, and has not imported anything.
    Coming,
    /// Its handles reach clients.
    Present,
    /// They reach nobody, for good.
    Retired,
}

/// One generation.
#[derive(Debug)]
pub struct Generation {
    pub stage: Stage,
    /// The messages that the engine counts: its own state.
    pub total: u64,
    /// Its state came over from this generation.
    pub imported_from: Option<usize>,
    /// Clients whose sessions it has imported.
    pub imported: Vec<usize>,
    /// It has taken over those clients.
    pub took_over: bool,
    /// Another has taken over without its clients: it is retired once they have gone.
    pub fading: bool,
}

impl Generation {
    pub fn new(stage: Stage) -> Generation {
        Generation { stage, total: 0, imported_from: None, imported: Vec::new(), took_over: false, fading: false }
    }
}

/// A call of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    New,
    Accepts,
    ExportState,
    ExportSession,
    ImportState,
    ImportSession,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// With an error, or a no.
    Refuses,
    Panics,
    /// It takes so many milliseconds, and everything with it.
    Takes(u64),
}

/// One call of a swap that does not go as it should.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: Call,
    /// So many calls of this kind go well before.
    pub after: usize,
    pub failing: Failing,
}
