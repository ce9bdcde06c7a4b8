//! The gentle way, for engines that offer no handover: new connections go to the new generation, and existing ones stay
//! with theirs until they end or a deadline ends them.

use super::succession::Way;
use crate::client::audience::Whom;
use crate::engine::{Audience, Client, Instance};
use crate::protocol::close;
use crate::serving::mount::Mount;
use std::sync::Arc;
use std::time::Duration;

/// Lets new connections go to `new`. Connections of earlier generations are closed with 1012 after `drain`, if that is
/// set. Call this within a runtime.
pub(super) fn take_over(mount: &Mount, new: &Arc<Instance>, drain: Option<Duration>) -> Way {
    mount.set_current(Arc::clone(new));
    new.release_timers();
    let (audience, generation) = (Arc::clone(new.audience()), new.generation());
    let left = of_earlier_generations(&audience, generation).len();
    if let Some(drain) = drain {
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            // Look them up only now, since some that were opening before have become clients.
            for client in of_earlier_generations(&audience, generation) {
                client.close(close::SERVICE_RESTART, "a new version has taken over: connect again");
            }
        });
    }
    Way::Gentle { left }
}

fn of_earlier_generations(audience: &Audience, generation: u32) -> Vec<Arc<Client>> {
    let mut clients = audience.clients(Whom::Everyone);
    clients.retain(|client| client.generation() < generation);
    clients
}
