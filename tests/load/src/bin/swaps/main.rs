//! Swaps an engine again and again under load, and has every client check that nothing is dropped, lost, repeated or
//! reordered; then tries what must be refused without a client noticing.
//!
//! It starts wshost itself, puts a plugin at a path, replaces the file by renaming, asks for the swap with SIGHUP, and waits
//! for the line in the log that tells its outcome. Ends with a table, and with exit code 0 where all is as it should be.

mod artefacts;
mod client;
mod event;
mod host;
mod report;
mod traffic;

use crate::artefacts::Artefacts;
use crate::event::{Event, Inbox, Outcome, Seen, Totals};
use crate::host::Host;
use crate::report::Line;
use crate::traffic::{Command, Plan, Traffic};
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

/// Swaps an engine under load: nothing may be dropped, lost, repeated or reordered.
#[derive(Debug, Parser)]
struct Cli {
    /// Clients.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: usize,
    /// Messages per second, of all clients together.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    rate: u32,
    /// Swaps, one after the other; between two, every client sends and is answered.
    #[arg(long, value_name = "N", default_value_t = 20)]
    swaps: usize,
    /// One in so many messages is a chat, which everyone in the sender's room gets.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    chat_every: u32,
    /// Clients in a room.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    room: u16,
    /// What the median pause is to be below, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 50)]
    goal_ms: u64,
    /// Leave out the refusals.
    #[arg(long)]
    no_refusals: bool,
    /// This wshost, instead of the one built here.
    #[arg(long, value_name = "FILE")]
    wshost: Option<PathBuf>,
    /// Further options of wshost.
    #[arg(last = true)]
    options: Vec<String>,
}

/// `--reload-timeout` of the run.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(2);
/// For how long the export blocks that is past its deadline.
const BLOCKS: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("FAULT: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<bool> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit on open files")?;
    let artefacts = Artefacts::build(cli.wshost.as_deref())?;
    let (news, events) = channel();
    let timeout = ["--reload-timeout".to_owned(), format!("{}ms", RELOAD_TIMEOUT.as_millis())];
    // As many as are loaded here, refused ones included.
    let generations = ["--max-generations".to_owned(), (cli.swaps + 20).to_string()];
    let options = [&timeout[..], &generations, &cli.options].concat();
    let host = Host::start(&artefacts.wshost, &artefacts.engines[0], &options, news.clone())?;
    let plan =
        Plan { connections: cli.connections, rate: cli.rate, room: usize::from(cli.room), chat_every: cli.chat_every };
    let traffic = Traffic::connect(host.address.parse()?, plan).context("connecting the clients")?;
    let (commands, told) = channel();
    thread::spawn(move || traffic.run(&told, &news));
    let (inbox, window) = (Inbox::new(events), 0);
    let mut run = Run { host, artefacts, commands, inbox, window, running: 0, quiet: Seen::default() };
    run.sent_and_answered()?;

    println!("{} connections, {} messages per second, {} swaps", cli.connections, cli.rate, cli.swaps);
    println!("{}", report::HEAD);
    let mut swaps = Vec::new();
    for number in 1..=cli.swaps {
        let line = run.swap(&format!("swap {number}"), "")?;
        println!("{line}");
        swaps.push(line);
    }
    if !cli.no_refusals {
        println!("\nrefused, and nothing lost:");
        run.refusals(cli.connections)?;
    }
    let totals = run.finish()?;
    Ok(report::summarize(&swaps, totals, run.quiet, Duration::from_millis(cli.goal_ms)))
}

/// A host under traffic.
struct Run {
    host: Host,
    artefacts: Artefacts,
    commands: Sender<Command>,
    inbox: Inbox,
    /// The present one.
    window: usize,
    /// Which of the two builds runs.
    running: usize,
    /// What clients saw in the calmest window without a swap.
    quiet: Seen,
}

impl Run {
    /// Swaps to the other build.
    fn swap(&mut self, what: &str, config: &str) -> Result<Line> {
        let next = 1 - self.running;
        let file = self.artefacts.engines[next].clone();
        let (outcome, mut line) = self.reload(what, &file, config, next)?;
        let Outcome::Reloaded { version, pause_ms } = outcome else { bail!("{what} was refused: {outcome:?}") };
        ensure!(version.starts_with(build(next)), "version {version} has taken over, which is another");
        line.pause = pause_ms.map(|millis| Duration::from_secs_f64(millis / 1000.0));
        Ok(line)
    }

