//! Rehearses a plugin before the server opens it: opens it in a process of its own, and leads it through its life if
//! that is asked for. A fault that would have ended the server ends that process instead, and is a refusal with a
//! step's name.
//!
//! The private copy is rehearsed, and then opened. The process runs this same program: it shares no memory, no
//! descriptors and no threads with the server, and ends with it.

use super::findings::{Finding, Step, StepOutcome};
use super::subject::{ChildTask, FromChild, Subject};
use signal_hook::low_level::signal_name;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use wshost_core::plugin::Staged;

/// The longest time for a step.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a rehearsal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It is opened, and its tables are checked. None of its callbacks is called.
    Open,
    /// Its engine is made as well, visited by a client, handed its own export, and dropped.
    Life,
}

/// Why a plugin is not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// No process can be started for it.
    #[error("it cannot be rehearsed, since no process can be started for that: {0}; --rehearse no does without")]
    NotStarted(io::Error),
    /// It did something that would have ended the server.
    #[error(
        "its rehearsal {how} while {doing}{last_words}: the file is damaged, or this is a fault of the engine; try wshost check",
        doing = doing(*step)
    )]
    Ended {
        /// The step.
        step: Step,
        /// Such as `crashed with SIGSEGV`.
        how: String,
        /// The last lines that it wrote.
        last_words: String,
    },
    /// It was not done in time.
    #[error("its rehearsal was still {} after {patience:?}: it hangs there, or needs a longer --reload-timeout", doing(*step))]
    Late {
        /// The step.
        step: Step,
        /// How long each step may take.
        patience: Duration,
    },
    /// A step failed.
    #[error("its rehearsal failed in {}: {why}", doing(*step))]
    Failed {
        /// The step.
        step: Step,
        /// Why.
        why: String,
    },
}

/// Rehearses a plugin. `config` is its engine's, and each step may take `patience`.
///
/// # Errors
///
/// The plugin should not be opened.
pub(crate) fn rehearse(
    staged: &Staged,
    extent: Extent,
    config: Option<&Path>,
    patience: Duration,
) -> Result<(), Unfit> {
    let patience = patience.min(LONGEST);
    let order = ChildTask {
        file: staged.copy(),
        copy_of: Some(staged.path()),
        only_open: extent == Extent::Open,
        config,
        timeout: patience,
    };
    let mut subject = Subject::start(&order).map_err(Unfit::NotStarted)?;
    let seen = follow(&mut subject, patience);
    let written = subject.end();
    seen.map_err(|unfit| match unfit {
        Unfit::Ended { step, how, .. } => {
            let last_words = written
                .iter()
                .rfind(|line| !is_our_own(line))
                .map(|line| format!(" ({:?})", shortened(line)))
                .unwrap_or_default();
            Unfit::Ended { step, how, last_words }
        }
        other => other,
    })
}

fn follow(subject: &mut Subject, patience: Duration) -> Result<(), Unfit> {
    let (mut step, mut began, mut error) = (Step::Open, Instant::now(), None);
    loop {
        match subject.next(began + patience) {
            FromChild::Finding(Finding::Began(next)) => (step, began, error) = (next, Instant::now(), None),
            FromChild::Finding(Finding::Logged(line)) if line.level == "ERROR" => {
                error.get_or_insert(line.text);
            }
            FromChild::Finding(Finding::Logged(_) | Finding::Manifest(_)) => {}
            FromChild::Finding(Finding::Ended { outcome: StepOutcome::Failed, text, .. }) => {
                let why = error.map_or_else(|| text.clone(), |error| format!("{text}: {error}"));
                return Err(Unfit::Failed { step, why: shortened(&why) });
            }
            FromChild::Finding(Finding::Ended { .. }) => (step, began) = (step.next(), Instant::now()),
            FromChild::End => {
                return match subject.wait(began + patience).map_err(Unfit::NotStarted)? {
                    None => Err(Unfit::Late { step, patience }),
                    Some(status) if step == Step::Exit && status.success() => Ok(()),
                    Some(status) => Err(Unfit::Ended { step, how: ended(status), last_words: String::new() }),
                };
            }
            FromChild::Late => return Err(Unfit::Late { step, patience }),
        }
    }
}

/// Whether it is the last line of a wshost that crashes. The crash is already reported in other words.
fn is_our_own(line: &str) -> bool {
    line.contains(" crashed by SIG")
}

/// How the process ended.
fn ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => {
            let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
            format!("crashed with {name}")
        }
        None => format!("ended itself with exit code {}", status.code().unwrap_or_default()),
    }
}

/// The activity of a step, in words that continue "while".
fn doing(step: Step) -> &'static str {
    match step {
        Step::File | Step::Open => "opening it",
        Step::Interfaces => "asking for its tables",
        Step::New => "making the engine",
        Step::Connect => "letting a client in",
        Step::Text => "taking a text",
        Step::Binary => "taking binary data",
        Step::Close => "letting a client go",
        Step::Handover => "taking over from itself",
        Step::Shutdown => "dropping the engine",
        Step::Exit => "ending its process",
    }
}

/// Text of the engine, in one line of limited length, with control characters escaped.
fn shortened(text: &str) -> String {
    const MOST: usize = 500;
    let escaped = |character: char| {
        if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
    };
    let mut line: String = text.chars().take(MOST).map(escaped).collect();
    if text.chars().nth(MOST).is_some() {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_writes_stays_one_line_of_bounded_length() {
        assert_eq!(shortened("a\nb\u{1b}[31m café"), "a\\nb\\u{1b}[31m café");
        let long = shortened(&"x".repeat(100_000));
        assert!(long.len() < 600 && long.ends_with("..."), "{}", long.len());
    }

    #[test]
    fn a_refusal_says_how_it_ended_and_with_what() {
        let ended = Unfit::Ended { step: Step::Open, how: ended(ExitStatus::from_raw(11)), last_words: String::new() };
        assert!(ended.to_string().contains("crashed with SIGSEGV while opening it"), "{ended}");
        let late = Unfit::Late { step: Step::New, patience: Duration::from_secs(5) };
        assert!(late.to_string().contains("still making the engine after 5s"), "{late}");
    }
}
