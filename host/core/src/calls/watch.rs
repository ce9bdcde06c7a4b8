//! The watchdog: reports a callback that blocks an event loop, or an `authenticate` that blocks a worker, while it
//! blocks.
//!
//! Reading a clock around every callback would cost more than the callback. So each thread only notes its callback, and
//! a [`Lookout`] checks these notes from time to time, on a thread of its own.

use crate::calls::{self, CallFor, Callback, Whose};
use crate::lock::Lock;
use std::cell::OnceCell;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A callback that runs for longer than this is reported, at the latest when half as much more time has passed.
const TOO_LONG: Duration = Duration::from_millis(100);
/// The same for `authenticate` on a worker, where it may wait for others.
const TOO_LONG_ON_WORKER: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The call that one thread is in. Only that thread writes it.
#[derive(Debug, Default)]
pub struct Watch {
    /// The lowest 8 bits are 0, or 1 plus the callback. The bits above count the calls.
    call: AtomicU64,
    /// The client's number; 0 without a client.
    client: AtomicU64,
    /// The engine's generation.
    generation: AtomicU32,
    /// The address of a peer that is not a client yet.
    peer: Lock<String>,
    /// Whether the thread is a worker, on which most calls may take as long as they like.
    worker: bool,
}

thread_local! {
    static WATCH: OnceCell<Arc<Watch>> = const { OnceCell::new() };
}

/// Uses the calling thread's thread-locals, see [`crate::touch_thread_locals`].
pub fn touch() {
    WATCH.with(|_| ());
}

/// The workers' watches. Workers start and end.
static WORKERS: Lock<Vec<Weak<Watch>>> = Lock::new(Vec::new());

/// Lets the watchdog check the calling thread, a worker.
pub fn keep_for_worker() {
    let watch = Arc::new(Watch { worker: true, ..Watch::default() });
    let mut workers = WORKERS.hold();
    workers.retain(|worker| worker.strong_count() > 0);
    workers.push(Arc::downgrade(&watch));
    drop(workers);
    watch.keep();
}

impl Watch {
    /// Notes the calling thread's calls here from now on.
    pub fn keep(self: Arc<Self>) {
        calls::this_thread_is_ours();
        WATCH.with(|watch| watch.set(self).unwrap_or_default());
    }

    /// Whether the thread is in a callback.
    pub fn is_in_callback(&self) -> bool {
        self.call.load(Ordering::Acquire) & 0xFF != 0
    }

    /// Notes a call. Returns the outer call, if the thread was in one.
    #[inline]
    fn enter(&self, callback: Callback, generation: u32, whom: CallFor<'_>) -> Option<Before> {
        let call = self.call.load(Ordering::Relaxed);
        let before = if call & 0xFF == 0 { None } else { Some(self.present(call)) };
        let client = match whom {
            CallFor::Client { number, .. } => number,
            CallFor::Nobody => 0,
            CallFor::Peer(peer) => self.note_peer(peer),
        };
        self.client.store(client, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
        self.call.store(((call & !0xFF) + 0x100) | (callback as u64 + 1), Ordering::Release);
        before
    }

    #[inline]
    fn leave(&self, before: Option<&Before>) {
        match before {
            None => self.call.store((self.call.load(Ordering::Relaxed) & !0xFF) + 0x100, Ordering::Release),
            Some(before) => self.go_back_to(before),
        }
    }

    #[cold]
    fn present(&self, call: u64) -> Before {
        let (client, generation) = (self.client.load(Ordering::Relaxed), self.generation.load(Ordering::Relaxed));
        Before { call, client, generation }
    }

    #[cold]
    fn go_back_to(&self, before: &Before) {
        self.client.store(before.client, Ordering::Relaxed);
        self.generation.store(before.generation, Ordering::Relaxed);
        self.call.store(before.call, Ordering::Release);
    }

    /// Notes the address of a peer that is not a client yet and has no number.
    #[cold]
    fn note_peer(&self, peer: &str) -> u64 {
        peer.clone_into(&mut self.peer.hold());
        0
    }

    /// How long a call may take until it is reported; `None` if it never is.
    fn patience(&self, callback: Callback) -> Option<Duration> {
        match (self.worker, callback) {
            (false, _) => Some(TOO_LONG),
            (true, Callback::Authenticate) => Some(TOO_LONG_ON_WORKER),
            (true, _) => None,
        }
    }
}

/// The call that a thread was in before another.
struct Before {
    call: u64,
    client: u64,
    generation: u32,
}

/// Makes a call, noted for the watchdog. Only [`calls::watched`] uses it.
#[inline]
pub fn noted<R>(callback: Callback, generation: u32, whom: CallFor<'_>, call: impl FnOnce() -> R) -> R {
    // A thread that ends is no longer checked.
    let entered =
        WATCH.try_with(|watch| watch.get().map(|watch| watch.enter(callback, generation, whom))).ok().flatten();
    let result = call();
    if let Some(before) = entered {
        let _ = WATCH.try_with(|watch| watch.get().map(|watch| watch.leave(before.as_ref())));
    }
    result
}

/// A call that takes too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// The callback's name.
    pub callback: &'static str,
    /// The engine, if it is known.
    pub whose: Option<Whose<'static>>,
    /// The client's number; 0 without one.
    pub client: u64,
    /// The address of a peer that is not a client yet.
    pub peer: Option<String>,
    /// Whether it blocks an event loop rather than a worker.
    pub on_loop: bool,
    /// The least time that it has taken so far.
    pub over: Duration,
}

