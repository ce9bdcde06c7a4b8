//! In the child: an engine's life, step by step. The engine is served as usual, to a client of our own.

use super::args::CheckArgs;
use super::guest::{AfterMessage, Guest, Heard, PATIENCE, Welcome};
use super::inherited::close_descriptors;
use super::journal::{Journal, StepUnderway, Stop};
use crate::crash::{self, AfterExit};
use crate::exit::NotDone;
use crate::http::HttpLimits;
use crate::net::listener::{Address, Listener};
use crate::rehearsal::findings::{Finding, Step};
use crate::server::facilities::StaffedFacilities;
use crate::server::loading::LoadRules;
use crate::server::settings::ReloadLimits;
use crate::server::settings::{MAX_BACKLOG, MAX_MESSAGE, READ_SIZE, Settings};
use crate::server::{Left, Running};
use anyhow::Context;
use rustix::process::{Signal, set_parent_process_death_signal};
use signal_hook::low_level;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;
use tokio_tungstenite::tungstenite::Message;
use wshost_core::client::audience::{Backlog, BacklogPolicy};
use wshost_core::engine::{Config, Unborn};
use wshost_core::plugin::Plugin;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::newborn;
use wshost_core::serving::swap::{SwapLimits, Way};

/// The client sends this as text and as binary data.
const GREETING: &str = "wshost check";

/// How often to check whether the host has finished a connection after its client saw the end.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Does the steps from `open` on, in the child.
///
/// # Errors
///
/// The child cannot be set up. Failures of the engine are reported and are no error here.
pub(super) fn lead(args: &CheckArgs) -> Result<(), NotDone> {
    crash::attribute(AfterExit::KeepCode);
    // If the parent is gone, nobody waits for the check.
    let journal = close_descriptors()
        .and_then(|()| Ok(set_parent_process_death_signal(Some(Signal::KILL))?))
        .and_then(|()| Journal::start())
        .context("cannot talk to the process that checks")
        .map_err(NotDone::internal)?;
    if live(args, &journal).is_ok() {
        journal.tell(&Finding::Began(Step::Exit));
    }
    Ok(())
}

fn live(args: &CheckArgs, journal: &Journal) -> Result<(), Stop> {
    let plugin = open(args, journal)?;
    if args.only_open {
        journal.tell(&Finding::Began(Step::Exit));
        // Do not run what the library has registered for a normal exit.
        low_level::exit(0);
    }
    let settings = settings(args.timeout);
    let (runtime, mount, staffed) = make(args, journal, plugin, &settings)?;

    let step = journal.begin(Step::Connect);
    let started = Listener::bind(&Address::Tcp(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))).and_then(|listener| {
        let url = listener.url();
        Ok((url, Running::start(settings, staffed, vec![mount], vec![listener], runtime.handle().clone())?))
    });
    let (url, running) = match started {
        Ok(started) => started,
        Err(error) => return Err(step.failed(format_args!("cannot listen on 127.0.0.1: {error}"))),
    };
    runtime.block_on(visits(step, journal, &running, &url))?;

    let step = journal.begin(Step::Shutdown);
    match running.drain(args.timeout / 2) {
        Left { connections: 0, jobs: 0, engines: false } => step.ok("the engine is dropped"),
        Left { connections: 0, jobs: 0, engines: true } => Err(step.failed("dropping the engine did not end")),
        Left { connections: 0, jobs, .. } => Err(step.failed(format_args!("{jobs} jobs did not end"))),
        Left { connections, .. } => Err(step.failed(format_args!("{connections} connections did not end"))),
    }
}

/// As few threads as possible, and otherwise the defaults of a server.
fn settings(timeout: Duration) -> Settings {
    Settings {
        loops: 1,
        workers: 1,
        worker_nice: 0,
        read_size: READ_SIZE,
        prefer_read: None,
        max_message: MAX_MESSAGE,
        message_timeout: Duration::from_secs(60),
        backlog: Backlog { limit: MAX_BACKLOG, policy: BacklogPolicy::Close },
        compression: None,
        ping_after: None,
        close_after_no_pong: None,
        // This is early enough for the reason to be reported.
        reload: ReloadLimits {
            swap: SwapLimits { deadline: timeout / 2, max_pause: timeout / 4, drain: None },
            max_generations: 2,
            probation: None,
            load: LoadRules::default(),
        },
        static_folder: None,
        http: HttpLimits::default(),
    }
}

