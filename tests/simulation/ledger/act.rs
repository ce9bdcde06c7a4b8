//! What the engine does in callbacks, jobs and timers, and what must come of each call of the host.

use super::crossing::{Held, OwnJob, Posted};
use super::{index, take_time};
use crate::account::outbound::{Owed, wire_length};
use crate::account::{note, with};
use crate::plan::Act;
use crate::wire::{Kind, Payload};
use plugin_api::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What every part of the engine has: the host, and what it keeps beside its sessions.
#[derive(Clone)]
pub struct Hands {
    host: Host,
    pub generation: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// Messages in parts that are under way, by client.
    writers: BTreeMap<usize, Begun>,
    timers: Vec<(u64, Timer)>,
}

struct Begun {
    number: u32,
    kind: Kind,
    /// How many bytes of it are sent.
    sent: usize,
    writer: Writer,
}

enum Writer {
    Text(Fragments<str>),
    Binary(Fragments<[u8]>),
}

/// A message in parts is cut out of one of this length.
const LONGEST: usize = 1 << 20;

impl Hands {
    pub fn new(host: Host, generation: usize) -> Hands {
        Hands { host, generation, kept: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acts as often as chance has it, in a callback or job of this client's or of nobody's.
    pub fn act(&self, own: Option<(&Client, usize)>) {
        while let Some(act) = with(|account| {
            let acts = !account.calm && account.random.in_thousand(account.plan.lively);
            acts.then(|| account.random.weighted(&account.plan.acts))
        }) {
            with(|account| account.acts += 1);
            self.act_once(act, own);
        }
    }

    fn act_once(&self, act: Act, own: Option<(&Client, usize)>) {
        match (act, own) {
            (Act::Send, Some((client, own))) => self.send(client, own),
            (Act::SendToAnother, _) => self.to_another(|client, other| self.send(client, other)),
            (Act::Broadcast, _) => self.broadcast(own),
            (Act::Fragment, Some((client, own))) => self.fragment(client, own),
            (Act::Fragment, None) => self.to_another(|client, other| self.fragment(client, other)),
            (Act::Ping, Some((client, own))) => self.ping(client, own),
            (Act::Pong, Some((client, own))) => {
                let data = with(|account| account.id() as u32).to_le_bytes();
                self.pong(client, own, &data);
            }
            (Act::Post, Some((client, own))) => self.post(client, own),
            (Act::Post, None) => self.to_another(|client, other| self.post(client, other)),
            (Act::Join, Some((client, own))) => self.join(client, own),
            (Act::Leave, Some((client, own))) => self.leave(client, own),
            (Act::Count, _) => self.count(),
            (Act::Pause, Some((client, own))) => self.pause(client, own, true),
            (Act::Resume, Some((client, own))) => self.pause(client, own, false),
            (Act::Discard, Some((client, own))) => self.discard(client, own),
            (Act::Close | Act::CloseNow, Some((client, own))) => {
                let code = with(|account| account.random.one_of(&[1000, 1001, 1005, 1011, 3000, 4999]));
                self.close(client, own, code, act == Act::CloseNow);
            }
            (Act::Spawn, _) => self.host.spawn(OwnJob::new(self)),
            (Act::After | Act::Every, _) => self.start_timer(act == Act::Every),
            (Act::Cancel, _) => self.cancel_timer(),
            (Act::Panic, own) => {
                with(|account| {
                    note!(account, "panics");
                    account.note_panic(own.map(|(_, own)| own));
                });
                panic!("told to panic");
            }
            (Act::Block, _) => {
                let millis = with(|account| account.random.one_of(&[1, 1, 20, 300, 2000]));
                take_time(millis);
                with(|account| note!(account, "took {millis} ms"));
            }
            (_, None) => {}
        }
    }

    /// Does something to any client.
    fn to_another(&self, act: impl FnOnce(&Client, usize)) {
        let clients = self.host.clients();
        if !clients.is_empty() {
            let client = &clients[with(|account| account.random.among(0..=clients.len() - 1))];
            act(client, index(client));
        }
    }

    fn send(&self, client: &Client, to: usize) {
        let payload = with(|account| {
            let (kind, number) = account.next_message();
            let length = account.random.length(account.plan.largest).max(12);
            Payload { kind, number, length }
        });
        let (before, bytes) = (client.buffered(), payload.bytes());
        let sent = match payload.kind {
            Kind::Text => client.send_text(std::str::from_utf8(&bytes).unwrap_or_default()),
            Kind::Binary => client.send_binary(&bytes),
        };
        with(|account| {
            note!(account, "client {to}: sends {payload:?} behind {before} bytes: {sent:?}");
            account.sent(self.generation, to, before, sent);
            if sent == Sent::Sent {
                let wire_bytes = wire_length(payload.length);
                account.owe(to, Owed { payload, finished: true, may_be_missing: false, wire_bytes });
            }
        });
    }

    fn broadcast(&self, own: Option<(&Client, usize)>) {
        let (group, excepts, payload) = with(|account| {
            let group = account.random.coin().then(|| account.random.among(0..=2) as u8);
            let (kind, number) = account.next_message();
            let length = account.random.length(account.plan.largest).max(12);
            (group, account.random.in_thousand(300), Payload { kind, number, length })
        });
        let name = group.map(group_name);
        let mut whom = name.as_ref().map_or_else(|| self.host.everyone(), |name| self.host.group(name));
        let except = own.filter(|_| excepts);
        if let Some((client, _)) = except {
            whom = whom.except(client);
        }
        let before: BTreeMap<usize, usize> =
            whom.clients().iter().map(|client| (index(client), client.buffered())).collect();
        let bytes = payload.bytes();
        let reached = match payload.kind {
            Kind::Text => whom.send_text(std::str::from_utf8(&bytes).unwrap_or_default()),
            Kind::Binary => whom.send_binary(&bytes),
        };
        with(|account| {
            note!(account, "broadcasts {payload:?} to {group:?}: {reached} of {:?}", before.keys());
            account.broadcast(self.generation, group, except.map(|(_, index)| index), &before, payload, reached);
        });
    }

    /// Begins a message in parts, goes on with the one that there is, or ends it.
    fn fragment(&self, client: &Client, to: usize) {
        let begun = self.kept().writers.remove(&to);
        let mut begun = begun.unwrap_or_else(|| {
            let (kind, number) = with(|account| account.next_message());
            let writer = match kind {
                Kind::Text => Writer::Text(client.text_fragments()),
                Kind::Binary => Writer::Binary(client.binary_fragments()),
            };
            Begun { number, kind, sent: 0, writer }
        });
        let whole = Payload { kind: begun.kind, number: begun.number, length: LONGEST };
        let (length, last, gives_up) = with(|account| {
            let random = &mut account.random;
            let length = random.length(account.plan.largest.min(20_000));
            (length, random.in_thousand(350), random.in_thousand(10))
        });
        if gives_up {
            with(|account| {
                note!(account, "client {to}: gives up message {}", begun.number);
                if begun.sent > 0 || account.is_unfinished(to, begun.number) {
                    account.abandoned(self.generation, to);
                }
            });
            return drop(begun);
        }
        let first = begun.sent == 0 && !with(|account| account.is_unfinished(to, begun.number));
        let end = whole.boundary(begun.sent + length);
        let part = whole.part(begun.sent, end);
        let before = client.buffered();
        let (sent, left) = begun.writer.send(&part, last);
        with(|account| {
            note!(
                account,
                "client {to}: sends {} bytes of message {}, last: {last}: {sent:?}",
                part.len(),
                begun.number
            );
            account.sent(self.generation, to, before, sent);
            match sent {
                Sent::Sent if first => {
                    let payload = Payload { length: part.len(), ..whole };
                    let wire_bytes = wire_length(part.len());
                    account.owe(to, Owed { payload, finished: last, may_be_missing: false, wire_bytes });
                }
                Sent::Sent => account.clients[to].outbound.add_part(begun.number, part.len(), last),
                // A part that finds no room leaves the message torn: whatever the policy, that is the end.
                Sent::Backlogged => account.closed_for_backlog(to),
                _ => {}
            }
        });
        if let Some(writer) = left
            && sent == Sent::Sent
        {
            begun.writer = writer;
            begun.sent = end;
            // Beside one that another thread of the engine's has begun meanwhile, it is given up.
            let replaced = self.kept().writers.insert(to, begun);
            drop(replaced);
        }
    }

    pub fn ping(&self, client: &Client, to: usize) {
        let data = with(|account| account.id() as u32).to_le_bytes();
        let before = client.buffered();
        let sent = client.ping(&data);
        with(|account| {
            note!(account, "client {to}: pings: {sent:?}");
            account.sent_control(self.generation, to, before, sent);
            if sent == Sent::Sent {
                account.clients[to].outbound.add_ping(&data);
            }
        });
    }

    pub fn pong(&self, client: &Client, to: usize, data: &[u8]) {
        let before = client.buffered();
        let sent = client.pong(data);
        with(|account| {
            account.must(sent != Sent::Backlogged, || format!("client {to}: a pong was refused"));
            account.sent_control(self.generation, to, 0, sent);
            if sent == Sent::Sent {
                account.clients[to].outbound.add_pong(data, before);
            }
        });
    }

    fn post(&self, client: &Client, to: usize) {
        let id = with(|account| account.id());
        let event = Posted::new(id, to);
        // It may be delivered or dropped before `post` has returned.
        with(|account| account.clients[to].events.push_back(id));
        let closed = with(|account| account.clients[to].is_closed());
        if closed || !with(|account| account.reaches(self.generation)) {
            with(|account| account.clients[to].events.retain(|other| *other != id));
        }
        let refusing = with(|account| account.refusing.replace(id));
        let sent = client.post(event);
        with(|account| {
            account.refusing = refusing;
            note!(account, "client {to}: posts event {id}: {sent:?}");
            if sent != Sent::Sent {
                account.clients[to].events.retain(|other| *other != id);
            }
            let gone = account.clients[to].is_closed() || account.may_be_retired(self.generation);
            let coming = account.may_be_coming(self.generation);
            account
                .must(sent == Sent::Sent || gone || coming, || format!("client {to}: an event was refused: {sent:?}"));
        });
    }

    fn join(&self, client: &Client, own: usize) {
        let group = with(|account| account.random.among(0..=2)) as u8;
        let sent = client.join(&group_name(group));
        with(|account| {
            note!(account, "client {own}: joins {group}: {sent:?}");
            if sent == Sent::Sent {
                account.groups.entry(group).or_default().insert(own);
            }
            let closed = account.clients[own].is_closed();
            let expected = account.expects(self.generation, sent == Sent::Sent, !closed);
            account.must(expected, || format!("client {own}: joining said {sent:?}"));
        });
    }

    fn leave(&self, client: &Client, own: usize) {
        let group = with(|account| account.random.among(0..=2)) as u8;
        let left = client.leave(&group_name(group));
        with(|account| {
            note!(account, "client {own}: leaves {group}: {left}");
            let members = account.groups.entry(group).or_default();
            let was = members.contains(&own);
            if left {
                members.remove(&own);
            }
            let expected = account.expects(self.generation, left, was);
            account.must(expected, || format!("client {own}: leaving group {group} said {left}, and {was} is true"));
        });
    }

    fn count(&self) {
        let group = with(|account| account.random.among(0..=2)) as u8;
        let (members, everyone) = (self.host.group(&group_name(group)).len(), self.host.client_count());
        with(|account| {
            let reaches = account.reaches(self.generation);
            if reaches && !account.generations[self.generation].fading {
                account.count_members(group, members);
                account.count_everyone(everyone);
            }
        });
    }

    fn pause(&self, client: &Client, own: usize, paused: bool) {
        let sent = if paused { client.pause_reading() } else { client.resume_reading() };
        with(|account| {
            note!(account, "client {own}: pauses: {paused}: {sent:?}");
            if sent == Sent::Sent {
                account.clients[own].paused = paused;
            }
        });
    }

    fn discard(&self, client: &Client, own: usize) {
        let dropped = client.discard_buffered();
        with(|account| {
            note!(account, "client {own}: discards {dropped} bytes");
            account.clients[own].outbound.may_drop_whole();
        });
    }

    pub fn close(&self, client: &Client, to: usize, code: u16, now: bool) {
        let sent = if now { client.close_now(code, "") } else { client.close(code, "until next time") };
        with(|account| {
            note!(account, "client {to}: closes with {code}, now: {now}: {sent:?}");
            account.close_said(self.generation, to, code, now, sent);
        });
    }

    fn start_timer(&self, again: bool) {
        let (id, millis) = with(|account| {
            let millis = account.random.one_of(&[0, 1, 20, 250, 1000, 7000]);
            let millis = if again { millis.max(100) } else { millis };
            let id = account.timer_started(self.generation, millis, again);
            note!(account, "starts timer {id}: in {millis} ms, again: {again}");
            (id, millis)
        });
        let (hands, held) = (self.clone(), Held::new(id));
        let run = move || {
            let _running = held.run(hands.generation);
            hands.act(None);
        };
        let timer = if again {
            self.host.every(Duration::from_millis(millis), run)
        } else {
            self.host.after(Duration::from_millis(millis), run)
        };
        self.kept().timers.push((id, timer));
    }

    fn cancel_timer(&self) {
        let Some((id, timer)) = self.kept().timers.pop() else { return };
        with(|account| {
            note!(account, "cancels timer {id}");
            account.timer_cancelled(id);
        });
        timer.cancel();
    }

    /// A client has gone: a message to it that is not finished never will be.
    pub fn forget(&self, client: usize) {
        let unfinished = self.kept().writers.remove(&client);
        drop(unfinished);
    }
}

impl Writer {
    /// Sends a part. The writer is left if that was not the last.
    fn send(self, part: &[u8], last: bool) -> (Sent, Option<Writer>) {
        let text = std::str::from_utf8(part).unwrap_or_default();
        match self {
            Writer::Text(writer) if last => (writer.finish(text), None),
            Writer::Text(mut writer) => (writer.send(text), Some(Writer::Text(writer))),
            Writer::Binary(writer) if last => (writer.finish(part), None),
            Writer::Binary(mut writer) => (writer.send(part), Some(Writer::Binary(writer))),
        }
    }
}

fn group_name(group: u8) -> String {
    format!("group {group}")
}
