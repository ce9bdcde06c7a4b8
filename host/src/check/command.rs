//! The checking process: reads the file, lets a child run the engine's code, and reports the result.

use super::args::CheckArgs;
use super::life;
use super::report::{Report, StepReport};
use crate::exit::{NotDone, PLUGIN_REFUSED};
use crate::rehearsal::findings::{Finding, LogLine, Step, StepOutcome};
use crate::rehearsal::subject::{ChildTask, FromChild, Subject};
use anyhow::Context;
use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressDrawTarget};
use signal_hook::low_level::signal_name;
use std::io::{self, Write};
use std::mem::take;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use wshost_core::plugin::{Build, Image, LoadError, find};

/// How many log lines of a step are kept. They are the first ones, which show the cause.
const LOG_LINES: usize = 20;

/// Does what the command line says, and writes the report to `out` even if a step failed.
///
/// # Errors
///
/// There is no such file, or a step failed.
pub fn check(args: &CheckArgs, out: &mut impl Write) -> Result<(), NotDone> {
    if args.in_child {
        return life::lead(args);
    }
    let file = find(&args.file)?;
    let began = Instant::now();
    let image = Image::read(&file);
    if let Err(error @ (LoadError::NotFound { .. } | LoadError::Unreadable { .. })) = image {
        return Err(error.into());
    }
    let mut report = Report::new(file);
    let looked_at = look_at(image, &mut report);
    let fit = looked_at.0 != StepOutcome::Failed;
    report.add(examined(Step::File, looked_at, began.elapsed(), Vec::new()));
    if fit {
        let config = args.engine_config.as_deref();
        let order = ChildTask { file: &report.file, copy_of: None, only_open: false, config, timeout: args.timeout };
        let subject = Subject::start(&order).context("cannot start a process to check it in");
        follow(subject.map_err(NotDone::internal)?, args, &mut report)?;
    }
    if report.usable {
        let config = args.engine_config.as_ref().map(|config| format!(" --engine-config {}", config.display()));
        let config = config.unwrap_or_default();
        report.advice = Some(format!("serve it with wshost --plugin {}{config}", report.file.display()));
    }
    print(&report, args.json, out).context("cannot write the report").map_err(NotDone::internal)?;
    match report.failed() {
        None => Ok(()),
        Some(StepReport { name, text, .. }) => {
            let advice = report.advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
            let why = format!("{} cannot be served: {name} failed: {text}{advice}", report.engine());
            Err(NotDone::new(PLUGIN_REFUSED, why))
        }
    }
}

/// The step `file`: what can be learned without running any code of the engine.
fn look_at(image: Result<Image, LoadError>, report: &mut Report) -> (StepOutcome, String) {
    let image = match image {
        Ok(image) => image,
        Err(error) => return (StepOutcome::Failed, error.to_string()),
    };
    report.manifest = image.manifest().cloned();
    if let Err(error) = image.check_revision() {
        return (StepOutcome::Failed, error.to_string());
    }
    let size = ByteSize::b(image.size() as u64);
    let mut notes = Vec::new();
    match image.manifest() {
        None => notes.push("without a manifest: it has to be opened to know whether it is an engine".to_owned()),
        Some(manifest) if !manifest.panic_unwinds => {
            notes.push("built with panic = \"abort\": a panic in it ends wshost and everyone's connection".to_owned());
        }
        Some(_) => {}
    }
    if image.build().is_some_and(Build::is_changed) {
        notes.push("not as it was linked: damaged, or changed since, as by strip or patchelf".to_owned());
    }
    notes.extend(image.uses_up());
    let whole = if image.build().is_some_and(Build::is_as_linked) { ", and as it was linked" } else { "" };
    match notes.is_empty() {
        true => (StepOutcome::Ok, format!("{size}, for this machine and this revision{whole}")),
        false => (StepOutcome::Note, format!("{size}, {}", notes.join("; "))),
    }
}

