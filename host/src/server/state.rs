//! The state that all event loops share: the engines, and the settings.

use super::facilities::StaffedFacilities;
use super::settings::Settings;
use crate::http::{Site, SiteEngine};
use crate::threads::Workers;
use arc_swap::ArcSwap;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;
use tokio::sync::watch;
use wshost_core::engine::{Client, Facilities};
use wshost_core::protocol::close;
use wshost_core::serving::mount::Mount;

/// The state that all event loops share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) settings: Settings,
    /// The public view of `mounts`, in their order.
    site: ArcSwap<Site>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) facilities: Facilities,
    pub(super) workers: Workers,
    /// The clock of swaps.
    pub(super) runtime: Handle,
    pub(crate) draining: watch::Sender<bool>,
    /// Itself, for threads that may outlive it.
    pub(super) this: Weak<Server>,
    /// Never sends anything. It hangs up when the engines are dropped, by whichever thread: it must stay the last
    /// field.
    _dropped: mpsc::Sender<()>,
}

impl Server {
    /// A server that serves nobody yet. `dropped` hangs up when the engines are dropped.
    pub(super) fn new(
        settings: Settings,
        staffed: StaffedFacilities,
        runtime: Handle,
        mounts: Vec<Mount>,
        dropped: mpsc::Sender<()>,
    ) -> Arc<Server> {
        let StaffedFacilities { facilities, workers } = staffed;
        let site = ArcSwap::from_pointee(site_of(&mounts, &settings));
        let draining = watch::Sender::new(false);
        Arc::new_cyclic(|this| {
            let this = Weak::clone(this);
            Server { settings, site, mounts, facilities, workers, runtime, draining, this, _dropped: dropped }
        })
    }

    /// The present engines and their paths.
    pub(crate) fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// The engine that serves a path.
    pub(crate) fn serving(&self, path: &str) -> Option<&Mount> {
        self.site.load().serves(path).and_then(|index| self.mounts.get(index))
    }

    /// Updates the public view of the engines.
    pub(super) fn show_present_engines(&self) {
        // This starts again if a swap of another engine came in between, which must not be undone.
        self.site.rcu(|_| Arc::new(site_of(&self.mounts, &self.settings)));
    }

    /// Closes a client because the server ends.
    pub(crate) fn say_goodbye(&self, client: &Client) {
        client.close(close::GOING_AWAY, "the server is shutting down");
    }
}

fn site_of(mounts: &[Mount], settings: &Settings) -> Site {
    let engine = |mount: &Mount| {
        let instance = mount.current();
        let plugin = instance.plugin();
        SiteEngine::new(mount.path(), plugin.name(), plugin.version(), plugin.description())
    };
    Site { engines: mounts.iter().map(engine).collect(), folder: settings.static_folder.clone() }
}
