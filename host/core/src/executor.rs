//! Threads for what may block, which the core gets from whoever runs it.

use crate::jobs::Work;
use std::fmt;
use std::io;

/// Runs what the event loops must not: calls of an engine that may take as long as they like.
pub trait Executor: fmt::Debug + Send + Sync {
    /// A thread that does what it is given, one piece after the other, and ends when this is dropped and all is done. Nobody
    /// waits for that.
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread left.
    fn thread(&self, name: &'static str) -> io::Result<Thread>;

    /// Has something that an engine made come to its end, soon, where it holds up nobody: `what` of `engine`, for the log,
    /// `None` if it is not known whose it is. `end` must not panic: who hands it in contains what can.
    fn retire(&self, engine: Option<&'static str>, what: &'static str, end: Work);
}

/// Gives work to a thread.
pub struct Thread(Box<dyn Fn(Work) + Send + Sync>);

impl Thread {
    /// One that is given its work in this way.
    pub fn new(give: impl Fn(Work) + Send + Sync + 'static) -> Thread {
        Thread(Box::new(give))
    }

    /// Has the thread do this, behind what it does.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        (self.0)(Box::new(work));
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thread")
    }
}
