//! Logs callbacks that block.

use wshost_core::calls::watch::Blocking;
use wshost_core::engine::Client;
use wshost_core::serving::mount::Mount;

/// Logs that a callback blocks its event loop, or `authenticate` a worker.
pub(super) fn report(mounts: &[Mount], blocking: &Blocking) {
    let Blocking { callback, whose, client, peer, on_loop, over } = blocking;
    let client = || mounts.iter().find_map(|mount| mount.current().audience().client(*client));
    let client = if peer.is_none() { client() } else { None };
    let peer = peer.as_deref().or_else(|| client.as_deref().map(Client::peer));
    let (engine, version) = (whose.map(|whose| whose.name), whose.map(|whose| whose.version));
    if *on_loop {
        tracing::warn!(
            engine,
            version,
            peer,
            kind = callback,
            "{callback} has been at work for over {over:?} and holds up all connections of its event loop; long work \
             belongs into a job"
        );
    } else {
        tracing::warn!(
            engine,
            version,
            peer,
            kind = callback,
            "{callback} has been at work for over {over:?} and holds up its worker, and the client that waits for it"
        );
    }
}
