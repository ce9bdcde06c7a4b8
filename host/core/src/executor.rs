//! Threads for work that may block. The program that runs the core provides them.

use crate::jobs::Work;
use std::fmt;
use std::io;

/// Runs work that must not run on an event loop: calls of an engine that may take as long as they like.
pub trait Executor: fmt::Debug + Send + Sync {
    /// A thread that does its work one piece after another. It ends when this is dropped and all work is done; nobody
    /// waits for that.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    fn thread(&self, name: &'static str) -> io::Result<Thread>;

    /// Ends something that an engine made, soon, where it holds up nobody. The log calls it `what` of `engine`, or of
    /// no engine if that is `None`. `end` must not panic: the caller contains everything that can.
    fn retire(&self, engine: Option<&'static str>, what: &'static str, end: Work);
}

/// Gives work to a thread.
pub struct Thread(Box<dyn Fn(Work) + Send + Sync>);

impl Thread {
    /// A thread that gets its work through `give`.
    pub fn new(give: impl Fn(Work) + Send + Sync + 'static) -> Thread {
        Thread(Box::new(give))
    }

    /// Queues this behind the thread's other work.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        (self.0)(Box::new(work));
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thread")
    }
}
