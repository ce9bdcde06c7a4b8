//! The watchdog: reports a callback that blocks an event loop, or an `authenticate` that blocks a worker, while it
//! blocks.

use super::standby::touch_thread_locals;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use wshost_core::calls::watch::{Blocking, Lookout, Watch};

/// Checks all loops until it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts to check the watches of the loops and the workers. Calls `report` once for each call that takes too long.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(crate) fn start(loops: Vec<Arc<Watch>>, report: impl Fn(Blocking) + Send + 'static) -> io::Result<Watchdog> {
        let (stop, stopped) = mpsc::channel();
        let body = move || {
            touch_thread_locals();
            let mut lookout = Lookout::new(loops);
            while stopped.recv_timeout(Lookout::EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                lookout.look().into_iter().for_each(&report);
            }
        };
        let thread = thread::Builder::new().name("wshost-watchdog".into()).spawn(body)?;
        Ok(Watchdog { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
