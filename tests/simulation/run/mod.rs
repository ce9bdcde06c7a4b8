//! One run: the core, its engine and its clients, from a seed to the end of everything.

mod checks;
mod ending;
mod moves;
mod swaps;

use crate::account::{self, Account, note, with};
use crate::guest::Guest;
use crate::ledger::{Ledger, WithoutHandover};
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;
use metrics::NoopRecorder;
use plugin_api::export::engine_module;
use plugin_testing::rig::Rig;
use std::rc::Rc;
use std::sync::Arc;
use swaps::Swaps;
use wshost_core::engine::metrics::Metrics;
use wshost_core::engine::{Config, Unborn};
use wshost_core::plugin::Plugin;
use wshost_core::serving::mount::Mount;

/// A run on its way.
pub struct Run {
    rig: Rig,
    mount: Rc<Mount>,
    plugins: Plugins,
    guests: Vec<Guest>,
    swaps: Swaps,
    /// When the deadlines were last looked at.
    looked_at: u64,
}

/// The engine in two guises.
struct Plugins {
    with_handover: Arc<Plugin>,
    without: Arc<Plugin>,
}

impl Plugins {
    /// And one to begin with.
    fn linked() -> Result<(Plugin, Plugins), String> {
        let linked = |module| Plugin::linked(module).map_err(|error| error.to_string());
        let (with_handover, without) = (engine_module::<Ledger>, engine_module::<WithoutHandover>);
        let plugins =
            Plugins { with_handover: Arc::new(linked(with_handover())?), without: Arc::new(linked(without())?) };
        Ok((linked(with_handover())?, plugins))
    }
}

/// What came of a run.
pub struct Outcome {
    pub violation: Option<String>,
    pub lines: Vec<String>,
    pub facts: Facts,
}

/// What a run was about, for the count of all runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    pub clients: u64,
    pub generations: u64,
    pub handed_over: u64,
    pub panics: u64,
    pub acts: u64,
    pub millis: u64,
}

/// Runs this seed.
pub fn run(seed: u64, trace: Trace) -> Outcome {
    account::live::forget();
    let mut random = Random::new(seed);
    let plan = Plan::draw(&mut random);
    let metrics = Metrics::new(NoopRecorder);
    let rig =
        if plan.timers_apart { Rig::with_timers_apart(plan.setup, metrics) } else { Rig::new(plan.setup, metrics) };
    let steps = plan.steps;
    rig.enter(|| account::open(plan, random, trace));
    with(|account| note!(account, "seed {seed}: {:?}", account.plan));
    let made = Plugins::linked().and_then(|(plugin, plugins)| {
        let unborn = Unborn::first(plugin, Config::default(), rig.facilities());
        let file = unborn.plugin().path().to_owned();
        let instance = rig.enter(|| unborn.make()).map_err(|not_made| not_made.failure.to_string())?;
        Ok((Rc::new(Mount::new(None, instance, file, None)), plugins))
    });
    match made {
        Err(why) => with(|account| {
            // It may have been told to panic.
            let told = account.panics > 0;
            account.must(told, || format!("there is no engine: {why}"));
        }),
        Ok((mount, plugins)) => {
            let mut run = Run { rig, mount, plugins, guests: Vec::new(), swaps: Swaps::default(), looked_at: 0 };
            for _ in 0..steps {
                if is_violated() {
                    break;
                }
                run.step();
            }
            run.end();
        }
    }
    let Some(account) = account::close() else { unreachable!("it was opened above") };
    outcome(account)
}

fn outcome(account: Account) -> Outcome {
    let facts = Facts {
        clients: account.clients.len() as u64,
        generations: account.generations.len() as u64,
        handed_over: account.generations.iter().filter(|generation| generation.took_over).count() as u64,
        panics: u64::from(account.panics),
        acts: account.acts,
        millis: account.ended_at,
    };
    Outcome { violation: account.violation, lines: account.trace.into_lines(), facts }
}

fn is_violated() -> bool {
    with(|account| account.violation.is_some())
}
