//! The connected clients of one engine: finds one by its id, counts them, and sends one message to many.
//!
//! There is one shard per event loop, so that loops do not share a lock. A client is in its loop's shard from before
//! `on_open` until before `on_closed`, and in its groups no longer than that.

use crate::client::Client;
use crate::client::activity::Activity;
use crate::client::broadcast::{Broadcast, Windows};
use crate::jobs::on_behalf_of_job;
use crate::lock::{Held, Lock};
use crate::loops::wakes::Wakes;
use crate::protocol::Opcode;
use crate::protocol::deflate::Compression;
use indexmap::IndexMap;
use plugin_api::Sent;
use std::collections::HashMap;
use std::sync::Arc;

/// The longest name of a group, in bytes.
pub(crate) const MAX_GROUP_NAME: usize = 255;

/// The fate of a client whose backlog exceeds its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BacklogPolicy {
    /// Its backlog is dropped, and it is closed with 1008.
    Close,
    /// New messages are dropped until there is room again.
    Drop,
}

/// The limit of one client's backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The limit in bytes. A message is refused while more than this waits, so at most this plus one message can wait.
    pub limit: usize,
    /// The policy above the limit.
    pub policy: BacklogPolicy,
}

/// The clients of one engine and their groups.
#[derive(Debug)]
pub struct Audience<N> {
    shards: Box<[Lock<Shard<N>>]>,
    pub wakes: Arc<Wakes>,
    pub backlog: Backlog,
    /// The engine's work for these clients.
    pub activity: Arc<Activity>,
    /// How messages are compressed, if any client agrees to it.
    pub compression: Option<Compression>,
}

/// Clients by number; dense, since it is mostly iterated.
type Clients<N> = IndexMap<u64, Arc<Client<N>>>;

#[derive(Debug)]
struct Shard<N> {
    clients: Clients<N>,
    /// No group in it is empty.
    groups: HashMap<Arc<str>, Clients<N>>,
    /// The groups of each client that is in a group.
    memberships: HashMap<u64, Vec<Arc<str>>>,
}

impl<N> Default for Shard<N> {
    fn default() -> Self {
        Shard { clients: IndexMap::new(), groups: HashMap::new(), memberships: HashMap::new() }
    }
}

/// A set of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom<'a> {
    /// All.
    Everyone,
    /// The members of this group.
    Group(&'a str),
}

impl<N> Audience<N> {
    /// An audience without clients.
    pub fn new(wakes: Arc<Wakes>, backlog: Backlog, compression: Option<Compression>) -> Self {
        Audience {
            shards: (0..wakes.loops()).map(|_| Lock::default()).collect(),
            wakes,
            backlog,
            compression,
            activity: Arc::default(),
        }
    }

    /// Adds a client that has connected.
    pub fn enter(&self, client: &Arc<Client<N>>) {
        self.shard(client.event_loop()).clients.insert(client.number(), Arc::clone(client));
    }

    /// Removes a client, and its memberships, when its connection ends.
    pub fn exit(&self, client: &Client<N>) {
        self.shard(client.event_loop()).exit(client.number());
    }

    /// Makes a client a member of a group.
    pub fn join(&self, client: &Client<N>, group: &str) -> Sent {
        if group.is_empty() || group.len() > MAX_GROUP_NAME {
            tracing::warn!(
                peer = client.peer(),
                "refused: a group name of {} bytes; it has 1 to {MAX_GROUP_NAME}",
                group.len()
            );
            return Sent::Refused;
        }
        self.shard(client.event_loop()).join(client.number(), group)
    }

    /// Ends a membership. Returns whether there was one.
    pub fn leave(&self, client: &Client<N>, group: &str) -> bool {
        self.shard(client.event_loop()).leave(client.number(), group)
    }

    /// The connected client of this number.
    pub fn client(&self, number: u64) -> Option<Arc<Client<N>>> {
        (0..self.shards.len()).find_map(|index| self.shard(index).clients.get(&number).cloned())
    }

    /// How many clients there are.
    pub fn count(&self, whom: Whom<'_>) -> usize {
        (0..self.shards.len()).map(|index| self.shard(index).among(whom).map_or(0, IndexMap::len)).sum()
    }

