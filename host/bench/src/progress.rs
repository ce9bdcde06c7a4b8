//! How far a run is, on a terminal; and whether Ctrl-C has ended it.

use crate::fault::Fault;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Drawings per second.
const RATE: u8 = 10;

/// Shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    stopped: Arc<AtomicBool>,
}

impl Progress {
    /// Shows nothing, and looks for no signal: for a run inside another program.
    pub fn silent() -> Progress {
        Progress { bar: ProgressBar::hidden(), stopped: Arc::default() }
    }

    /// Shows a bar on stderr if that is a terminal, unless `hidden`. From now on Ctrl-C and SIGTERM end a run; once more
    /// ends the process at once.
    ///
    /// # Errors
    ///
    /// The system does not let this process have the signals.
    pub(crate) fn new(hidden: bool) -> Result<Progress, Fault> {
        let progress = Progress::silent();
        for (signal, exit_code) in [(SIGINT, 130), (SIGTERM, 143)] {
            // In this order: the first signal sets what the second one looks for.
            signal_hook::flag::register_conditional_shutdown(signal, exit_code, Arc::clone(&progress.stopped))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&progress.stopped)))
                .map_err(Fault::system("wait for Ctrl-C"))?;
        }
        if !hidden {
            // It draws only if stderr is a terminal.
            progress.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
        }
        let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {percent:>3} %");
        progress.bar.set_style(style.expect("the template is well-formed"));
        Ok(progress)
    }

    /// A phase begins, of so many steps.
    pub(crate) fn phase(&self, name: &'static str, len: u64) {
        self.bar.set_message(name);
        self.bar.set_length(len);
        self.bar.set_position(0);
    }

    /// The phase has come so far.
    pub(crate) fn reach(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// So many connections are open, and another is about to be.
    pub(crate) fn opened(&self, count: usize) -> Result<(), Fault> {
        self.reach(count as u64);
        if self.is_stopped() { Err(Fault::Interrupted) } else { Ok(()) }
    }

    /// All is done: removes the bar.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Whether Ctrl-C has come.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
