//! The main command: loads engines, listens, and serves until it is told to end.

use crate::cli::{PluginArg, ServeArgs};
use crate::config::Settings;
use crate::control::{Control, ControlSocket};
use crate::engine::{Config, Facilities, Instance, Plugin, find};
use crate::exit::{self, Refused};
use crate::http::Folder;
use crate::listener::{Address, Listener};
use crate::log;
use crate::mount::Mount;
use crate::plugin_watch::PluginWatch;
use crate::server::{Running, Server};
use crate::signals::{Signals, Told};
use anyhow::Context;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Where to listen, unless told otherwise.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// How long clients may take to go when the server ends.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
///
/// Why the server did not come up.
pub fn serve(args: &ServeArgs) -> Result<(), Refused> {
    if let Some(path) = args.path_claimed_twice() {
        return Err(Refused::new(
            exit::USAGE,
            format!("two plugins claim {path}; give each a path of its own with PATH=FILE"),
        ));
    }
    check_configurations(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime for signals and timers")
        .map_err(Refused::internal)?;
    let settings = Settings { static_folder: static_folder(args)?, ..args.settings() };
    let facilities = Facilities::start(&settings, runtime.handle().clone())
        .context("cannot start the workers")
        .map_err(Refused::internal)?;
    let mounts = load(args, &facilities, runtime.handle())?;
    let listeners = listen(&args.listen)?;
    let addresses = listeners.iter().map(Listener::url).collect::<Vec<_>>().join(", ");
    let engines = describe(&mounts);
    let signals = {
        let _inside = runtime.enter();
        Signals::listen().context("cannot listen to signals").map_err(Refused::internal)?
    };
    let control = ControlSocket::open(args.control.as_ref())?;
    let running = Server::start(settings, facilities, mounts, listeners)
        .context("cannot start the event loops")
        .map_err(Refused::internal)?;
    let watch = args.watch.then(|| PluginWatch::start(Arc::clone(running.server()))).transpose();
    let _watching = watch.context("cannot watch the plugins' files").map_err(Refused::internal)?;
    let control = {
        let _inside = runtime.enter();
        let serve = control.map(|control| control.serve(running.server())).transpose();
        serve.context("cannot serve the control socket").map_err(Refused::internal)?
    };

    tracing::info!(addresses, "listening");
    log::tell_on_stdout(format!("listening on {addresses} ({engines})"));
    let ended = runtime.block_on(until_told_to_end(running, signals, control)).map_err(Refused::internal);
    // An engine may still hang in a reload: the end does not wait for it.
    runtime.shutdown_background();
    ended
}

/// Whether each `--engine-config` has its engine.
fn check_configurations(args: &ServeArgs) -> Result<(), Refused> {
    if let Some(path) = args.path_configured_twice() {
        return Err(Refused::new(exit::USAGE, format!("two configurations are given for {path}; an engine has one")));
    }
    if let Some(path) = args.configured_without_plugin() {
        let why = format!("a configuration is given for {path}, but no plugin; give it as --engine-config PATH=FILE");
        return Err(Refused::new(exit::USAGE, why));
    }
    Ok(())
}

/// Binds what the operator named and takes over what systemd hands over; without either, the default.
fn listen(addresses: &[Address]) -> Result<Vec<Listener>, Refused> {
    let mut listeners = Listener::from_environment().map_err(|error| {
        Refused::new(exit::UNAVAILABLE, format!("a socket handed over in LISTEN_FDS is of no use: {error}"))
    })?;
    let default = [Address::Tcp(DEFAULT_ADDRESS)];
    let addresses = if addresses.is_empty() && listeners.is_empty() { &default } else { addresses };
    for address in addresses {
        listeners.push(Listener::bind(address).map_err(|error| {
            let why = format!("cannot listen on {address}: {error}; choose another address with --listen");
            Refused::new(exit::UNAVAILABLE, why)
        })?);
    }
    Ok(listeners)
}

/// The folder of `--static`.
fn static_folder(args: &ServeArgs) -> Result<Option<Folder>, Refused> {
    let open = |folder: &Path| {
        Folder::open(folder).map_err(|error| {
            let why = format!("cannot serve files from {}: {error}; --static needs a folder", folder.display());
            Refused::new(exit::BAD_CONFIGURATION, why)
        })
    };
    args.static_folder.as_deref().map(open).transpose()
}

/// Loads every plugin and makes its engine, before anything else starts.
fn load(args: &ServeArgs, facilities: &Facilities, runtime: &Handle) -> Result<Vec<Mount>, Refused> {
    let load_one = |argument: &PluginArg| {
        let file = find(&argument.file)?;
        let plugin = Plugin::load(&file)?;
        let (name, version) = (plugin.name(), plugin.version());
        if !plugin.panic_unwinds() {
            tracing::warn!(engine = name, version, "built with panic = \"abort\": a panic in it will end wshost");
        }
        let (plugin_api, rustc) = plugin.built_with();
        tracing::info!(engine = name, version, file = %file.display(), plugin_api, rustc, "plugin loaded");
        let config = read_config(args.config_of(argument.path.as_deref()))?;
        let instance = Instance::new(plugin, &config, facilities).map_err(|not_made| {
            let code = if not_made.configuration_at_fault { exit::BAD_CONFIGURATION } else { exit::PLUGIN_REFUSED };
            let why = not_made.failure;
            Refused::new(code, format!("engine {name} {version} from {} refused to start: {why}", file.display()))
        })?;
        let config_file = args.config_of(argument.path.as_deref()).map(Path::to_owned);
        Ok(Mount::new(argument.path.clone(), instance, argument.file.clone(), config_file, runtime.clone()))
    };
    args.plugins.iter().map(load_one).collect()
}

fn read_config(file: Option<&Path>) -> Result<Config, Refused> {
    let Some(file) = file else { return Ok(Config::default()) };
    Config::read(file).map_err(|error| {
        let why = format!("cannot read the engine configuration {}: {error}; see --engine-config", file.display());
        Refused::new(exit::BAD_CONFIGURATION, why)
    })
}

/// `engine echo 1.0.0`, or `engines echo 1.0.0 at /echo, chat 1.0.0 at /chat`.
fn describe(mounts: &[Mount]) -> String {
    let one = |mount: &Mount| {
        let instance = mount.current();
        let plugin = instance.plugin();
        let at = mount.path().map(|path| format!(" at {path}")).unwrap_or_default();
        format!("{} {}{at}", plugin.name(), plugin.version())
    };
    let word = if mounts.len() == 1 { "engine" } else { "engines" };
    format!("{word} {}", mounts.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Serves until Ctrl-C or SIGTERM, then drains. A second signal ends the process at once.
async fn until_told_to_end(running: Running, mut signals: Signals, control: Option<Control>) -> anyhow::Result<()> {
    let why = loop {
        match signals.next().await {
            Told::End(why) => break why,
            Told::Reload => {
                let server = Arc::clone(running.server());
                // What comes of it is in the log.
                tokio::task::spawn_blocking(move || server.reload_all());
            }
        }
    };
    tracing::info!("{why}: closing connections; once more ends at once");
    let mut drained = tokio::task::spawn_blocking(move || running.drain(DRAIN_DEADLINE));
    loop {
        tokio::select! {
            left = &mut drained => {
                match left.context("cannot drain")? {
                    0 => tracing::info!("all connections are closed"),
                    left => tracing::warn!("{left} connections did not close in {DRAIN_DEADLINE:?} and are dropped"),
                }
                return Ok(());
            }
            told = signals.next() => match told {
                Told::End(why) => {
                    tracing::warn!("{why} again: ending at once");
                    drop(control);
                    exit::leave(0);
                }
                Told::Reload => tracing::warn!("not reloading: the server is ending"),
            }
        }
    }
}
