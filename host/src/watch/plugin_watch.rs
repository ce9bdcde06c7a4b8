//! `--watch`: loads an engine again when its plugin's file changes.
//!
//! The system reports changes in the folders that matter. Besides, the files are checked from time to time: some file
//! systems report nothing, and folders may be made later. A report only causes a check of the file itself; a file that
//! runs or was refused is left alone. So it does not matter whether a file is replaced, written in place, or reached
//! through symbolic links.

use super::settling::{Settling, Verdict};
use crate::server::Server;
use crate::server::reload::NotReloaded;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use wshost_core::plugin::{Fingerprint, Image, find};
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap;

/// The time between two checks of a file that has changed.
const SOON: Duration = Duration::from_millis(100);
/// The time between two checks while nothing is reported.
const EVERY_NOW_AND_THEN: Duration = Duration::from_secs(2);

/// Watches, on a thread of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct PluginWatch {
    over: Arc<AtomicBool>,
    look: SyncSender<()>,
}

impl PluginWatch {
    /// Watches the plugins' files of all engines.
    ///
    /// # Errors
    ///
    /// The system refuses something, for example because there are too many watches already.
    pub(crate) fn start(server: Arc<Server>) -> io::Result<PluginWatch> {
        // One waiting report is enough, since another would say the same.
        let (look, looks) = sync_channel(1);
        let tell = look.clone();
        let watcher = notify::recommended_watcher(move |told: notify::Result<Event>| {
            // Checks of files cause these as well.
            if !matches!(told, Ok(Event { kind: EventKind::Access(_), .. })) {
                let _ = tell.try_send(());
            }
        });
        let folders = Folders { watcher: watcher.map_err(io::Error::other)?, watched: BTreeMap::new() };
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        thread::Builder::new().name("wshost-watch".into()).spawn(move || watch(&server, folders, &looks, &is_over))?;
        Ok(PluginWatch { over, look })
    }
}

impl Drop for PluginWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // If the channel is full, it has been told already. Do not wait for it, since it may be reloading.
        let _ = self.look.try_send(());
    }
}

fn watch(server: &Server, mut folders: Folders, looks: &Receiver<()>, is_over: &AtomicBool) {
    let mut files: Vec<_> = server.mounts.iter().map(|mount| (mount, Settling::default())).collect();
    while !is_over.load(Ordering::Relaxed) {
        // Follow the folders before checking the files, so that a change after the check is reported.
        folders.follow(server.mounts.iter().filter_map(|mount| find(&mount.plugin_file()).ok()));
        let mut wait = EVERY_NOW_AND_THEN;
        for (mount, settling) in &mut files {
            if look(server, mount, settling) {
                wait = SOON;
            }
        }
        let _ = looks.recv_timeout(wait);
    }
}

/// Checks a plugin's file, and loads it if it has changed. Returns whether to check again soon.
fn look(server: &Server, mount: &Mount, settling: &mut Settling) -> bool {
    let Ok(file) = find(&mount.plugin_file()) else {
        settling.forget();
        return false;
    };
    let news = Fingerprint::of(&file).filter(|fingerprint| !mount.knows(fingerprint));
    match settling.look(news, Instant::now(), || Image::read(&file).is_ok()) {
        Verdict::Leave => false,
        Verdict::LookAgain => true,
        Verdict::Load(fingerprint) => {
            tracing::info!(file = %file.display(), "the plugin's file has changed");
            settling.forget();
            match server.reload(mount.path()) {
                // Try again later.
                Ok(_) | Err(NotReloaded::Swap(swap::Refused::Busy)) => {}
                // The reason is in the log, once.
                Err(_) => mount.note_refused(fingerprint),
            }
            true
        }
    }
}

/// The folders whose changes the system reports.
struct Folders {
    watcher: RecommendedWatcher,
    /// The fingerprint of each folder, since another folder can take its place.
    watched: BTreeMap<PathBuf, Fingerprint>,
}

impl Folders {
    /// Makes the system report changes to these files, and to no others.
    fn follow(&mut self, files: impl Iterator<Item = PathBuf>) {
        let wanted: BTreeSet<_> = files.flat_map(|file| folders_of(&file)).collect();
        let watcher = &mut self.watcher;
        self.watched.retain(|folder, is| {
            let stays = wanted.contains(folder) && Fingerprint::of(folder).is_some_and(|now| now.is_same_file(is));
            if !stays {
                // The folder may be gone.
                let _ = watcher.unwatch(folder);
            }
            stays
        });
        for folder in wanted {
            let Some(is) = Fingerprint::of(&folder).filter(|_| !self.watched.contains_key(&folder)) else { continue };
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(folder, is)),
                Err(error) => tracing::debug!(folder = %folder.display(), "not told of changes: {error}"),
            }
        }
    }
}

/// The folder of the name and, after following symbolic links, the folder of the file.
fn folders_of(file: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let absolute = std::path::absolute(file).ok();
    let behind_links = file.canonicalize().ok();
    [absolute, behind_links].into_iter().flatten().filter_map(|file| file.parent().map(Path::to_owned))
}
