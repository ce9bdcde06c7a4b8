//! The server with echo linked into the program: the same host and the same engine, and no library between them.

use anyhow::anyhow;
use clap::Parser;
use linked_echo::Echo;
use plugin_api::export::engine_module;
use std::ffi::OsString;
use tokio::runtime::Handle;
use wshost::cli::Cli;
use wshost::net::Listener;
use wshost::server::Running;
use wshost::server::facilities::StaffedFacilities;
use wshost_core::engine::{Config, Unborn};
use wshost_core::plugin::Plugin;
use wshost_core::serving::mount::Mount;

/// Starts it with these of wshost's options, of which `--listen` must be one. Returns its URL, too.
pub fn start(options: impl IntoIterator<Item = OsString>, runtime: &Handle) -> anyhow::Result<(Running, String)> {
    let program = ["wshost", "--plugin", "linked"].map(OsString::from);
    let options = Cli::parse_from(program.into_iter().chain(options)).serve;
    let settings = options.settings();
    let staffed = StaffedFacilities::start(&settings)?;
    let plugin = Plugin::linked(engine_module::<Echo>())?;
    let program = plugin.path().to_owned();
    let instance = Unborn::first(plugin, Config::default(), &staffed.facilities).make();
    let instance = instance.map_err(|not_made| anyhow!("echo refused to start: {}", not_made.failure))?;
    let mount = Mount::new(None, instance, program, None);
    let listeners = options.listen.iter().map(Listener::bind).collect::<Result<Vec<_>, _>>()?;
    let url = listeners.first().ok_or_else(|| anyhow!("--listen is needed"))?.url();
    Ok((Running::start(settings, staffed, vec![mount], listeners, runtime.clone())?, url))
}
