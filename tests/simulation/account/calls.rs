//! What each call of the host may answer, and what follows from it.

use super::client::{Client, Life};
use super::generation::Stage;
use super::inbound::Due;
use super::outbound::Owed;
use super::{Account, TICK, Timer, note};
use crate::wire::{Kind, Payload};
use plugin_api::{Idle, Sent};
use std::collections::BTreeMap;
use wshost_core::client::audience::BacklogPolicy;

/// What it costs the core to keep one more message, in bytes, is less than this.
const ENTRY: usize = 128;

impl Account {
    /// Kind and number of the next message.
    pub fn next_message(&mut self) -> (Kind, u32) {
        let kind = if self.random.coin() { Kind::Text } else { Kind::Binary };
        (kind, self.id() as u32)
    }

    /// A message or a part of one was sent while `before` bytes waited, and this was said.
    pub fn sent(&mut self, generation: usize, to: usize, before: usize, sent: Sent) {
        let limit = self.plan.setup.backlog.limit;
        self.judge_gone(generation, to, sent);
        let client = &mut self.clients[to];
        match sent {
            Sent::Sent => self.must(before <= limit, || {
                format!("client {to}: a message was accepted behind {before} bytes, and the limit is {limit}")
            }),
            Sent::Backlogged => {
                client.refused = true;
                let most = before + ENTRY * (client.outbound.owed.len() + 16);
                self.must(most > limit, || {
                    format!("client {to}: a message was refused behind {before} bytes, and the limit is {limit}")
                });
                if self.plan.setup.backlog.policy == BacklogPolicy::Close {
                    self.closed_for_backlog(to);
                }
            }
            Sent::Gone => {}
            Sent::Refused => self.violated(format!("client {to}: a message was refused for its form")),
        }
    }

    /// A ping or a pong was sent.
    pub fn sent_control(&mut self, generation: usize, to: usize, before: usize, sent: Sent) {
        self.judge_gone(generation, to, sent);
        let limit = self.plan.setup.backlog.limit;
        if sent == Sent::Backlogged {
            let most = before + ENTRY * (self.clients[to].outbound.owed.len() + 16);
            self.clients[to].refused = true;
            self.must(most > limit, || format!("client {to}: a ping was refused behind {before} bytes"));
        }
    }

    /// Whether it may be said that a client is gone, or that it is not.
    fn judge_gone(&mut self, generation: usize, to: usize, sent: Sent) {
        self.refresh();
        let stage = self.generations[generation].stage;
        let client = &self.clients[to];
        let must_be_gone = stage == Stage::Retired || client.close.is_some() || client.is_closed();
        let may_be_gone = must_be_gone || client.may_be_ending() || self.may_be_coming(generation);
        // A swap that leaves its clients alone may have ended while time passed within the loops' turn.
        let may_be_gone = may_be_gone || self.may_be_retired(generation) || (self.gentle && self.away);
        let gone = sent == Sent::Gone;
        self.must(!gone || may_be_gone, || format!("client {to} is said to be gone, and it is not"));
        self.must(gone || !must_be_gone, || {
            format!("client {to}: {sent:?} is said by generation {generation}, {stage:?}, and it is gone")
        });
        if !gone {
            self.see_served_by(generation);
        }
    }

    /// A message was accepted.
    pub fn owe(&mut self, to: usize, owed: Owed) {
        self.clients[to].outbound.add(owed);
    }

    /// Whether the first part of this message was sent, and not its last.
    pub fn is_unfinished(&self, to: usize, number: u32) -> bool {
        let owed = &self.clients[to].outbound.owed;
        owed.iter().any(|owed| owed.payload.number == number && !owed.finished)
    }

    /// The core closes a client whose backlog is full.
    pub fn closed_for_backlog(&mut self, to: usize) {
        self.note_end(to);
        let client = &mut self.clients[to];
        if client.close.is_none() {
            client.reasons.insert(1008);
        }
        client.outbound.may_drop_all();
    }

