//! The watchdog: tells when a callback blocks an event loop, or `authenticate` a worker, while it does so.

use super::standby::touch_thread_locals;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use wshost_core::calls::watch::{Blocking, Lookout, Watch};

/// Looks at all loops until it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts to look at the loops' watches, and at the workers'. `report` is told once for each call that takes too long.
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread left.
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
