//! The end of a run: everything comes to rest, the server says goodbye, and nothing is left.

use super::{Run, is_violated};
use crate::account::client::Life;
use crate::account::live;
use crate::account::{note, with};
use plugin_api::Sent;
use std::rc::Rc;
use std::sync::Arc;
use wshost_core::client::audience::Whom;

/// The longest that it may take until all is at rest, in steps of a quarter of a second.
const REST: usize = 240;

impl Run {
    /// Ends the run.
    pub(super) fn end(mut self) {
        let abrupt = with(|account| account.plan.abrupt_end);
        with(|account| {
            note!(account, "the end begins, abrupt: {abrupt}");
            account.calm = true;
        });
        if !abrupt {
            self.come_to_rest();
        }
        if !is_violated() {
            self.drain();
        }
        let now = self.rig.enter(|| with(|account| account.now()));
        with(|account| {
            account.ended_at = now;
            account.ending = true;
        });
        self.take_down();
    }

    /// Everybody does what is left to do, and harms nobody any more.
    fn come_to_rest(&mut self) {
        for _ in 0..REST {
            for guest in &mut self.guests {
                if guest.is_there() {
                    if !guest.is_reading {
                        guest.set_window(None);
                    }
                    guest.deliver(usize::MAX);
                }
                if let Some(client) = &guest.client
                    && with(|account| account.clients[guest.index].paused)
                {
                    self.rig.enter(|| client.pause_reading(false));
                    with(|account| account.clients[guest.index].paused = false);
                }
            }
            self.work_off();
            let swapping = self.is_swapping();
            let unsent = self.guests.iter().any(|guest| guest.is_there() && !guest.shut && guest.has_unsent());
            if is_violated() || !(swapping || unsent) {
                break;
            }
            self.advance(250);
        }
        self.work_off();
        let swapping = self.is_swapping();
        with(|account| account.must(!swapping, || "a swap does not come to its end".to_owned()));
        self.check_timers();
    }

    /// Does all that waits for a thread.
    fn work_off(&mut self) {
        for _ in 0..50 {
            self.settle();
            let errand = self.rig.enter(|| self.rig.queues().do_one());
            let job = self.do_one_job();
            let retired = self.rig.enter(|| self.rig.queues().retire_one());
            if !(errand || job || retired) || is_violated() {
                break;
            }
        }
    }

    /// Whatever timer is due has run.
    fn check_timers(&mut self) {
        self.all_jobs();
        self.settle();
        if self.has_jobs() || self.is_swapping() {
            return;
        }
        self.rig.enter(|| {
            with(|account| {
                let now = account.now();
                let late = account.timers.iter().find(|(_, timer)| {
                    let runs = account.reaches(timer.generation) && !account.generations[timer.generation].fading;
                    runs && !timer.cancelled && timer.due <= now
                });
                let late = late.map(|(id, timer)| (*id, timer.due));
                account.must(late.is_none(), || format!("timer and time {late:?}: it is {now}, and it has not run"));
            });
        });
    }

    /// The server closes every client, and waits for them.
    fn drain(&mut self) {
        let current = self.mount.current();
        current.hold_timers();
        self.say_goodbye();
        self.rig.enter(|| {
            with(|account| account.ending = true);
            current.end_timers();
        });
        drop(current);
        for _ in 0..REST {
            self.guests.iter_mut().for_each(|guest| guest.deliver(usize::MAX));
            self.work_off();
            // Those that were let in meanwhile.
            self.say_goodbye();
            let left = self.guests.iter().any(|guest| guest.client.is_some() && !guest.is_gone());
            if is_violated() || !(left || self.is_swapping()) {
                break;
            }
            self.advance(250);
        }
        let open = with(|account| {
            let open = |client: &crate::account::client::Client| matches!(client.life, Life::Open | Life::Connecting);
            account.clients.iter().position(open)
        });
        let there = self.guests.iter().position(|guest| guest.client.is_some() && !guest.is_gone());
        with(|account| {
            account.must(open.is_none(), || format!("client {open:?} was not told on_closed"));
            account.must(there.is_none(), || format!("the connection of client {there:?} is there"));
        });
    }

    fn say_goodbye(&self) {
        self.rig.enter(|| {
            for client in self.mount.current().audience().clients(Whom::Everyone) {
                let index: usize = client.resource().trim_start_matches('/').parse().unwrap_or(usize::MAX);
                let sent = client.close(1001, "the server ends");
                with(|account| {
                    if sent == Sent::Sent {
                        note!(account, "client {index}: the server says goodbye");
                        let known = &mut account.clients[index];
                        known.close = Some(1001);
                        known.outbound.cut_off();
                        account.note_end(index);
                    }
                });
            }
        });
    }

    /// Drops everything, and looks whether anything is left.
    fn take_down(self) {
        let Run { rig, mount, guests, .. } = self;
        let violated = is_violated();
        let audience = Arc::clone(mount.current().audience());
        drop(guests);
        let mounts = Rc::strong_count(&mount);
        drop(mount);
        for _ in 0..10_000 {
            let errand = rig.enter(|| rig.queues().do_one());
            let retired = rig.enter(|| rig.queues().retire_one());
            let (job, timer) = (rig.do_one_job(), rig.do_one_timer());
            if !(job || timer || errand || retired) {
                break;
            }
        }
        rig.settle();
        let facilities = rig.facilities();
        let jobs = [&facilities.pool, &facilities.timely].map(|pool| pool.waiting() + pool.running());
        if !violated {
            with(|account| {
                account.must(mounts == 1, || format!("the mount is held {mounts} times"));
                account.must(jobs == [0, 0], || format!("jobs that wait and run: {jobs:?}"));
                let busy = !audience.activity.is_idle();
                account.must(!busy, || "something of the engine's is said to be under way".to_owned());
                let clients = audience.count(Whom::Everyone);
                account.must(clients == 0, || format!("{clients} clients are left"));
                let alive = live::alive();
                account.must(alive.is_empty(), || format!("not dropped: {alive:?}"));
            });
        }
        drop(rig);
        let holders = Arc::strong_count(&audience);
        if !violated {
            with(|account| account.must(holders == 1, || format!("the audience is held {holders} times")));
        }
    }
}