    /// The engine has dropped a message in parts before its end.
    pub fn abandoned(&mut self, generation: usize, to: usize) {
        if self.generations[generation].stage == Stage::Present {
            self.note_end(to);
            let client = &mut self.clients[to];
            if client.close.is_none() {
                client.reasons.insert(1011);
            }
            client.outbound.cut_off();
        }
    }

    /// A broadcast to a group, or to everyone, has reached so many. `before` has whom it was for, with what waited for each.
    pub fn broadcast(
        &mut self,
        generation: usize,
        group: Option<u8>,
        except: Option<usize>,
        before: &BTreeMap<usize, usize>,
        payload: Payload,
        reached: usize,
    ) {
        let limit = self.plan.setup.backlog.limit;
        if reached > 0 {
            self.see_served_by(generation);
        }
        if !self.reaches(generation) {
            return self.must(reached == 0, || format!("generation {generation} reached {reached} clients"));
        }
        if reached == 0 && before.is_empty() && self.generations[generation].fading {
            return;
        }
        let members: Vec<usize> = match group {
            None => self.present(),
            Some(group) => self.groups.get(&group).into_iter().flatten().copied().collect(),
        };
        let members: Vec<usize> = members.into_iter().filter(|member| Some(*member) != except).collect();
        let seen: Vec<usize> = before.keys().copied().collect();
        self.must(members == seen, || format!("the members of group {group:?} are {seen:?}, and not {members:?}"));
        // Those who cannot have got it.
        let out = |client: &Client, before: usize| client.close.is_some() || before > limit;
        let (certainly_not, perhaps): (Vec<usize>, Vec<usize>) =
            seen.into_iter().partition(|index| out(&self.clients[*index], before[index]));
        self.must(reached <= perhaps.len(), || format!("a broadcast to {perhaps:?} reached {reached}"));
        let all = reached == perhaps.len();
        let wire_bytes = super::outbound::wire_length(payload.length);
        for index in perhaps {
            let client = &mut self.clients[index];
            let refused = !all && before[&index] + ENTRY * (client.outbound.owed.len() + 16) > limit;
            client.outbound.exact &= all;
            client.outbound.add(Owed { payload, finished: true, may_be_missing: !all, wire_bytes });
            if refused && self.plan.setup.backlog.policy == BacklogPolicy::Close {
                let now = self.now();
                let client = &mut self.clients[index];
                client.perhaps_since.get_or_insert(now);
                client.reasons.insert(1008);
                client.outbound.may_drop_all();
            }
        }
        for index in certainly_not {
            if self.clients[index].close.is_none() {
                self.refused_or_closed(index);
            }
        }
    }

    /// A message may have found no room.
    fn refused_or_closed(&mut self, index: usize) {
        if self.plan.setup.backlog.policy == BacklogPolicy::Close {
            self.closed_for_backlog(index);
        }
    }

    /// A close frame was ordered.
    pub fn close_said(&mut self, generation: usize, to: usize, code: u16, now: bool, sent: Sent) {
        self.judge_gone(generation, to, sent);
        if sent == Sent::Sent {
            self.note_end(to);
            let client = &mut self.clients[to];
            client.close = Some(code);
            if now {
                client.outbound.may_drop_all();
            } else {
                client.outbound.cut_off();
            }
        }
    }

    /// A client has sent something whole, or the start of what breaks the protocol.
    pub fn is_due(&mut self, index: usize, due: Due) {
        match due {
            Due::Fault(code) => {
                // The server closes once it has read that.
                let now = self.now();
                let client = &mut self.clients[index];
                client.perhaps_since.get_or_insert(now);
                client.ending = true;
                client.fault = Some(code);
                if client.close.is_none() {
                    client.reasons.insert(code);
                }
            }
            due => {
                if let Due::Close(code) = due {
                    self.clients[index].peer_close = Some(code);
                }
                self.clients[index].inbound.due.push_back(due);
            }
        }
    }

    /// A client has seen the server's close frame.
    pub fn see_close(&mut self, index: usize, code: u16) {
        self.see_overdue(index, code);
        self.note_end(index);
        let client = &mut self.clients[index];
        let legal = client.may_close_with(code);
        let told = (client.close, client.reasons.clone());
        client.ending = true;
        self.must(legal, || format!("client {index}: the close frame says {code}; engine and reasons: {told:?}"));
    }

