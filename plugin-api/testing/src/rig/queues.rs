//! What the server has threads for, in queues that somebody works off.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wshost_core::executor::{Executor, Thread};
use wshost_core::jobs::Work;

/// The queues.
#[derive(Default)]
pub struct Queues(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    threads: u64,
    /// By thread, in the order of their first piece of work that waits.
    errands: VecDeque<(u64, Work)>,
    retired: VecDeque<Work>,
}

impl Queues {
    /// The threads for which something waits, each as often as pieces of work do, in the order in which they came.
    pub fn threads(&self) -> Vec<u64> {
        lock(&self.0).errands.iter().map(|(thread, _)| *thread).collect()
    }

    /// Does what waits first for a thread, in the runtime or not. Returns whether anything did.
    pub fn do_next_of(&self, thread: u64) -> bool {
        let work = {
            let mut waiting = lock(&self.0);
            let first = waiting.errands.iter().position(|(other, _)| *other == thread);
            first.and_then(|index| waiting.errands.remove(index))
        };
        work.map(|(_, work)| work()).is_some()
    }

    /// Does what waits first for any thread. Returns whether anything did.
    pub fn do_one(&self) -> bool {
        let first = lock(&self.0).errands.pop_front();
        first.map(|(_, work)| work()).is_some()
    }

    /// Ends the next thing that an engine made and nobody needs. Returns whether there was one.
    pub fn retire_one(&self) -> bool {
        let first = lock(&self.0).retired.pop_front();
        first.map(|work| work()).is_some()
    }

    /// How many things wait to be ended.
    pub fn retired(&self) -> usize {
        lock(&self.0).retired.len()
    }
}

impl Executor for Queues {
    fn thread(&self, _: &'static str) -> io::Result<Thread> {
        let mut waiting = lock(&self.0);
        waiting.threads += 1;
        let number = waiting.threads;
        let queues = Arc::clone(&self.0);
        Ok(Thread::new(move |work| lock(&queues).errands.push_back((number, work))))
    }

    fn retire(&self, _: Option<&'static str>, _: &'static str, end: Work) {
        lock(&self.0).retired.push_back(end);
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = lock(&self.0);
        write!(f, "Queues({} errands, {} retired)", waiting.errands.len(), waiting.retired.len())
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