fn open(args: &CheckArgs, journal: &Journal) -> Result<Plugin, Stop> {
    let step = journal.begin(Step::Open);
    let opened = match &args.copy_of {
        Some(original) => Plugin::open_copy_of(original, &args.file),
        None => Plugin::load(&args.file),
    };
    let plugin = match opened {
        Ok(plugin) => plugin,
        Err(error) => return Err(step.failed(error)),
    };
    step.ok("its tables are laid out as this wshost's")?;
    let step = journal.begin(Step::Interfaces);
    let manifest = plugin.manifest();
    let interfaces = manifest.interfaces.join(", ");
    journal.tell(&Finding::Manifest(manifest));
    step.ok(interfaces)?;
    Ok(plugin)
}

fn make(
    args: &CheckArgs,
    journal: &Journal,
    plugin: Plugin,
    settings: &Settings,
) -> Result<(Runtime, Mount, StaffedFacilities), Stop> {
    let step = journal.begin(Step::New);
    let config = args.engine_config.as_deref();
    let read = match config.map(Config::read).transpose() {
        Ok(read) => read.unwrap_or_default(),
        Err(error) => {
            let file = config.unwrap_or(&args.file).display();
            return Err(step.failed(format_args!("cannot read the engine configuration {file}: {error}")));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let started = runtime.and_then(|runtime| Ok((runtime, StaffedFacilities::start(settings)?)));
    let (runtime, staffed) = match started {
        Ok(started) => started,
        Err(error) => return Err(step.failed(format_args!("cannot start the workers: {error}"))),
    };
    // The parent ends this process before that.
    let deadline = 2 * args.timeout;
    let instance = match runtime.block_on(newborn::first(Unborn::first(plugin, read, &staffed.facilities), deadline)) {
        Some(Ok(instance)) => instance,
        Some(Err(not_made)) => return Err(step.failed(not_made.failure)),
        None => return Err(step.failed(format_args!("it has not returned after {deadline:?}"))),
    };
    match config {
        Some(file) => step.ok(format_args!("made with {}", file.display()))?,
        None => step.ok("made without a configuration")?,
    }
    let config = args.engine_config.clone();
    let mount = Mount::new(None, instance, args.file.clone(), config);
    Ok((runtime, mount, staffed))
}

/// Does all steps over connections, beginning with the one given.
async fn visits(step: StepUnderway<'_>, journal: &Journal, running: &Running, url: &str) -> Result<(), Stop> {
    let guest = match Guest::connect(url).await {
        Ok(Welcome::In(guest)) => guest,
        Ok(Welcome::Rejected(status)) => {
            left_alone(running).await;
            step.note(format_args!(
                "its authenticate rejects a client that shows no credentials, with {status}: callbacks of clients are \
                 not tried"
            ))?;
            return hand_over(journal, running, None).await;
        }
        Err(error) => return Err(step.failed(error)),
    };
    let mut guest = converse(step, running, guest, None).await?;
    for (name, message) in
        [(Step::Text, Message::text(GREETING)), (Step::Binary, Message::binary(GREETING.as_bytes().to_vec()))]
    {
        let step = journal.begin(name);
        let (present, step) = welcome_back(step, guest.take(), url).await?;
        guest = converse(step, running, present, Some(message)).await?;
    }
    let step = journal.begin(Step::Close);
    let (present, step) = welcome_back(step, guest, url).await?;
    let code = present.leave().await;
    left_alone(running).await;
    match code {
        Some(code) => step.ok(format_args!("closed with {code}"))?,
        None => step.note("its on_close did not close the client, whose connection was dropped after 5 s")?,
    }
    let guest = match Guest::connect(url).await {
        Ok(Welcome::In(guest)) => Some(guest),
        Ok(Welcome::Rejected(_)) | Err(_) => None,
    };
    hand_over(journal, running, guest).await
}

/// The client, connected again if the engine has closed it.
async fn welcome_back<'a>(
    step: StepUnderway<'a>,
    guest: Option<Box<Guest>>,
    url: &str,
) -> Result<(Box<Guest>, StepUnderway<'a>), Stop> {
    if let Some(guest) = guest {
        return Ok((guest, step));
    }
    match Guest::connect(url).await {
        Ok(Welcome::In(guest)) => Ok((guest, step)),
        Ok(Welcome::Rejected(status)) => {
            Err(step.failed(format_args!("rejected with {status} when it came for the second time")))
        }
        Err(error) => Err(step.failed(error)),
    }
}

/// Sends a message, if there is one, and ends the step when the engine and its jobs have dealt with it. Returns the
/// client if it is still connected.
async fn converse(
    step: StepUnderway<'_>,
    running: &Running,
    mut guest: Box<Guest>,
    message: Option<Message>,
) -> Result<Option<Box<Guest>>, Stop> {
    let busy = || running.is_in_callback();
    let said = message.is_some();
    let mut heard = guest.say(message, busy).await;
    let idle = jobs_end(running).await;
    if heard.then == AfterMessage::GoesOn {
        // Receive what the jobs sent.
        let Heard { messages, then } = guest.say(None, busy).await;
        heard = Heard { messages: heard.messages + messages, then };
    }
    let answer = match (heard.messages, said) {
        (0, true) => "no message came back".to_owned(),
        (0, false) => "the client is connected".to_owned(),
        (1, true) => "a message came back".to_owned(),
        (1, false) => "the client is connected and got a message".to_owned(),
        (messages, true) => format!("{messages} messages came back"),
        (messages, false) => format!("the client is connected and got {messages} messages"),
    };
    match heard.then {
        AfterMessage::Ended { code: 1011, .. } => {
            guest.leave().await;
            left_alone(running).await;
            return Err(step.failed(format_args!("{answer}; the connection was closed with 1011, as after a panic")));
        }
        AfterMessage::Ended { code, reason } => {
            guest.leave().await;
            left_alone(running).await;
            let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            step.note(format_args!("{answer}; the engine ended the connection, with {code}{reason}"))?;
            return Ok(None);
        }
        AfterMessage::NoPong => step.note(format_args!(
            "{answer}; its on_ping sends no pong, so a client that pings gives up the connection"
        ))?,
        AfterMessage::GoesOn if idle => step.ok(answer)?,
        AfterMessage::GoesOn => step.note(format_args!("{answer}; its jobs still run after {PATIENCE:?}"))?,
    }
    Ok(Some(guest))
}

/// Reloads the library, with a client connected if possible.
async fn hand_over(journal: &Journal, running: &Running, guest: Option<Box<Guest>>) -> Result<(), Stop> {
    let step = journal.begin(Step::Handover);
    let server = Arc::clone(running.server());
    let reloaded = match spawn_blocking(move || server.reload(None)).await {
        Ok(Ok(reloaded)) => reloaded,
        Ok(Err(refused)) => return Err(step.failed(refused)),
        Err(error) => return Err(step.failed(format_args!("a fault of wshost, please report it: {error}"))),
    };
    let mut then = AfterMessage::GoesOn;
    if let Some(mut guest) = guest {
        then = guest.say(Some(Message::text(GREETING)), || running.is_in_callback()).await.then;
        jobs_end(running).await;
        guest.leave().await;
        left_alone(running).await;
    }
    if let AfterMessage::Ended { code: 1011, .. } = then {
        return Err(step.failed("once it had taken over, a connection was closed with 1011, as after a panic"));
    }
    match reloaded.way {
        Way::Gentle { .. } => step.note("it has none: at a reload, connected clients stay with the old engine"),
        Way::Handover { sessions: 0, .. } => step.ok("its state passed over"),
        Way::Handover { pause, .. } => {
            step.ok(format_args!("its state and a client passed over; the client was held up for {pause:.1?}"))
        }
    }
}

/// Waits a while for all jobs to end. Returns whether they did.
async fn jobs_end(running: &Running) -> bool {
    let until = Instant::now() + PATIENCE;
    for mount in &running.server().mounts {
        if !mount.current().audience().activity.wait_until_idle(until).await {
            return false;
        }
    }
    true
}

/// Waits until all connections are over. Their `on_closed` runs after the client has seen the end.
async fn left_alone(running: &Running) {
    while running.connections() > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
