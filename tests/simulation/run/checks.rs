//! What must hold whenever there is nothing to do at the moment.

use super::Run;
use crate::account::client::Life;
use crate::account::with;
use crate::guest::Guest;
use wshost_core::client::audience::Whom;

/// A deadline is met at most so much later, in milliseconds: it is set to a tick of the wheel, waking waits for one more, and
/// time moves in steps of up to as much.
const SLACK: u64 = 800;
/// From our close frame to the end of TCP.
const CLOSE_DEADLINE: u64 = 5000;
/// The least time for which TCP is kept for a peer that has said goodbye.
const LINGER: u64 = 500;
/// So many jobs of a client may wait without its being read from any less.
const FEW_JOBS: usize = 32;
/// Control frames that come on top of a backlog.
const CONTROL: usize = 1000;

impl Run {
    /// Has everyone do what there is to do, and looks at what came of it.
    pub(super) fn settle(&mut self) {
        self.rig.settle();
        self.look();
    }

    /// Looks at what came of what everyone did.
    pub(super) fn look(&mut self) {
        self.rig.enter(|| with(|account| account.refresh()));
        self.guests.iter_mut().for_each(Guest::look_for_answer);
        self.look_at_swap();
        self.rig.enter(|| with(|account| account.refresh()));
        self.rig.enter(|| self.guests.iter_mut().for_each(Guest::read));
        self.look_at_time();
        self.rig.enter(|| {
            self.guests.iter().for_each(|guest| self.check_guest(guest));
            self.check_counts();
        });
        self.swap_again();
    }

    fn check_counts(&self) {
        let current = self.mount.current();
        let audience = current.audience();
        with(|account| {
            account.count_everyone(audience.count(Whom::Everyone));
            for group in 0..=2 {
                account.count_members(group, audience.count(Whom::Group(&format!("group {group}"))));
            }
        });
    }

    fn check_guest(&self, guest: &Guest) {
        let Some(client) = &guest.client else { return };
        let (index, swapping) = (guest.index, self.is_swapping());
        let (buffered, unread) = (client.buffered(), guest.unread());
        with(|account| {
            let limit = account.plan.setup.backlog.limit;
            let known = &mut account.clients[index];
            if known.is_closed() {
                return;
            }
            let takes_all = guest.is_there() && guest.is_reading;
            let bound = limit + known.outbound.largest + CONTROL;
            if buffered > bound {
                return account.violated(format!("client {index}: {buffered} bytes wait, and at most {bound} may"));
            }
            if known.close.is_some() && takes_all && !guest.shut && !guest.has_seen_close() {
                return account
                    .violated(format!("client {index}: nothing holds up the close frame, and it has not come"));
            }
            if known.may_be_ending() || guest.reset || known.life != Life::Open {
                return;
            }
            if takes_all {
                if let Some(missing) = known.outbound.missing() {
                    return account
                        .violated(format!("client {index}: nothing holds up {missing}, and it has not come"));
                }
                if buffered == 0 {
                    known.outbound.nothing_waits(guest.received());
                }
            }
            if let Some(expected) = known.outbound.waits(guest.received())
                && !(guest.is_compressing || guest.vanished)
                && buffered != expected
            {
                return account
                    .violated(format!("client {index}: {buffered} bytes are said to wait, and {expected} do"));
            }
            if swapping {
                return;
            }
            if let Some(event) = known.events.front() {
                let event = *event;
                return account
                    .violated(format!("client {index}: nothing holds up event {event}, and it has not come"));
            }
            if known.refused && buffered == 0 {
                return account.violated(format!("client {index}: all is written, and on_drain has not come"));
            }
            let is_read_from = takes_all && !known.paused && known.jobs.len() <= FEW_JOBS;
            if is_read_from && (unread > 0 || !known.inbound.due.is_empty()) {
                let due = known.inbound.due.front().cloned();
                account.violated(format!("client {index}: {unread} bytes are not read, and {due:?} has not come"));
            }
        });
    }

    /// Looks at deadlines: whether any is missed, and whether any was met too early.
    fn look_at_time(&mut self) {
        let now = self.rig.enter(|| with(|account| account.now()));
        let passed = now - std::mem::replace(&mut self.looked_at, now);
        let swapping = self.is_swapping();
        let away = with(|account| {
            account.settled_at = now;
            std::mem::take(&mut account.away)
        });
        for guest in &mut self.guests {
            if guest.client.is_none() {
                continue;
            }
            with(|account| account.clients[guest.index].time_passed(passed));
            if guest.is_gone() {
                guest.check_end(now, CLOSE_DEADLINE, LINGER);
            } else if !away && !swapping {
                let takes_all = guest.is_there() && guest.is_reading;
                let waits = guest.client.as_ref().is_some_and(|client| client.buffered() > 0);
                let unread = guest.unread() > 0 || waits;
                with(|account| account.time_passed(guest.index, passed, unread, takes_all));
            }
        }
    }
}

impl crate::account::client::Client {
    /// So much time has passed, whatever happened in it.
    fn time_passed(&mut self, passed: u64) {
        // Behind a close frame it is read from again.
        let paused = self.paused && !self.may_be_ending();
        if !(std::mem::replace(&mut self.was_paused, paused) && paused) {
            self.read_for += passed;
        }
    }
}

impl crate::account::Account {
    /// So much time has passed for a client, in which its loop was not away and there was no swap.
    fn time_passed(&mut self, index: usize, passed: u64, unread: bool, takes_all: bool) {
        let setup = self.plan.setup;
        let millis = |set: std::time::Duration| u64::try_from(set.as_millis()).unwrap_or(u64::MAX);
        let (ping_after, close_after) = (setup.keepalive.0.map_or(0, millis), setup.keepalive.1.map_or(0, millis));
        let timeout = millis(setup.limits.assembly_timeout);
        let now = self.now();
        let client = &mut self.clients[index];
        if let Some(began) = client.end_began {
            client.ending_for += passed.min(now - began);
            if client.ending_for > CLOSE_DEADLINE + SLACK {
                let late = client.ending_for;
                self.violated(format!("client {index}: its end began {late} ms ago, and its connection is there"));
            }
            return;
        }
        if client.may_be_ending() || client.life != Life::Open {
            return;
        }
        if unread || !takes_all || client.paused || client.jobs.len() > FEW_JOBS {
            return;
        }
        client.quiet_for += passed;
        client.unfinished_for = if client.unfinished_since.is_some() { client.unfinished_for + passed } else { 0 };
        let (quiet_for, unfinished_for) = (client.quiet_for, client.unfinished_for);
        if ping_after > 0 && quiet_for > ping_after.max(close_after) + SLACK {
            self.violated(format!("client {index}: nothing has come for {quiet_for} ms, and it was not pinged"));
        }
        if unfinished_for > timeout + SLACK {
            self.violated(format!("client {index}: a message is unfinished for {unfinished_for} ms"));
        }
    }
}