    /// A client was closed with this code: it may be since a message was not finished in time.
    fn see_overdue(&mut self, index: usize, code: u16) {
        self.refresh();
        let client = &mut self.clients[index];
        if code == 1008 && client.may_be_late {
            client.fault = Some(1008);
            if client.close.is_none() {
                client.reasons.insert(1008);
            }
        }
    }

    /// Some are closed since a newer generation serves newcomers.
    pub fn refresh(&mut self) {
        let now = self.now();
        let timeout = u64::try_from(self.plan.setup.limits.assembly_timeout.as_millis()).unwrap_or(u64::MAX);
        for client in &mut self.clients {
            // At most so long was it read from since its unfinished message began.
            let read_for = client.read_for + (now - self.settled_at) + TICK;
            if let Some(since) = client.unfinished_since
                && read_for >= timeout
            {
                client.may_be_late = true;
                client.perhaps_since.get_or_insert(since + timeout.saturating_sub(TICK));
            }
        }
        while let Some(index) = self.restarts.iter().position(|(at, _)| *at <= now) {
            let (at, generation) = self.restarts.swap_remove(index);
            for client in 0..self.clients.len() {
                if self.clients[client].generation < generation && self.clients[client].life != Life::Asking {
                    let known = &mut self.clients[client];
                    known.perhaps_since.get_or_insert(at);
                    known.reasons.insert(1012);
                    known.outbound.cut_off();
                }
            }
        }
    }

    /// The end of a client begins now, unless it has begun.
    pub fn note_end(&mut self, client: usize) {
        let now = self.now();
        self.clients[client].end_began.get_or_insert(now);
    }

    /// Whether handles of this generation may reach nobody for good.
    pub fn may_be_retired(&self, generation: usize) -> bool {
        self.generations[generation].stage == Stage::Retired || self.generations[generation].fading
    }

    /// Whether what it has begun may be dropped: a swap to it may have been refused by now.
    pub fn may_be_given_up(&self, generation: usize) -> bool {
        self.may_be_retired(generation) || self.candidate == Some(generation)
    }

    /// Whether its handles may reach nobody yet.
    pub fn may_be_coming(&self, generation: usize) -> bool {
        self.generations[generation].stage == Stage::Coming
    }

    /// Whether a call that said `said` may have done so, if it ought to say `ought` when its handle reaches clients.
    pub fn expects(&self, generation: usize, said: bool, ought: bool) -> bool {
        match self.generations[generation].stage {
            Stage::Present if !self.generations[generation].fading => said == ought,
            Stage::Retired => !said,
            _ => !said || ought,
        }
    }

    /// This generation serves clients: it has begun.
    pub fn see_served_by(&mut self, generation: usize) {
        match self.generations[generation].stage {
            Stage::Present => {}
            Stage::Coming => {
                let may_begin = self.gentle || self.generations[generation].imported_from.is_some();
                self.must(may_begin, || format!("generation {generation} reaches clients before its turn"));
                self.generations[generation].stage = Stage::Present;
            }
            Stage::Retired => self.violated(format!("generation {generation} reaches clients after its time")),
        }
    }

    /// Something of this generation begins that must not once it is retired.
    pub fn must_run(&mut self, generation: usize, what: &str) {
        let retired = self.generations[generation].stage == Stage::Retired;
        self.must(!retired, || format!("{what} of generation {generation} ran after its time"));
    }

    /// How many the core says a group has.
    pub fn count_members(&mut self, group: u8, members: usize) {
        let expected = self.groups.get(&group).map_or(0, std::collections::BTreeSet::len);
        self.must(members == expected, || format!("group {group} has {members} members, and {expected} have joined"));
    }

    /// How many clients the core says there are.
    pub fn count_everyone(&mut self, clients: usize) {
        let expected =
            self.clients.iter().filter(|client| matches!(client.life, Life::Connecting | Life::Open)).count();
        self.must(clients == expected, || format!("there are {clients} clients, and {expected} have not gone"));
    }