    /// The clients, as of now.
    pub fn clients(&self, whom: Whom<'_>) -> Vec<Arc<Client<N>>> {
        let of_shard =
            |index| self.shard(index).among(whom).map(|clients| clients.values().cloned().collect::<Vec<_>>());
        (0..self.shards.len()).filter_map(of_shard).flatten().collect()
    }

    /// Sends one message to many clients, except for the client with the number `except`. It is encoded once, and once
    /// more for each window that clients agreed on for compression; each loop is woken once. Returns how many clients
    /// it was queued for.
    ///
    /// Every client gets it in order with everything else that this thread sends.
    pub fn broadcast(&self, whom: Whom<'_>, except: Option<u64>, opcode: Opcode, payload: &[u8]) -> usize {
        let compression = self.compression.filter(|how| payload.len() >= how.threshold);
        let broadcast = Broadcast::new(opcode, payload, compression.map(|how| (how, self.windows(whom))));
        on_behalf_of_job(|| self.deliver(whom, except, &broadcast))
    }

    fn deliver(&self, whom: Whom<'_>, except: Option<u64>, broadcast: &Broadcast) -> usize {
        let mut wake = Vec::new();
        let mut reached = 0;
        for index in 0..self.shards.len() {
            if let Some(clients) = self.shard(index).among(whom) {
                let others = clients.values().filter(|client| Some(client.number()) != except);
                reached += others.filter(|client| client.send_shared(broadcast, &mut wake) == Sent::Sent).count();
            }
            self.wakes.wake_all(index, &mut wake);
        }
        reached
    }

    /// The windows for which a message to these clients must be compressed. They are collected beforehand, since no
    /// lock is held during compression.
    fn windows(&self, whom: Whom<'_>) -> Windows {
        let mut windows = Windows::default();
        for index in 0..self.shards.len() {
            let shard = self.shard(index);
            let clients = shard.among(whom).into_iter().flat_map(IndexMap::values);
            clients.filter_map(|client| client.deflate()).for_each(|agreed| windows.add(agreed.server));
        }
        windows
    }

    fn shard(&self, index: usize) -> Held<'_, Shard<N>> {
        self.shards[index].hold()
    }
}

impl<N> Shard<N> {
    fn among(&self, whom: Whom<'_>) -> Option<&Clients<N>> {
        match whom {
            Whom::Everyone => Some(&self.clients),
            Whom::Group(group) => self.groups.get(group),
        }
    }

