//! The connected clients, for whoever must reach all of them or one by number.
//!
//! One shard per event loop, so that loops do not meet at one lock.

use crate::client::Client;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All connected clients.
#[derive(Debug)]
pub struct Registry {
    shards: Vec<Mutex<HashMap<u64, Arc<Client>>>>,
}

impl Registry {
    /// An empty registry for this many event loops.
    pub fn new(loops: usize) -> Self {
        Registry { shards: (0..loops).map(|_| Mutex::default()).collect() }
    }

    /// Adds a client of an event loop.
    pub fn insert(&self, event_loop: usize, client: &Arc<Client>) {
        self.shard(event_loop).insert(client.number(), Arc::clone(client));
    }

    /// Removes a client of an event loop.
    pub fn remove(&self, event_loop: usize, client: &Client) {
        self.shard(event_loop).remove(&client.number());
    }

    /// All clients, as of now.
    pub fn clients(&self) -> Vec<Arc<Client>> {
        (0..self.shards.len()).flat_map(|index| self.shard(index).values().cloned().collect::<Vec<_>>()).collect()
    }

    fn shard(&self, index: usize) -> MutexGuard<'_, HashMap<u64, Arc<Client>>> {
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
