//! The thread that calls the engines' exports and imports, and its present call. An engine that blocks there is left
//! alone.

use crate::calls::Callback;
use crate::engine::{Audience, Client};
use crate::executor::{Executor, Thread};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

/// The thread of one swap. When this is dropped, the thread ends after its last errand.
#[derive(Debug)]
pub(super) struct Errands {
    thread: Thread,
    at: Arc<At>,
}

/// The result of an errand.
pub(super) struct PendingResult<R>(oneshot::Receiver<R>);

/// The thread's present call, and its client. Noting it is cheap, since everyone waits meanwhile.
#[derive(Debug, Default)]
pub(super) struct At {
    /// 0 if there is none, or 1 plus the callback.
    call: AtomicU8,
    /// The client's number, or 0 if there is none.
    client: AtomicU64,
}

impl Errands {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(super) fn start(executor: &dyn Executor) -> io::Result<Errands> {
        Ok(Errands { thread: executor.thread("wshost-handover")?, at: Arc::default() })
    }

    /// Queues this for the thread.
    pub(super) fn begin<R: Send + 'static>(&self, work: impl FnOnce(&At) -> R + Send + 'static) -> PendingResult<R> {
        let (done, result) = oneshot::channel();
        let at = Arc::clone(&self.at);
        self.thread.run(move || {
            let result = work(&at);
            at.leave();
            // Nobody may wait any more.
            let _ = done.send(result);
        });
        PendingResult(result)
    }

    /// Waits until the thread has done everything, but not beyond `until`. Returns whether it has.
    pub(super) async fn wait_until_done(&self, until: Instant) -> bool {
        self.begin(|_| ()).wait(until).await.is_some()
    }

    /// The thread's present call, in words. Its client is one of these.
    pub(super) fn at_work(&self, audience: &Audience) -> String {
        let Some(call) = self.at.call() else { return "the handover was at work".to_owned() };
        let call = call.name();
        match audience.client(self.at.client.load(Ordering::Relaxed)) {
            None => format!("{call} was at work"),
            Some(client) => format!("{call} of client {} from {} was at work", client.number(), client.peer()),
        }
    }
}

impl<R> PendingResult<R> {
    /// Waits for the result. Returns `None` if it was not there at `until`; it may be called again.
    pub(super) async fn wait(&mut self, until: Instant) -> Option<R> {
        timeout_at(until.into(), &mut self.0).await.ok().and_then(Result::ok)
    }
}

impl At {
    /// Notes that the thread is about to make this call, for this client or for the engine as a whole.
    pub(super) fn come_to(&self, call: Callback, client: Option<&Client>) {
        self.client.store(client.map_or(0, Client::number), Ordering::Relaxed);
        self.call.store(call as u8 + 1, Ordering::Relaxed);
    }

    fn call(&self) -> Option<Callback> {
        let call = usize::from(self.call.load(Ordering::Relaxed));
        call.checked_sub(1).and_then(Callback::numbered)
    }

    fn leave(&self) {
        self.call.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    fn errands() -> Errands {
        let (give, taken) = mpsc::channel::<crate::jobs::Work>();
        thread::spawn(move || taken.into_iter().for_each(|work| work()));
        let thread = Thread::new(move |work| give.send(work).unwrap_or_default());
        Errands { thread, at: Arc::default() }
    }

    #[tokio::test]
    async fn a_result_can_be_asked_for_again_and_the_next_errand_waits() {
        let errands = errands();
        let (release, held) = mpsc::channel::<()>();
        let later = || Instant::now() + Duration::from_secs(60);
        let mut pending = errands.begin(move |at| {
            at.come_to(Callback::ExportState, None);
            held.recv().unwrap_or_default();
            7
        });
        assert_eq!(pending.wait(Instant::now() + Duration::from_millis(20)).await, None);
        assert!(!errands.wait_until_done(Instant::now() + Duration::from_millis(20)).await);
        assert_eq!(errands.at.call(), Some(Callback::ExportState));
        drop(release);
        assert_eq!(pending.wait(later()).await, Some(7));
        assert!(errands.wait_until_done(later()).await);
    }
}