    fn join(&mut self, number: u64, group: &str) -> Sent {
        let Some(client) = self.clients.get(&number) else { return Sent::Gone };
        let known = self.groups.get_key_value(group).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| group.into());
        let members = self.groups.entry(Arc::clone(&name)).or_default();
        if members.insert(number, Arc::clone(client)).is_none() {
            self.memberships.entry(number).or_default().push(name);
        }
        Sent::Sent
    }

    fn leave(&mut self, number: u64, group: &str) -> bool {
        let Some(names) = self.memberships.get_mut(&number) else { return false };
        let Some(index) = names.iter().position(|name| **name == *group) else { return false };
        names.swap_remove(index);
        if names.is_empty() {
            self.memberships.remove(&number);
        }
        self.remove_member(number, group);
        true
    }

    fn exit(&mut self, number: u64) {
        self.clients.swap_remove(&number);
        for name in self.memberships.remove(&number).into_iter().flatten() {
            self.remove_member(number, &name);
        }
    }

    fn remove_member(&mut self, number: u64, group: &str) {
        if let Some(members) = self.groups.get_mut(group) {
            members.swap_remove(&number);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Closing;
    use crate::protocol::deflate::negotiate;

    fn audience(policy: BacklogPolicy) -> Arc<Audience<()>> {
        Arc::new(Audience::new(Arc::new(Wakes::new(2)), Backlog { limit: 150, policy }, None))
    }

    fn clients(audience: &Arc<Audience<()>>, count: usize) -> Vec<Arc<Client<()>>> {
        let client = |index| Arc::new(Client::new("peer", "/", "", None, Arc::clone(audience), index % 2));
        let clients: Vec<_> = (0..count).map(client).collect();
        clients.iter().for_each(|client| audience.enter(client));
        clients
    }

    #[test]
    fn a_broadcast_reaches_its_group_and_nobody_else() {
        let audience = audience(BacklogPolicy::Close);
        let clients = clients(&audience, 6);
        for client in &clients[..4] {
            assert_eq!(audience.join(client, "room"), Sent::Sent);
            assert_eq!(audience.join(client, "room"), Sent::Sent);
        }
        let room = Whom::Group("room");
        assert_eq!((audience.count(room), audience.count(Whom::Everyone)), (4, 6));
        assert_eq!(audience.broadcast(room, Some(clients[0].number()), Opcode::Text, b"12345678"), 3);
        let waiting: Vec<_> = clients.iter().map(|client| client.buffered()).collect();
        assert_eq!(waiting, [0, 10, 10, 10, 0, 0]);
        assert!(audience.leave(&clients[1], "room"));
        assert!(!audience.leave(&clients[1], "room"));
        assert_eq!(audience.broadcast(room, None, Opcode::Text, b""), 3);
        assert_eq!(audience.broadcast(Whom::Group("nobody's"), None, Opcode::Text, b""), 0);
        assert_eq!(audience.broadcast(Whom::Everyone, None, Opcode::Text, b""), 6);
    }

    #[test]
    fn a_broadcast_is_compressed_for_those_who_agreed_to_it() {
        let how = Compression { threshold: 50, ..Compression::default() };
        let backlog = Backlog { limit: 10_000, policy: BacklogPolicy::Close };
        let audience = Arc::new(Audience::<()>::new(Arc::new(Wakes::new(2)), backlog, Some(how)));
        let offers = ["", "permessage-deflate", "permessage-deflate; server_max_window_bits=9"];
        let clients = offers.map(|offer| {
            let agreed = negotiate([offer], &how).map(|accepted| accepted.agreed);
            Arc::new(Client::new("peer", "/", "", agreed, Arc::clone(&audience), offer.len() % 2))
        });
        clients.iter().for_each(|client| audience.enter(client));
        let buffered = || clients.each_ref().map(|client| client.buffered());
        assert_eq!(audience.broadcast(Whom::Everyone, None, Opcode::Text, &[b'x'; 49]), 3);
        assert_eq!(buffered(), [51, 51, 51], "below the threshold");
        assert_eq!(audience.broadcast(Whom::Everyone, None, Opcode::Text, &[b'x'; 1000]), 3);
        let [plain, large, small] = buffered().map(|bytes| bytes - 51);
        assert_eq!(plain, 1004);
        assert!(large < 30 && small < 30, "the backlog is what goes over the wire: {large}, {small}");
    }

    #[test]
    fn a_membership_ends_with_the_connection() {
        let audience = audience(BacklogPolicy::Close);
        let clients = clients(&audience, 2);
        clients.iter().for_each(|client| assert_eq!(audience.join(client, "room"), Sent::Sent));
        audience.exit(&clients[0]);
        assert_eq!(audience.count(Whom::Group("room")), 1);
        assert_eq!(audience.join(&clients[0], "room"), Sent::Gone);
        assert!(audience.client(clients[0].number()).is_none());
        audience.exit(&clients[1]);
        assert!(audience.shards.iter().all(|shard| {
            let shard = shard.hold();
            shard.clients.is_empty() && shard.groups.is_empty() && shard.memberships.is_empty()
        }));
    }

    #[test]
    fn a_group_name_has_1_to_255_bytes() {
        let audience = audience(BacklogPolicy::Close);
        let clients = clients(&audience, 1);
        assert_eq!(audience.join(&clients[0], ""), Sent::Refused);
        assert_eq!(audience.join(&clients[0], &"x".repeat(255)), Sent::Sent);
        assert_eq!(audience.join(&clients[0], &"x".repeat(1024 * 1024)), Sent::Refused);
    }

    #[test]
    fn whoever_does_not_keep_up_is_closed_or_misses_messages() {
        for (policy, closing) in [(BacklogPolicy::Close, Closing::Sent), (BacklogPolicy::Drop, Closing::No)] {
            let audience = audience(policy);
            let clients = clients(&audience, 1);
            let reached: Vec<_> =
                (0..4).map(|_| audience.broadcast(Whom::Everyone, None, Opcode::Binary, &[0; 58])).collect();
            assert_eq!(reached, [1, 1, 0, 0]);
            assert_eq!(clients[0].closing(), closing);
        }
    }
}
