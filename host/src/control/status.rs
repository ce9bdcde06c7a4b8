//! Collects the server's status.

use super::library_memory::Usage;
use super::protocol::{EngineStatus, RetiredGenerations, Status};
use crate::log;
use crate::server::Server;
use std::path::Path;
use std::time::Instant;
use wshost_core::client::audience::Whom;
use wshost_core::serving::mount::{LoadedLibrary, Mount};

/// The server's status; it has been up since `since`. It reads the process's mappings, which can take milliseconds.
pub(super) fn of(server: &Server, since: Instant) -> Status {
    let usage = Usage::read();
    let most = server.settings.reload.max_generations;
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: since.elapsed().as_secs(),
        ending: *server.draining.borrow(),
        loops: server.settings.loops,
        workers: server.settings.workers,
        jobs_waiting: server.facilities.pool.waiting(),
        log_lines_lost: log::lost().sum(),
        max_generations: most,
        engines: server.mounts.iter().map(|mount| of_engine(mount, most, usage.as_ref())).collect(),
    }
}

fn of_engine(mount: &Mount, most: usize, usage: Option<&Usage>) -> EngineStatus {
    let present = mount.current();
    let plugin = present.plugin();
    let loaded = mount.loaded_libraries();
    let generations_left = most.saturating_sub(loaded.len());
    let earlier = loaded.into_iter().filter(|library| library.copy != plugin.copy()).collect::<Vec<_>>();
    let connections_with_retired = if earlier.is_empty() {
        0
    } else {
        let clients = present.audience().clients(Whom::Everyone);
        clients.iter().filter(|client| client.generation() != present.generation()).count()
    };
    EngineStatus {
        name: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        path: mount.path().map(str::to_owned),
        file: absolute(plugin.path()),
        generation: present.generation(),
        connections: present.audience().count(Whom::Everyone),
        connections_with_retired,
        generations_left,
        retired: retired(&earlier, usage),
    }
}

fn retired(libraries: &[LoadedLibrary], usage: Option<&Usage>) -> RetiredGenerations {
    let all = || libraries.iter().map(|library| library.copy.as_path());
    RetiredGenerations {
        generations: libraries.len(),
        resident_bytes: usage.map(|usage| all().map(|copy| usage.of(copy).resident).sum()),
        mapped_bytes: usage.map(|usage| all().map(|copy| usage.of(copy).mapped).sum()),
        file_bytes: libraries.iter().map(|library| library.bytes).sum(),
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).as_deref().unwrap_or(path).display().to_string()
}