    /// Tries a swap that has to be refused for this reason.
    fn refused(&mut self, what: &str, file: &Path, config: &str, reason: &str) -> Result<()> {
        let (outcome, line) = self.reload(what, file, config, self.running)?;
        match outcome {
            Outcome::Refused { why } if why.contains(reason) => println!("{line}"),
            other => bail!("{what}: a refusal with {reason:?} was expected, and not {other:?}"),
        }
        Ok(())
    }

    fn refusals(&mut self, connections: usize) -> Result<()> {
        let other = self.artefacts.engines[1 - self.running].clone();
        let garbage = self.host.file("garbage.so", b"not an engine")?;
        self.refused("not an engine", &garbage, "", "is not a dynamic library")?;
        // As if a table of another revision had a field of another name.
        let foreign = replaced(&fs::read(&other)?, b"panic_unwinds;", b"panic_unwound;");
        // Of which its linker does not tell that its build id covers every byte.
        let foreign = replaced(&foreign, b"Linker: LLD", b"linker: LLD");
        let foreign = self.host.file("foreign.so", &foreign)?;
        self.refused("wrong revision", &foreign, "", "built for another revision")?;
        self.refused("panic in new", &other, "fails = 'new'", "told to panic in new")?;
        let at = (connections * 7 / 10).max(1);
        let failing = format!("fails = 'import'\nat = {at}");
        self.refused(&format!("import {at} fails"), &other, &failing, "told to fail at session")?;

        let blocks = BLOCKS.as_millis();
        let blocking = format!("fails = 'export-blocks'\nat = {}\nblocks_ms = {blocks}", (connections / 2).max(1));
        println!("{}", self.swap("(a swap to one that", &blocking)?);
        let other = self.artefacts.engines[1 - self.running].clone();
        self.refused("blocks in an export)", &other, "", "not done after")?;
        println!("{}", self.swap("and a swap after all", "")?);
        Ok(())
    }

    /// Puts a file in place, asks for the swap, and waits for its outcome, and until every message sent meanwhile has
    /// been answered. `answers`: which build goes on then.
    fn reload(&mut self, what: &str, file: &Path, config: &str, answers: usize) -> Result<(Outcome, Line)> {
        self.host.deploy(file, config)?;
        // What was sent before is answered by the old build: it must not be on its way when the new one takes over.
        let before = self.window;
        self.next(None)?;
        self.answered(before)?;
        let swapping = self.window;
        self.host.hang_up()?;
        let outcome = self.inbox.wait("the outcome of a reload", |event| match event {
            Event::Outcome(outcome) => Some(outcome.clone()),
            _ => None,
        })?;
        if matches!(outcome, Outcome::Reloaded { .. }) {
            self.running = answers;
        }
        self.next(build(self.running).bytes().next())?;
        let seen = self.answered(swapping)?;
        self.sent_and_answered()?;
        let (resident, descriptors) = (self.host.resident()?, self.host.descriptors()?);
        Ok((outcome, Line { what: what.to_owned(), pause: None, seen, resident, descriptors }))
    }

    /// Waits until every client has sent and been answered in the present window; another begins then.
    fn sent_and_answered(&mut self) -> Result<()> {
        let present = self.window;
        self.inbox.wait("every client has sent", |event| match event {
            Event::RoundSent { window } if *window == present => Some(()),
            _ => None,
        })?;
        self.next(build(self.running).bytes().next())?;
        let seen = self.answered(present)?;
        if self.quiet.worst_round_trip.is_zero() || seen.worst_round_trip < self.quiet.worst_round_trip {
            self.quiet = seen;
        }
        Ok(())
    }

    fn answered(&mut self, of: usize) -> Result<Seen> {
        self.inbox.wait("every message is answered", |event| match event {
            Event::Answered { window, seen } if *window == of => Some(*seen),
            _ => None,
        })
    }

    fn next(&mut self, build: Option<u8>) -> Result<()> {
        self.commands.send(Command::Next { build }).context("the traffic has ended")?;
        self.window += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<Totals> {
        self.commands.send(Command::Finish).context("the traffic has ended")?;
        self.inbox.wait("the last answers", |event| match event {
            Event::Finished(totals) => Some(*totals),
            _ => None,
        })
    }
}

/// What a build calls itself.
fn build(index: usize) -> &'static str {
    ["1", "2"][index]
}

/// The content with every `from` replaced, which has to have the length of `to`.
fn replaced(content: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    for at in 0..content.len().saturating_sub(from.len()) {
        if content[at..].starts_with(from) {
            content[at..at + from.len()].copy_from_slice(to);
        }
    }
    content
}
