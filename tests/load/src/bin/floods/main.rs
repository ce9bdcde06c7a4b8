//! What clients that flood do to the others: for each kind of flood, how long a hundred honest clients of the same event
//! loop wait for an answer, and a newcomer for its first, with the flood and before it.

mod connect;
mod flood;
mod honest;
mod host;
mod kinds;

use crate::flood::Flood;
use crate::honest::{Clients, Newcomers, Waits};
use crate::host::Host;
use crate::kinds::Kind;
use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// How long honest clients wait while others flood.
#[derive(Debug, Parser)]
struct Cli {
    /// This wshost.
    #[arg(long, value_name = "FILE", default_value = "../../target/release/wshost")]
    wshost: PathBuf,
    /// This libecho.so.
    #[arg(long, value_name = "FILE", default_value = "../../target/release/libecho.so")]
    echo: PathBuf,
    /// This libcpu_bound.so.
    #[arg(long, value_name = "FILE", default_value = "../../target/release/libcpu_bound.so")]
    jobs: PathBuf,
    /// Clients that flood at the same time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    floods: usize,
    /// Honest clients; each asks 50 times a second.
    #[arg(long, value_name = "N", default_value_t = 100)]
    honest: usize,
    /// Seconds for each kind, and before it.
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    seconds: f64,
    /// Only these kinds; repeatable.
    #[arg(long, value_name = "KIND")]
    kind: Vec<Kind>,
    /// Only with `--compress`, or only without.
    #[arg(long, value_name = "BOOL")]
    compress: Option<bool>,
    /// The core of wshost; it shares them all if this is left out.
    #[arg(long, value_name = "N")]
    core: Option<u32>,
    /// Further options of wshost.
    #[arg(last = true)]
    options: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("FAULT: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit on open files")?;
    println!("| flood | compress | before: p50 | p99 | with: p50 | p99 | newcomer: p50 | worst | flood, per s |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let all = Kind::value_variants();
    let kinds = if cli.kind.is_empty() { all } else { &cli.kind[..] };
    for compress in [false, true].into_iter().filter(|compress| cli.compress.is_none_or(|only| only == *compress)) {
        for kind in kinds.iter().filter(|kind| compress || !kind.is_compressed()) {
            // One kind that fails does not keep us from the others.
            if let Err(fault) = measure(cli, *kind, compress) {
                println!("| {} | {compress} | {fault:#} |", name(*kind));
            }
        }
    }
    Ok(())
}

fn measure(cli: &Cli, kind: Kind, compress: bool) -> Result<()> {
    let time = Duration::from_secs_f64(cli.seconds);
    let mut options = cli.options.clone();
    options.extend(compress.then(|| "--compress".to_owned()));
    let host = Host::start(&cli.wshost, [&cli.echo, &cli.jobs], cli.core, &options)?;
    let mut honest = Clients::connect(&host.address, compress, cli.honest)?;
    let before = honest.ask(time)?;
    honest.settle(Duration::from_secs(1))?;
    let flood = Flood::start(&host.address, kind, compress, cli.floods);
    // Until the flood has come up.
    thread::sleep(Duration::from_millis(200));
    let newcomers = Newcomers::start(&host.address, compress);
    let with = honest.ask(time);
    let sent = flood.end();
    let newcomers = newcomers.end();
    let with = with?;
    let [before, with] = [before, with].map(|waits| format!("{} | {}", at(&waits, 0.5), at(&waits, 0.99)));
    let newcomers = format!("{} | {}", at(&newcomers, 0.5), at(&newcomers, 1.0));
    let rate = sent as f64 / (cli.seconds + 0.2);
    let rate = if rate > 1e6 { format!("{:.0} MB", rate / 1e6) } else { format!("{rate:.0}") };
    println!("| {} | {compress} | {before} | {with} | {newcomers} | {rate} |", name(kind));
    Ok(())
}

fn name(kind: Kind) -> String {
    kind.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// In milliseconds.
fn at(waits: &Waits, share: f64) -> String {
    waits.quantile(share).map_or_else(|| "-".to_owned(), |wait| format!("{:.2} ms", wait.as_secs_f64() * 1e3))
}
