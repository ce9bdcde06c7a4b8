//! Threads that exist before they are needed.
//!
//! While a library hangs in an initialiser, it holds the loader's lock. A thread that begins then stops at its first
//! thread-local with a destructor, for which the C library takes the same lock. So everything that must work at any
//! time runs on threads that were started in advance and have touched their thread-locals.

use crate::lock::lock;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

type Work = Box<dyn FnOnce() + Send>;

/// A thread that waits for work, and does it one piece after another. It ends when this is dropped and all is done;
/// nobody waits for that.
#[derive(Clone)]
pub(crate) struct Standby {
    work: mpsc::Sender<Work>,
}

impl Standby {
    /// Starts the thread, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(crate) fn start(name: &str) -> io::Result<Standby> {
        let (work, queued) = mpsc::channel::<Work>();
        let (ready, is_ready) = mpsc::channel();
        let body = move || {
            touch_thread_locals();
            let _ = ready.send(());
            for work in queued {
                contained(work);
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(body)?;
        is_ready.recv().map_err(io::Error::other)?;
        Ok(Standby { work })
    }

    /// Queues this behind earlier work.
    pub(crate) fn run(&self, work: impl FnOnce() + Send + 'static) {
        // The thread stays as long as this does.
        let _ = self.work.send(Box::new(work));
    }
}

impl fmt::Debug for Standby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standby")
    }
}

/// Several such threads, for work that may take any time.
#[derive(Clone, Debug)]
pub(crate) struct Crew {
    free: Arc<Mutex<Vec<Standby>>>,
}

impl Crew {
    /// Starts this many threads, and waits until they are ready.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(crate) fn start(name: &str, threads: usize) -> io::Result<Crew> {
        let free = (0..threads).map(|number| Standby::start(&format!("{name}-{number}"))).collect::<io::Result<_>>()?;
        Ok(Crew { free: Arc::new(Mutex::new(free)) })
    }

    /// Does this at once. Returns `false` if all threads are at work.
    pub(crate) fn run(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let Some(standby) = lock(&self.free).pop() else { return false };
        let (free, own) = (Arc::clone(&self.free), standby.clone());
        standby.run(move || {
            contained(work);
            lock(&free).push(own);
        });
        true
    }
}

/// Does this. Returns `None` if it panics, which is a fault of wshost: the thread goes on, and the log says it.
pub(super) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    if done.is_err() {
        tracing::error!("work was not done because of a fault of wshost, please report it");
    }
    done.ok()
}

/// Uses every thread-local that has a destructor and that the calling thread may need later. Do not call it in a
/// runtime.
pub(crate) fn touch_thread_locals() {
    // A channel that is waited on has one.
    let (_held, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(std::time::Duration::from_nanos(1));
    // `arc_swap` has one for each thread that reads.
    drop(arc_swap::ArcSwap::from_pointee(()).load());
    // tokio has several: for a thread in a runtime, for one that wakes a task there, and for one that waits.
    let _ = tokio::runtime::Handle::try_current();
    let (told, hears) = tokio::sync::oneshot::channel();
    let _ = told.send(());
    let _ = hears.blocking_recv();
    wshost_core::touch_thread_locals();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_one_after_the_other_on_the_same_thread() {
        let standby = Standby::start("test").unwrap();
        let (done, is_done) = mpsc::channel();
        for number in 0..3 {
            let done = done.clone();
            standby.run(move || done.send((number, thread::current().name().map(str::to_owned))).unwrap());
        }
        let name = Some("test".to_owned());
        assert_eq!(is_done.iter().take(3).collect::<Vec<_>>(), [(0, name.clone()), (1, name.clone()), (2, name)]);
    }

    #[test]
    fn a_thread_survives_work_that_panics() {
        let standby = Standby::start("test").unwrap();
        standby.run(|| panic!("a fault of wshost"));
        let (done, is_done) = mpsc::channel();
        standby.run(move || done.send(()).unwrap());
        assert_eq!(is_done.recv(), Ok(()));
    }

    #[test]
    fn a_crew_loses_no_thread_to_a_panic() {
        let crew = Crew::start("test", 1).unwrap();
        for _ in 0..2 {
            assert!(crew.run(|| panic!("a fault of wshost")));
            let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while lock(&crew.free).is_empty() {
                assert!(std::time::Instant::now() < until, "the thread did not come back");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_crew_does_as_much_at_a_time_as_it_has_threads() {
        let crew = Crew::start("test", 2).unwrap();
        let (done, is_done) = mpsc::channel();
        let mut releases = Vec::new();
        for _ in 0..2 {
            let (release, held) = mpsc::channel::<()>();
            releases.push(release);
            let done = done.clone();
            assert!(crew.run(move || done.send(held.recv().is_err()).unwrap()));
        }
        assert!(!crew.run(|| ()));
        releases.pop();
        is_done.recv().unwrap();
        // A thread is free again a moment after its work has reported.
        while !crew.run(|| ()) {
            thread::yield_now();
        }
    }
}