    /// A timer is about to be started.
    pub fn timer_started(&mut self, generation: usize, millis: u64, again: bool) -> u64 {
        let (id, now) = (self.id(), self.now());
        let timer =
            Timer { generation, due: now + millis, every: again.then_some(millis), cancelled: false, ran: false };
        self.timers.insert(id, timer);
        id
    }

    /// A timer runs.
    pub fn timer_runs(&mut self, id: u64) {
        let now = self.now();
        let Some(timer) = self.timers.get_mut(&id) else {
            return self.violated(format!("timer {id} ran after its end"));
        };
        let (due, cancelled) = (timer.due, timer.cancelled);
        let again = std::mem::replace(&mut timer.ran, timer.every.is_none());
        timer.cancelled |= timer.every.is_none();
        self.must(now >= due, || format!("timer {id} ran {} ms too early", due - now));
        self.must(!again && (!cancelled), || format!("timer {id} ran after its end"));
    }

    /// A timer has run.
    pub fn timer_has_run(&mut self, id: u64) {
        let now = self.now();
        if let Some(timer) = self.timers.get_mut(&id)
            && let Some(every) = timer.every
        {
            timer.due = (timer.due + every).max(now);
        }
    }

    /// A timer is about to be cancelled.
    pub fn timer_cancelled(&mut self, id: u64) {
        if let Some(timer) = self.timers.get_mut(&id) {
            timer.cancelled = true;
        }
    }

    /// The engine is told that a client is idle.
    ///
    /// A sign of life is what the server reads, when it reads it: an engine that is given the rest of an earlier read has
    /// heard nothing new.
    pub fn idle(&mut self, index: usize, idle: Idle) {
        let (now, setup) = (self.now(), self.plan.setup);
        let millis = |set: Option<std::time::Duration>| set.map_or(0, |set| set.as_millis() as u64);
        let (ping_after, close_after) = (millis(setup.keepalive.0), millis(setup.keepalive.1));
        note!(self, "client {index}: {idle:?}");
        let read_at = self.clients[index].peer.read_at().map(|at| self.millis(at));
        let unread = self.clients[index].peer.unread();
        let client = &mut self.clients[index];
        let heard = read_at.unwrap_or(client.accepted_at);
        let pinged = client.ping_due_at.filter(|pinged| *pinged > heard);
        client.quiet_for = 0;
        let (since, patience) = match idle {
            Idle::PingDue => {
                // While it is not read from, it is pinged again where it would be closed otherwise.
                let again = if close_after > 0 { close_after.min(ping_after) } else { ping_after };
                (pinged.unwrap_or(heard), if pinged.is_some() { again } else { ping_after })
            }
            Idle::PongMissing => (pinged.unwrap_or(now), close_after),
        };
        self.must(now + 1 >= since + patience, || {
            format!("client {index}: {idle:?} came {} ms too early", since + patience - now)
        });
        self.must(idle != Idle::PongMissing || unread == 0, || {
            format!("client {index}: a pong is said to be missing, and {unread} bytes are not read")
        });
    }

    /// The engine has been told. A ping leaves now, and not before, however long that has taken.
    pub fn has_been_idle(&mut self, index: usize, idle: Idle) {
        if idle == Idle::PingDue {
            self.clients[index].ping_due_at = Some(self.now());
        }
    }

    /// `on_closed` came.
    pub fn closed(&mut self, index: usize, code: u16) {
        note!(self, "client {index}: closed with {code}");
        self.see_overdue(index, code);
        let client = &mut self.clients[index];
        client.life = Life::Closed(code);
        client.outbound.may_drop_all();
        let peers = client.peer_close;
        let legal = match code {
            1006 => !client.told_close,
            1011 => client.failed || peers == Some(1011),
            code => peers == Some(code) || client.fault == Some(code) || client.reasons.contains(&code),
        };
        let told = (client.failed, peers, client.reasons.clone());
        self.must(legal, || format!("client {index}: on_closed says {code}; failed, peer, reasons: {told:?}"));
        self.groups.values_mut().for_each(|members| {
            members.remove(&index);
        });
    }
}