/// Checks event loops and workers whenever it is asked to.
#[derive(Debug)]
pub struct Lookout {
    loops: Vec<Arc<Watch>>,
    seen: Vec<(Weak<Watch>, Seen)>,
}

impl Lookout {
    /// How often to look.
    pub const EVERY: Duration = LOOK_EVERY;

    /// A lookout for these loops and all workers.
    pub fn new(loops: Vec<Arc<Watch>>) -> Lookout {
        Lookout { loops, seen: Vec::new() }
    }

    /// Looks at each thread. Returns the calls that take too long, each of them once.
    pub fn look(&mut self) -> Vec<Blocking> {
        let Lookout { loops, seen } = self;
        seen.retain(|(watch, _)| watch.strong_count() > 0);
        for watch in loops.iter().map(Arc::downgrade).chain(WORKERS.hold().iter().cloned()) {
            if !seen.iter().any(|(known, _)| known.ptr_eq(&watch)) {
                seen.push((watch, Seen::default()));
            }
        }
        let look = |(watch, seen): &mut (Weak<Watch>, Seen)| seen.look(&*watch.upgrade()?);
        seen.iter_mut().filter_map(look).collect()
    }
}

/// The watchdog's observation of one thread.
#[derive(Default)]
struct Seen {
    call: u64,
    /// How often in a row it was seen.
    times: u32,
}

impl Seen {
    fn look(&mut self, watch: &Watch) -> Option<Blocking> {
        let call = watch.call.load(Ordering::Acquire);
        if call != self.call {
            *self = Seen { call, times: 0 };
        }
        self.times += 1;
        let callback = Callback::numbered(usize::try_from(call & 0xFF).ok()?.checked_sub(1)?)?;
        let patience = watch.patience(callback)?;
        // The first look comes at some point of the call, the next ones LOOK_EVERY apart.
        let at_least = LOOK_EVERY * (self.times - 1);
        let just_now = at_least >= patience && at_least < patience + LOOK_EVERY;
        just_now.then(|| Blocking {
            callback: callback.name(),
            whose: calls::generation(watch.generation.load(Ordering::Relaxed)),
            client: watch.client.load(Ordering::Relaxed),
            peer: (callback == Callback::Authenticate).then(|| watch.peer.hold().clone()),
            on_loop: !watch.worker,
            over: patience,
        })
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
    use crate::calls::watched;
    use std::sync::mpsc;
    use std::thread;

    const WHOSE: Whose<'static> = Whose { number: 4_000_000_000, name: "blocking", version: "1.2.3" };

    fn blocked(body: impl FnOnce(mpsc::Receiver<Blocking>) + Send + 'static) {
        calls::register(WHOSE);
        let watch = Arc::new(Watch::default());
        let (reported, reports) = mpsc::channel();
        let report = move |blocking: Blocking| {
            if blocking.whose == Some(WHOSE) {
                reported.send(blocking).unwrap_or_default();
            }
        };
        let (stop, stopped) = mpsc::channel::<()>();
        let mut lookout = Lookout::new(vec![Arc::clone(&watch)]);
        let looking = thread::spawn(move || {
            while stopped.recv_timeout(Lookout::EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                lookout.look().into_iter().for_each(&report);
            }
        });
        let blocking = thread::spawn(move || {
            watch.keep();
            body(reports);
        });
        blocking.join().unwrap();
        drop(stop);
        looking.join().unwrap();
    }

    #[test]
    fn a_call_that_takes_too_long_is_reported_once_while_it_lasts() {
        blocked(|reports| {
            watched(Callback::Open, &WHOSE, CallFor::Nobody, || ());
            let peer = CallFor::Peer("1.2.3.4:5");
            let blocking = watched(Callback::Authenticate, &WHOSE, peer, || {
                let blocking = reports.recv().unwrap();
                thread::sleep(TOO_LONG + 2 * LOOK_EVERY);
                blocking
            });
            let expected = Blocking {
                callback: "authenticate",
                whose: Some(WHOSE),
                client: 0,
                peer: Some("1.2.3.4:5".into()),
                on_loop: true,
                over: TOO_LONG,
            };
            assert_eq!(blocking, expected);
            assert!(reports.try_recv().is_err(), "once");
        });
    }

    #[test]
    fn a_job_within_a_callback_is_named_and_then_the_callback_again() {
        blocked(|reports| {
            watched(Callback::Text, &WHOSE, CallFor::Nobody, || {
                let job = watched(Callback::Job, &WHOSE, CallFor::Nobody, || reports.recv().unwrap());
                assert_eq!(job.callback, "job");
                assert_eq!(reports.recv().unwrap().callback, "on_text");
            });
        });
    }

    #[test]
    fn quick_calls_are_not_reported_however_often_one_is_seen() {
        let (watch, mut seen) = (Watch::default(), Seen::default());
        for _ in 0..100 {
            let before = watch.enter(Callback::Text, 1, CallFor::Nobody);
            assert_eq!(seen.look(&watch), None);
            watch.leave(before.as_ref());
        }
        assert!((0..100).all(|_| seen.look(&watch).is_none()));
    }

    #[test]
    fn jobs_of_a_worker_may_take_as_long_as_they_like() {
        let watch = Watch { worker: true, ..Watch::default() };
        assert_eq!(watch.patience(Callback::Job), None);
        assert_eq!(watch.patience(Callback::Authenticate), Some(TOO_LONG_ON_WORKER));
    }
}
