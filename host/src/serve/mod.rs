//! The main command: loads engines, listens, and serves until it is told to end. `ending` says what becomes of signals,
//! and how the process ends.
//!
//! Knows no connection and no engine's interface. `anyhow` is allowed here.

mod ending;

pub use ending::refuse;

use self::ending::Operator;
use crate::cli::{PluginArg, ServeArgs};
use crate::control::ControlSocket;
use crate::exit::{self, NotDone};
use crate::http::Folder;
use crate::log;
use crate::net::listener::{Address, Listener, NotBound};
use crate::server::Running;
use crate::server::facilities::StaffedFacilities;
use crate::server::loading::load_first;
use crate::server::settings::Settings;
use crate::threads::standby::{Standby, touch_thread_locals};
use crate::watch::plugin_watch::PluginWatch;
use anyhow::Context;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;
use wshost_core::engine::{Config, Facilities, Unborn};
use wshost_core::plugin::find;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::newborn;

/// The address to listen on, unless the operator names another.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// Serves until Ctrl-C or SIGTERM, which ends the process.
///
/// # Errors
///
/// The server has not started.
pub fn serve(args: &ServeArgs) -> Result<Infallible, NotDone> {
    if let Some(path) = args.path_claimed_twice() {
        return Err(NotDone::new(
            exit::USAGE,
            format!("two plugins claim {path}; give each a path of its own with PATH=FILE"),
        ));
    }
    check_configurations(args)?;
    let operator =
        Operator::listen(args.drain_timeout).context("cannot listen to signals").map_err(NotDone::internal)?;
    // This thread's runtime provides the time for reloads, whatever hangs in the loader.
    touch_thread_locals();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime for reloads")
        .map_err(NotDone::internal)?;
    let settings = Settings { static_folder: static_folder(args)?, ..args.settings() };
    let staffed = StaffedFacilities::start(&settings).context("cannot start the workers").map_err(NotDone::internal)?;
    let mounts = load(args, &staffed.facilities, &runtime)?;
    let listeners = listen(&args.listen)?;
    let addresses = listeners.iter().map(Listener::url).collect::<Vec<_>>().join(", ");
    let engines = describe(&mounts);
    let control = ControlSocket::open(args.control.as_ref())?;
    let running = Running::start(settings, staffed, mounts, listeners, runtime.handle().clone())
        .context("cannot start the event loops")
        .map_err(NotDone::internal)?;
    let plugin_watch = args.watch.then(|| PluginWatch::start(Arc::clone(running.server()))).transpose();
    let plugin_watch = plugin_watch.context("cannot watch the plugins' files").map_err(NotDone::internal)?;
    // Start all threads before the first reload, in which a library may hang.
    let herald = Standby::start("wshost-ready").context("cannot tell that the server is ready");
    let herald = herald.map_err(NotDone::internal)?;
    let server = Arc::downgrade(running.server());
    let serve = control.map(|control| control.serve(server)).transpose();
    serve.context("cannot serve the control socket").map_err(NotDone::internal)?;
    operator.server_is_up(running, plugin_watch);

    tracing::info!(addresses, "listening");
    herald.run(move || log::tell_on_stdout(&format!("listening on {addresses} ({engines})")));
    runtime.block_on(std::future::pending())
}

/// Checks that each `--engine-config` belongs to an engine.
fn check_configurations(args: &ServeArgs) -> Result<(), NotDone> {
    if let Some(path) = args.path_configured_twice() {
        return Err(NotDone::new(exit::USAGE, format!("two configurations are given for {path}; an engine has one")));
    }
    if let Some(path) = args.configured_without_plugin() {
        let why = format!("a configuration is given for {path}, but no plugin; give it as --engine-config PATH=FILE");
        return Err(NotDone::new(exit::USAGE, why));
    }
    Ok(())
}

/// Binds the operator's addresses and takes over the sockets that systemd passes. Without either, binds the default.
fn listen(addresses: &[Address]) -> Result<Vec<Listener>, NotDone> {
    let mut listeners = Listener::from_environment().map_err(|error| {
        NotDone::new(exit::UNAVAILABLE, format!("a socket handed over in LISTEN_FDS is of no use: {error}"))
    })?;
    let default = [Address::Tcp(DEFAULT_ADDRESS)];
    let addresses = if addresses.is_empty() && listeners.is_empty() { &default } else { addresses };
    let named = Listener::bind_all(addresses, &listeners).map_err(|fault| {
        let code = if matches!(fault, NotBound::Twice { .. }) { exit::USAGE } else { exit::UNAVAILABLE };
        NotDone::new(code, fault.to_string())
    })?;
    listeners.extend(named);
    Ok(listeners)
}

/// The folder of `--static`.
fn static_folder(args: &ServeArgs) -> Result<Option<Folder>, NotDone> {
    let open = |folder: &Path| {
        Folder::open(folder).map_err(|error| {
            let why = format!("cannot serve files from {}: {error}; --static needs a folder", folder.display());
            NotDone::new(exit::BAD_CONFIGURATION, why)
        })
    };
    args.static_folder.as_deref().map(open).transpose()
}

/// Loads every plugin and makes its engine, before anything else starts.
fn load(args: &ServeArgs, facilities: &Facilities, runtime: &Runtime) -> Result<Vec<Mount>, NotDone> {
    let load_one = |argument: &PluginArg| {
        let file = find(&argument.file)?;
        let plugin = load_first(&file, args.load_rules(), args.reload_timeout)?;
        let (name, version) = (plugin.name(), plugin.version());
        let (plugin_api, rustc) = plugin.built_with();
        tracing::info!(engine = name, version, file = %file.display(), plugin_api, rustc, "plugin loaded");
        let config = read_config(args.config_of(argument.path.as_deref()))?;
        let unborn = Unborn::first(plugin, config, facilities);
        let made = runtime.block_on(newborn::first(unborn, args.start_timeout)).ok_or_else(|| {
            let (file, deadline) = (file.display(), args.start_timeout);
            let why = format!(
                "engine {name} {version} from {file} did not start: new has not returned after {deadline:?}; see what it \
                 waits for, or give it longer with --start-timeout"
            );
            NotDone::new(exit::PLUGIN_REFUSED, why)
        })?;
        let instance = made.map_err(|not_made| {
            let code = if not_made.configuration_at_fault { exit::BAD_CONFIGURATION } else { exit::PLUGIN_REFUSED };
            let why = not_made.failure;
            NotDone::new(code, format!("engine {name} {version} from {} refused to start: {why}", file.display()))
        })?;
        let config_file = args.config_of(argument.path.as_deref()).map(Path::to_owned);
        Ok(Mount::new(argument.path.clone(), instance, argument.file.clone(), config_file))
    };
    args.plugins.iter().map(load_one).collect()
}

fn read_config(file: Option<&Path>) -> Result<Config, NotDone> {
    let Some(file) = file else { return Ok(Config::default()) };
    Config::read(file).map_err(|error| {
        let why = format!("cannot read the engine configuration {}: {error}; see --engine-config", file.display());
        NotDone::new(exit::BAD_CONFIGURATION, why)
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
