//! Jobs: work that engines return.
//!
//! Runs each at once, on the thread that asks: what `--workers 0` means. The pool comes with the rest of the engine's
//! world.

use crate::engine::{EngineFailure, Job};

/// Runs a job at once.
///
/// # Errors
///
/// The panic that ended it.
pub fn run(job: Job) -> Result<(), EngineFailure> {
    job.run()
}
