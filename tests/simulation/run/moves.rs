//! What the driver does: one thing after the other, by chance.

use super::Run;
use crate::account::client::Client;
use crate::account::{note, with};
use crate::guest::Guest;
use crate::plan::Move;
use plugin_testing::rig::Asks;
use std::time::Duration;
use wshost_core::protocol::deflate::{Agreed, Reach};

impl Run {
    /// One thing, and mostly what comes of it.
    pub(super) fn step(&mut self) {
        let next = with(|account| account.random.weighted(&account.plan.moves));
        match next {
            Move::Connect => self.connect(),
            Move::Job => self.job(),
            Move::Errand => self.errand(),
            Move::Retire => self.retire(),
            Move::Step => self.advance(with(|account| account.random.millis(1..=400))),
            Move::Wait => self.advance(with(|account| account.random.millis(500..=20_000))),
            Move::Jump => self.jump(with(|account| account.random.one_of(&[400, 3000, 40_000]))),
            Move::Swap => self.begin_swap(),
            other => self.of_a_guest(other),
        }
        let hastes = with(|account| account.random.in_thousand(account.plan.haste));
        if !hastes {
            self.settle();
        }
    }

    fn of_a_guest(&mut self, what: Move) {
        if self.guests.is_empty() {
            return;
        }
        let chosen = with(|account| account.random.among(0..=self.guests.len() - 1));
        let guest = &mut self.guests[chosen];
        match what {
            Move::Compose => guest.compose(),
            Move::Deliver => {
                let most = with(|account| {
                    account.random.one_of(&[1, 2, 7, 100, 1500, 10_000, usize::MAX, usize::MAX, usize::MAX])
                });
                guest.deliver(most);
            }
            Move::Window if guest.is_there() => {
                let window =
                    with(|account| account.random.one_of(&[None, None, Some(0), Some(1), Some(500), Some(20_000)]));
                guest.set_window(window);
            }
            Move::Close => guest.close(),
            Move::Shut => guest.shut(),
            Move::Reset => guest.reset(),
            Move::Vanish => self.rig.enter(|| guest.vanish()),
            Move::Misbehave => guest.misbehave(),
            _ => {}
        }
    }

    fn connect(&mut self) {
        if self.guests.iter().filter(|guest| !guest.is_gone()).count() >= with(|account| account.plan.guests) {
            return;
        }
        let index = self.guests.len();
        let (event_loop, deflate) = with(|account| {
            let setup = account.plan.setup;
            note!(account, "client {index} asks");
            let random = &mut account.random;
            let deflate = setup.compression.filter(|_| random.in_thousand(700)).map(|how| Agreed {
                server: Reach { context_takeover: how.context_takeover, window_bits: how.window_bits },
                client: Reach { context_takeover: random.coin(), window_bits: 15 },
            });
            (random.among(0..=setup.loops - 1), deflate)
        });
        let asks = Asks {
            resource: format!("/{index}"),
            peer: format!("client {index}"),
            headers: Vec::new(),
            deflate,
            event_loop,
        };
        let attempt = self.rig.connect(&self.mount, asks);
        with(|account| account.clients.push(Client::new(attempt.peer.clone())));
        self.guests.push(Guest::new(index, attempt, deflate));
    }

    /// Does a job that waits, or all of them.
    fn job(&mut self) {
        if with(|account| account.random.coin()) {
            self.do_one_job();
        } else {
            self.all_jobs();
        }
    }

    /// Does one, or a run of a timer: either may come first.
    pub(super) fn do_one_job(&self) -> bool {
        let timers_first = with(|account| account.random.coin());
        (timers_first && self.rig.do_one_timer()) || self.rig.do_one_job() || self.rig.do_one_timer()
    }

    /// Whether there are any.
    pub(super) fn has_jobs(&self) -> bool {
        let facilities = self.rig.facilities();
        facilities.pool.waiting() + facilities.timely.waiting() > 0
    }

    /// Does all jobs, and those that come of them, unless they never end.
    pub(super) fn all_jobs(&mut self) {
        let mut done = 0;
        while done < 500 && self.do_one_job() {
            done += 1;
            if !self.has_jobs() {
                self.settle();
            }
        }
    }

    /// Does something that a thread of the server's would, sometimes out of turn.
    fn errand(&mut self) {
        let threads = self.rig.queues().threads();
        // Mostly one, so that other things happen between the steps of a swap.
        let count = with(|account| account.random.one_of(&[1, 1, 1, 2, 8]));
        for _ in 0..count {
            match threads.as_slice() {
                [] => break,
                threads => {
                    let thread = with(|account| account.random.one_of(threads));
                    self.rig.enter(|| self.rig.queues().do_next_of(thread));
                    self.settle();
                }
            }
        }
    }

    fn retire(&mut self) {
        let count = with(|account| account.random.among(1..=10));
        for _ in 0..count {
            self.rig.enter(|| self.rig.queues().retire_one());
        }
    }

    /// Lets time pass as it does.
    pub(super) fn advance(&mut self, millis: u64) {
        with(|account| note!(account, "{millis} ms pass"));
        let until = self.rig.now() + Duration::from_millis(millis);
        while self.rig.now() < until && !super::is_violated() {
            self.rig.pass_until(until);
            self.look();
            // Peers answer meanwhile, or take their time.
            for guest in &mut self.guests {
                if with(|account| account.random.coin()) {
                    self.rig.enter(|| guest.deliver(usize::MAX));
                }
            }
        }
        self.settle();
    }

    /// The loops are away for so long.
    fn jump(&mut self, millis: u64) {
        with(|account| {
            note!(account, "{millis} ms are gone");
            account.away = true;
        });
        self.rig.jump(Duration::from_millis(millis));
    }
}
