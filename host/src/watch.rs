//! The watchdog: tells when a callback blocks an event loop, while it does so.
//!
//! Reading a clock around every callback would cost more than the callback. So each loop only notes which callback it
//! is in, and a thread of its own looks at these notes from time to time.

use crate::standby::touch_thread_locals;
use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

/// A callback that is at work for longer is reported, at the latest when half as much more has passed.
const TOO_LONG: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The calls into an engine that have a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Callback {
    Open,
    Text,
    Binary,
    Ping,
    Pong,
    Event,
    Idle,
    ReadComplete,
    Drain,
    Close,
    Closed,
}

const NAMES: [&str; 11] = [
    "on_open",
    "on_text",
    "on_binary",
    "on_ping",
    "on_pong",
    "on_event",
    "on_idle",
    "on_read_complete",
    "on_drain",
    "on_close",
    "on_closed",
];

impl Callback {
    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// What one event loop is in. Written by the loop alone.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The lowest 8 bits: 0, or 1 and the callback. Above: counts the calls.
    call: AtomicU64,
    client: AtomicU64,
}

thread_local! {
    static WATCH: OnceCell<Arc<Watch>> = const { OnceCell::new() };
}

/// Uses those of the calling thread, see [`crate::standby`].
pub(crate) fn touch() {
    WATCH.with(|_| ());
}

impl Watch {
    /// Notes from now on here what this thread is in.
    pub(crate) fn keep(self: Arc<Self>) {
        WATCH.with(|watch| watch.set(self).unwrap_or_default());
    }

    /// Whether the loop is in a callback.
    pub(crate) fn is_in_callback(&self) -> bool {
        self.call.load(Ordering::Acquire) & 0xFF != 0
    }
}

/// Makes a call into an engine for a client.
#[inline]
pub(crate) fn watched<R>(callback: Callback, client: u64, call: impl FnOnce() -> R) -> R {
    WATCH.with(|watch| {
        let Some(watch) = watch.get() else { return call() };
        let number = (watch.call.load(Ordering::Relaxed) & !0xFF) + 0x100;
        watch.client.store(client, Ordering::Relaxed);
        watch.call.store(number | (callback as u64 + 1), Ordering::Release);
        let result = call();
        watch.call.store(number, Ordering::Release);
        result
    })
}

/// Looks at all loops until it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts to look. `report` is told the callback and the client's number, once for each call that takes too long.
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread left.
    pub(crate) fn start(
        watches: Vec<Arc<Watch>>,
        report: impl Fn(&'static str, u64) + Send + 'static,
    ) -> io::Result<Watchdog> {
        let (stop, stopped) = mpsc::channel();
        let body = move || {
            touch_thread_locals();
            let mut seen: Vec<_> = watches.iter().map(|_| Seen::default()).collect();
            while stopped.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                for (watch, seen) in watches.iter().zip(&mut seen) {
                    if let Some(callback) = seen.look(watch.call.load(Ordering::Acquire)) {
                        report(callback, watch.client.load(Ordering::Relaxed));
                    }
                }
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

/// What the watchdog has seen of one loop.
#[derive(Default)]
struct Seen {
    call: u64,
    /// How often in a row.
    times: u32,
}

impl Seen {
    fn look(&mut self, call: u64) -> Option<&'static str> {
        if call != self.call {
            *self = Seen { call, times: 0 };
        }
        self.times += 1;
        let callback = usize::try_from(call & 0xFF).ok()?.checked_sub(1)?;
        // Seen first at some point of the call, then again after each LOOK_EVERY.
        let at_least = LOOK_EVERY * (self.times - 1);
        let just_now = at_least >= TOO_LONG && at_least < TOO_LONG + LOOK_EVERY;
        just_now.then(|| NAMES.get(callback).copied()).flatten()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({} times)", self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_takes_too_long_is_reported_once_while_it_lasts() {
        let watch = Arc::new(Watch::default());
        let (reported, reports) = mpsc::channel();
        let watchdog = Watchdog::start(vec![Arc::clone(&watch)], move |callback, client| {
            reported.send((callback, client)).unwrap_or_default();
        });
        let blocking = thread::spawn(move || {
            watch.keep();
            watched(Callback::Open, 6, || ());
            watched(Callback::Text, 7, || reports.recv().map(|report| (report, reports)))
        });
        let (report, reports) = blocking.join().unwrap().unwrap();
        assert_eq!(report, ("on_text", 7));
        drop(watchdog);
        assert!(reports.recv().is_err());
    }

    #[test]
    fn quick_calls_are_not_reported_however_often_one_is_seen() {
        let mut seen = Seen::default();
        assert!((1..100).all(|call| seen.look(call << 8 | 2).is_none()));
        assert!((0..100).all(|_| seen.look(0x6400).is_none()));
    }
}
