//! Many runs, on all cores.

use crate::arguments::{Arguments, Task};
use crate::run::{self, Facts, Outcome};
use crate::trace::{Trace, without_numbers};
use crate::watch::listening;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Each so many seeds, one is run twice more, and must take the same course.
const TWICE: u64 = 500;
/// So many failed seeds are shown in full.
const SHOWN: usize = 3;
/// So many last lines of a failed run are shown.
const LAST_LINES: usize = 60;

/// Runs a seed, and prints what happens.
pub fn replay(seed: u64) -> ExitCode {
    warm_up();
    let outcome = once(seed, Trace::aloud());
    match outcome.violation {
        None => {
            println!("\nseed {seed} is fine: {:?}", outcome.facts);
            ExitCode::SUCCESS
        }
        Some(what) => {
            println!("\nseed {seed} FAILED: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever is kept for as long as the process lives, the first engine keeps: not one of those that are looked at.
fn warm_up() {
    once(u64::MAX, Trace::default());
}

fn once(seed: u64, trace: Trace) -> Outcome {
    listening(trace.is_kept(), || run::run(seed, trace))
}

/// A seed that failed.
struct Failed {
    seed: u64,
    what: String,
    last_lines: Vec<String>,
}

/// Runs many.
pub fn sail(arguments: &Arguments) -> ExitCode {
    warm_up();
    let (end, until) = match arguments.task {
        Task::Seeds(seeds) => (arguments.from.saturating_add(seeds), None),
        Task::For(time) => (u64::MAX, Some(Instant::now() + time)),
        _ => (arguments.from, None),
    };
    let bar = bar(arguments, end);
    let (next, done, stopped) = (AtomicU64::new(arguments.from), AtomicU64::new(0), AtomicBool::new(false));
    let (failed, facts) = (Mutex::new(Vec::new()), Mutex::new(Facts::default()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                let mut own = Facts::default();
                while !stopped.load(Ordering::Relaxed) && until.is_none_or(|until| Instant::now() < until) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    match check(seed) {
                        Ok(facts) => own.add(&facts),
                        Err(one) => {
                            failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(one);
                            stopped.store(!arguments.all, Ordering::Relaxed);
                        }
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    bar.inc(1);
                }
                facts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&own);
            });
        }
    });
    bar.finish_and_clear();
    let failed = failed.into_inner().unwrap_or_default();
    report(failed, done.into_inner(), &facts.into_inner().unwrap_or_default(), began.elapsed())
}

/// Runs a seed.
fn check(seed: u64) -> Result<Facts, Failed> {
    let outcome = once(seed, Trace::default());
    if let Some(what) = outcome.violation {
        // Once more, with a trace.
        let again = once(seed, Trace::kept());
        let what = match again.violation {
            Some(same) if same == what => what,
            other => format!("{what}; and when it was run again: {other:?}"),
        };
        let from = again.lines.len().saturating_sub(LAST_LINES);
        return Err(Failed { seed, what, last_lines: again.lines[from..].to_vec() });
    }
    if seed.is_multiple_of(TWICE) {
        let (one, other) = (once(seed, Trace::kept()), once(seed, Trace::kept()));
        let same = one.lines.iter().zip(&other.lines).take_while(|(one, other)| one == other).count();
        if same < one.lines.len().max(other.lines.len()) {
            let differ = [one.lines.get(same), other.lines.get(same)];
            let what = format!("the same seed takes two courses, from line {same} on: {differ:?}");
            return Err(Failed { seed, what, last_lines: one.lines[..same].to_vec() });
        }
    }
    Ok(outcome.facts)
}

fn report(mut failed: Vec<Failed>, done: u64, facts: &Facts, took: Duration) -> ExitCode {
    failed.sort_by_key(|failed| failed.seed);
    failed.iter().for_each(|failed| println!("test seed {} ... FAILED", failed.seed));
    for Failed { seed, what, last_lines } in failed.iter().take(SHOWN) {
        println!("\n---- seed {seed} ----");
        last_lines.iter().for_each(|line| println!("{line}"));
        println!("seed {seed}: {what}\nreplay it: cargo test -p simulation -- {seed}");
    }
    if failed.len() > 1 {
        println!();
        for (kind, seeds) in by_kind(&failed) {
            println!("{:>6} seeds, such as {}: {kind}", seeds.len(), seeds[0]);
        }
    }
    let per_second = done as f64 / took.as_secs_f64();
    println!("\n{} seeds in {took:.1?}, {per_second:.0} a second: {facts}", HumanCount(done));
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    let passed = done - failed.len() as u64;
    println!("test result: {verdict}. {passed} passed; {} failed; 0 ignored; finished in {took:.2?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The seeds that failed, by what failed, whatever the numbers in it. Those that failed first come first.
fn by_kind(failed: &[Failed]) -> Vec<(String, Vec<u64>)> {
    let mut kinds: Vec<(String, Vec<u64>)> = Vec::new();
    for failed in failed {
        let kind = without_numbers(&failed.what);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, seeds)) => seeds.push(failed.seed),
            None => kinds.push((kind, vec![failed.seed])),
        }
    }
    kinds
}

fn bar(arguments: &Arguments, end: u64) -> ProgressBar {
    let (bar, template) = if let Task::Seeds(_) = arguments.task {
        (ProgressBar::new(end - arguments.from), "{bar:40} {human_pos}/{human_len} seeds, {per_sec}, {eta} to go")
    } else {
        (ProgressBar::no_length(), "{spinner} {human_pos} seeds, {per_sec}, for {elapsed}")
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Facts {
    fn add(&mut self, other: &Facts) {
        self.clients += other.clients;
        self.generations += other.generations;
        self.handed_over += other.handed_over;
        self.panics += other.panics;
        self.acts += other.acts;
        self.millis += other.millis;
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} clients, {} generations of which {} took over by a handover, {} panics, {} acts of the engine, {:.1} hours",
            HumanCount(self.clients),
            HumanCount(self.generations),
            HumanCount(self.handed_over),
            HumanCount(self.panics),
            HumanCount(self.acts),
            self.millis as f64 / 3_600_000.0
        )
    }
}
