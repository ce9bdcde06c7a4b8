//! The simulation: the real core in one thread and in virtual time, from a seed, with an engine that keeps account of every
//! message. See `--help`.
//!
//! [`plan`] draws what a run is about. [`run`] has [`guest`]s connect, send and go, and the [`ledger`], which is the engine,
//! act in its callbacks, jobs and timers. The [`account`] knows of everything what ought to come of it.

#![forbid(unsafe_code)]

mod account;
mod arguments;
mod fleet;
mod guest;
mod ledger;
mod plan;
mod random;
mod run;
mod trace;
mod watch;
mod wire;

use arguments::{Arguments, Task};
use std::process::ExitCode;

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)) {
        Ok(Arguments { task: Task::Replay(seed), .. }) => fleet::replay(seed),
        Ok(Arguments { task: Task::Nothing, .. }) => ExitCode::SUCCESS,
        Ok(Arguments { task: Task::Help, .. }) => {
            println!("{}", arguments::HELP);
            ExitCode::SUCCESS
        }
        Ok(arguments) => fleet::sail(&arguments),
        Err(why) => {
            eprintln!("{why}\n\n{}", arguments::HELP);
            ExitCode::from(64)
        }
    }
}