/// Records what the child reports, until it ends.
fn follow(mut subject: Subject, args: &CheckArgs, report: &mut Report) -> Result<(), NotDone> {
    let progress = ProgressBar::new_spinner();
    // It draws only if stderr is a terminal.
    progress.set_draw_target(if args.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
    progress.enable_steady_tick(Duration::from_millis(100));
    // Output before the first step, or between two steps, belongs to the step that is about to begin.
    let (mut step, mut began, mut log) = (Step::Open, Instant::now(), Vec::new());
    let (outcome, text, advice) = loop {
        match subject.next(began + args.timeout) {
            FromChild::Finding(Finding::Began(next)) => {
                (step, began) = (next, Instant::now());
                progress.set_message(step.name());
            }
            FromChild::Finding(Finding::Logged(line)) if log.len() < LOG_LINES => log.push(line),
            FromChild::Finding(Finding::Logged(_)) => {}
            FromChild::Finding(Finding::Manifest(manifest)) => report.manifest = Some(manifest),
            FromChild::Finding(Finding::Ended { outcome: StepOutcome::Failed, text, .. }) => {
                break (StepOutcome::Failed, text, mend(step, &log));
            }
            FromChild::Finding(Finding::Ended { outcome, text, seconds }) => {
                report.add(StepReport { name: step, outcome, text, seconds, log: take(&mut log) });
                (step, began) = (step.next(), Instant::now());
            }
            FromChild::End => {
                let status = subject.wait(began + args.timeout).context("cannot wait for its process");
                let Some(status) = status.map_err(NotDone::internal)? else {
                    let text = format!("the process says nothing more, and has not ended after {:?}", args.timeout);
                    break (
                        StepOutcome::Failed,
                        text,
                        Some("it must leave alone descriptors that are not its own".into()),
                    );
                };
                if step == Step::Exit && status.success() {
                    break (StepOutcome::Ok, "the process ended".into(), None);
                }
                let (text, advice) = ended(status, report);
                break (StepOutcome::Failed, text, Some(advice));
            }
            FromChild::Late => {
                let text = format!("not done after {:?}: it hangs, or needs a longer --timeout", args.timeout);
                let advice = "find out what it waits for; callbacks must not block, long work belongs in a job";
                break (StepOutcome::Failed, text, Some(advice.into()));
            }
        }
    };
    report.advice = advice;
    report.add(examined(step, (outcome, text), began.elapsed(), log));
    progress.finish_and_clear();
    report.output = subject.end();
    Ok(())
}

fn examined(name: Step, (outcome, text): (StepOutcome, String), took: Duration, log: Vec<LogLine>) -> StepReport {
    StepReport { name, outcome, text, seconds: took.as_secs_f64(), log }
}

/// Explains a process that ended too early, and what to do about it.
fn ended(status: ExitStatus, report: &Report) -> (String, String) {
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or_default();
        let how = format!("the process ended itself, with exit code {code}");
        return (how, "an engine must return an error if it cannot go on: exit() ends everyone's connection".into());
    };
    let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
    let how = format!("the process was killed by {name}");
    let panics_abort = report.manifest.as_ref().is_some_and(|manifest| !manifest.panic_unwinds);
    let advice = match name.as_str() {
        "SIGABRT" if panics_abort => "it is built with panic = \"abort\", so this may be a panic: build it with unwind",
        "SIGABRT" => "something called abort(): a panic in a drop during a panic, a stack overflow, or C code",
        "SIGKILL" => "somebody or the system killed it, perhaps for want of memory",
        _ => "look at its unsafe code and at the C libraries that it uses; a debugger shows the place",
    };
    (how, advice.to_owned())
}

/// What to do about a step that failed without ending the process, if nothing has said so yet.
fn mend(step: Step, log: &[LogLine]) -> Option<String> {
    if log.iter().any(|line| line.level == "ERROR") {
        return Some("fix the errors in the log".into());
    }
    let advice = match step {
        Step::New => "give it the configuration that it needs with --engine-config, or fix its new",
        Step::Handover => "fix its Handover: a reload would be refused, and the old version would stay",
        Step::Connect | Step::Text | Step::Binary | Step::Close => "fix the callback",
        Step::File | Step::Open | Step::Interfaces | Step::Shutdown | Step::Exit => return None,
    };
    Some(advice.to_owned())
}

fn print(report: &Report, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, report)?;
        writeln!(out)?;
        return out.flush();
    }
    write!(out, "{report}")?;
    if report.usable {
        let notes = report.steps.iter().filter(|step| step.outcome == StepOutcome::Note).count();
        let notes = match notes {
            0 => String::new(),
            1 => ", with a note above".to_owned(),
            notes => format!(", with {notes} notes above"),
        };
        let advice = report.advice.as_deref().unwrap_or_default();
        writeln!(out, "\n{} can be served{notes}; {advice}", report.engine())?;
    }
    out.flush()
}
