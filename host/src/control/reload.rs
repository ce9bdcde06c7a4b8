//! Does a reload that a client asked for, and makes the reply.

use super::protocol::{AcceptedReload, Refusal, ReloadWay, Reply};
use crate::exit;
use crate::server::Server;
use crate::server::reload::NotReloaded;
use std::path::Path;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap;

/// Reloads an engine, and returns when that is over.
pub(super) fn reload(server: &Server, path: Option<&str>, plugin: Option<&Path>) -> Reply {
    let path = match (path, plugin) {
        (None, Some(plugin)) => match engine_running_from(&server.mounts, plugin) {
            Ok(mount) => mount.path(),
            Err(reason) => return Reply::Refused(Refusal { reason, exit_code: exit::USAGE }),
        },
        _ => path,
    };
    let reloaded = match plugin {
        Some(plugin) => server.reload_from(path, plugin),
        None => server.reload(path),
    };
    match reloaded {
        Ok(reloaded) => {
            let way = match reloaded.way {
                swap::Way::Handover { sessions, pause } => {
                    ReloadWay::Handover { sessions, pause_ms: pause.as_secs_f64() * 1e3 }
                }
                swap::Way::Gentle { left } => ReloadWay::Gentle { staying: left },
            };
            let swap::Reloaded { engine, version, generation, .. } = reloaded;
            Reply::Accepted(AcceptedReload { engine, version, path: path.map(str::to_owned), generation, way })
        }
        Err(refused) => self::refused(refused),
    }
}

/// The reply to a reload that is refused.
pub(super) fn refused(refused: NotReloaded) -> Reply {
    Reply::Refused(Refusal { reason: refused.to_string(), exit_code: exit_code(refused) })
}

fn exit_code(refused: NotReloaded) -> u8 {
    use swap::Refused as NotSwapped;
    match refused {
        NotReloaded::NoSuchPath { .. } => exit::USAGE,
        NotReloaded::Ending | NotReloaded::TooMany { .. } => exit::UNAVAILABLE,
        NotReloaded::NotLoaded(error) => exit::NotDone::from(error).code,
        NotReloaded::Config { .. } => exit::BAD_CONFIGURATION,
        NotReloaded::Swap(not_swapped) => match not_swapped {
            NotSwapped::Busy | NotSwapped::Late { .. } | NotSwapped::ImportsTooLong { .. } => exit::TRY_AGAIN,
            NotSwapped::NotMade { configuration_at_fault: true, .. } => exit::BAD_CONFIGURATION,
            NotSwapped::NotMade { .. }
            | NotSwapped::NotMadeInTime { .. }
            | NotSwapped::Schema(_)
            | NotSwapped::Failed(_) => exit::PLUGIN_REFUSED,
        },
    }
}

/// The engine that a request with a file but no path means: the only one, or the one that runs from this file.
fn engine_running_from<'m>(mounts: &'m [Mount], file: &Path) -> Result<&'m Mount, String> {
    if let [only] = mounts {
        return Ok(only);
    }
    let same = |mount: &&Mount| is_same_file(mount.current().plugin().path(), file);
    match mounts.iter().filter(same).collect::<Vec<_>>()[..] {
        [mount] => Ok(mount),
        ref others => {
            let how_many = if others.is_empty() { "none" } else { "more than one" };
            let paths = mounts.iter().map(|mount| mount.path().unwrap_or("every path")).collect::<Vec<_>>().join(", ");
            let file = file.display();
            Err(format!("of the engines under {paths}, {how_many} runs from {file}: name the path as well"))
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
