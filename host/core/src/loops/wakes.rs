//! Wakes tasks of an event loop from other threads: many tasks for the price of one wake-up.
//!
//! A wake-up from another thread costs a system call. So other threads put the tasks to wake into a list, and only the
//! first entry wakes the loop; a task of the loop then wakes the others from inside.

use crate::lock::{Held, Lock};
use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// The tasks to wake, by event loop.
#[derive(Debug)]
pub struct Wakes {
    loops: Box<[Lock<Pending>]>,
}

#[derive(Debug, Default)]
struct Pending {
    tasks: Vec<Waker>,
    /// Wakes the task of the loop that runs [`Wakes::serve`].
    server: Option<Waker>,
}

/// This many tasks at once count as a broadcast.
const WAVE: usize = 64;

thread_local! {
    /// The event loop that runs on this thread.
    static THIS_LOOP: Cell<Option<usize>> = const { Cell::new(None) };
}

impl Wakes {
    /// An empty list for each of this many event loops.
    pub fn new(loops: usize) -> Self {
        Wakes { loops: (0..loops).map(|_| Lock::default()).collect() }
    }

    /// How many event loops there are.
    pub fn loops(&self) -> usize {
        self.loops.len()
    }

    /// Wakes a task of an event loop.
    pub fn wake(&self, event_loop: usize, task: Waker) {
        if THIS_LOOP.get() == Some(event_loop) {
            task.wake();
        } else {
            self.put_down(event_loop, |tasks| tasks.push(task));
        }
    }

    /// Wakes tasks of an event loop; `tasks` is empty afterwards.
    pub(crate) fn wake_all(&self, event_loop: usize, tasks: &mut Vec<Waker>) {
        if THIS_LOOP.get() == Some(event_loop) {
            tasks.drain(..).for_each(Waker::wake);
        } else if !tasks.is_empty() {
            self.put_down(event_loop, |pending| pending.append(tasks));
        }
    }

    fn put_down(&self, event_loop: usize, put: impl FnOnce(&mut Vec<Waker>)) {
        let mut pending = self.lock(event_loop);
        let first = pending.tasks.is_empty();
        put(&mut pending.tasks);
        let server = if first { pending.server.clone() } else { None };
        drop(pending);
        if let Some(server) = server {
            server.wake();
        }
    }

    /// Wakes the tasks that other threads list for this event loop, for ever. Run it as one of the loop's tasks.
    pub async fn serve(&self, event_loop: usize) {
        THIS_LOOP.set(Some(event_loop));
        let mut tasks = Vec::new();
        poll_fn(|cx| self.wake_pending(event_loop, &mut tasks, cx)).await
    }

    fn wake_pending(&self, event_loop: usize, tasks: &mut Vec<Waker>, cx: &Context<'_>) -> Poll<()> {
        if self.lock(event_loop).tasks.len() >= WAVE {
            std::thread::yield_now();
        }
        let mut pending = self.lock(event_loop);
        std::mem::swap(&mut pending.tasks, tasks);
        if !pending.server.as_ref().is_some_and(|server| server.will_wake(cx.waker())) {
            pending.server = Some(cx.waker().clone());
        }
        drop(pending);
        tasks.drain(..).for_each(Waker::wake);
        Poll::Pending
    }

    fn lock(&self, event_loop: usize) -> Held<'_, Pending> {
        self.loops[event_loop].hold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::count::Count;

    #[test]
    fn many_tasks_cost_one_wake_up_of_the_loop() {
        let wakes = Wakes::new(1);
        let (server, task) = (Count::new(), Count::new());
        let server_waker = server.waker();
        let mut cx = Context::from_waker(&server_waker);
        let mut serve = std::pin::pin!(wakes.serve(0));
        assert!(serve.as_mut().poll(&mut cx).is_pending());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..100 {
                    wakes.wake(0, task.waker());
                }
                wakes.wake_all(0, &mut vec![task.waker(); 100]);
            });
        });
        assert_eq!((server.get(), task.get()), (1, 0));
        assert!(serve.as_mut().poll(&mut cx).is_pending());
        assert_eq!(task.get(), 200);
        // On the loop itself, the detour would save nothing.
        wakes.wake(0, task.waker());
        assert_eq!((server.get(), task.get()), (1, 201));
    }
}
