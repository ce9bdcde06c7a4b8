//! What the simulation is asked for.

use std::time::Duration;

pub const HELP: &str = "\
The simulation of wshost: cargo test -p simulation -- [SEED] [OPTIONS]

  SEED            run this seed alone, and print all that happens in it

  --seeds N       run so many seeds; 10,000 unless said otherwise
  --from N        begin with this seed; 0 unless said otherwise
  --minutes N     run for so long, whatever the number of seeds
  --threads N     run so many at a time; as many as there are cores unless said otherwise
  --all           go on after a seed that fails

Exit code: 0 if no seed fails, 1 if one does, 64 for wrong usage.";

/// Seeds that are run if nothing is said.
const SEEDS: u64 = 10_000;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Help,
    /// The names of other tests were asked for.
    Nothing,
    Replay(u64),
    Seeds(u64),
    For(Duration),
}

/// All that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments {
    pub task: Task,
    pub from: u64,
    pub threads: usize,
    pub all: bool,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// What of them means nothing.
    pub fn read(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut arguments = Arguments { task: Task::Seeds(SEEDS), from: 0, threads, all: false };
        while let Some(argument) = given.next() {
            let mut number = || {
                let value = given.next().unwrap_or_default().replace(['_', ','], "");
                value.parse::<u64>().map_err(|_| format!("{argument} needs a number"))
            };
            match argument.as_str() {
                "--help" | "-h" => arguments.task = Task::Help,
                "--seeds" => arguments.task = Task::Seeds(number()?),
                "--minutes" => arguments.task = Task::For(Duration::from_secs(60 * number()?)),
                "--from" => arguments.from = number()?,
                "--threads" => arguments.threads = number()?.max(1) as usize,
                "--all" => arguments.all = true,
                // Options of Rust's own test runner, which are given to all tests of a workspace alike.
                "--list" => arguments.task = Task::Nothing,
                "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--include-ignored" => {}
                "--test-threads" => drop(number()?),
                option if option.starts_with('-') => return Err(format!("{option} is no option")),
                name => {
                    let seed = name.replace(['_', ','], "").parse();
                    arguments.task = seed.map_or(Task::Nothing, Task::Replay);
                }
            }
        }
        Ok(arguments)
    }
}
