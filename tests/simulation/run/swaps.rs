//! Swaps of the engine, and what each has come to.

use super::Run;
use crate::account::generation::{Call, Failing, Fault, Stage};
use crate::account::{note, with};
use crate::trace::without_numbers;
use plugin_testing::rig::Swapping;
use std::sync::Arc;
use wshost_core::engine::Config;
use wshost_core::serving::swap::{Refused, Reloaded, Successor, Way};

/// Those that there were.
#[derive(Default)]
pub struct Swaps {
    count: u64,
    under_way: Option<(Swapping, usize)>,
    just_ended: bool,
    /// The present generation has no handover.
    serves_without: bool,
    /// The one that is to follow has none.
    comes_without: bool,
}

impl Run {
    /// Begins one, unless one is under way.
    pub(super) fn begin_swap(&mut self) {
        if self.swaps.under_way.is_some() {
            return;
        }
        self.swaps.count += 1;
        let number = self.swaps.count;
        let had_handover = !self.swaps.serves_without;
        let (gently, has_handover, old) = with(|account| {
            let gently = account.random.in_thousand(100);
            let has_handover = account.random.in_thousand(900);
            let gentle = gently || !has_handover || !had_handover;
            let fault = account.random.in_thousand(400).then(|| draw_fault(&mut account.random));
            note!(account, "swap {number} begins, gentle: {gentle}, {fault:?}");
            account.fault = fault;
            account.swap = Some(number);
            account.gentle = gentle;
            account.candidate = None;
            (gently, has_handover, account.serving)
        });
        self.swaps.comes_without = !has_handover;
        let plugin = Arc::clone(if has_handover { &self.plugins.with_handover } else { &self.plugins.without });
        let config = Config { text: number.to_string(), ..Config::default() };
        let successor = Successor { plugin, config, always_gently: gently };
        let limits = with(|account| account.plan.swap);
        self.swaps.under_way = Some((self.rig.swap(&self.mount, successor, limits), old));
    }

    /// Sees whether the swap is over.
    pub(super) fn look_at_swap(&mut self) {
        let Some((swapping, old)) = &self.swaps.under_way else { return };
        let Some(outcome) = swapping.take() else { return };
        let old = *old;
        self.swaps.under_way = None;
        self.swaps.just_ended = true;
        if outcome.is_ok() {
            self.swaps.serves_without = self.swaps.comes_without;
        }
        with(|account| {
            let made = account.candidate;
            account.swap = None;
            account.candidate = None;
            account.fault = None;
            match (outcome, made) {
                (Ok(reloaded), Some(new)) => succeeded(account, &reloaded, old, new),
                (Ok(_), None) => account.violated("a generation took over that was not made".to_owned()),
                (Err(refused), candidate) => {
                    // The core's numbers of clients count over all runs.
                    let why = without_numbers(&refused.to_string());
                    note!(account, "the swap is refused: {why}");
                    let busy = matches!(refused, Refused::Busy);
                    account.must(!busy, || "a swap is said to be under way".to_owned());
                    if let Some(new) = candidate {
                        let took_over = account.generations[new].took_over;
                        account.must(!took_over, || format!("generation {new} was refused when it had taken over"));
                        account.retire(new);
                    }
                }
            }
            account.gentle = false;
        });
    }

    /// Begins another at once behind one that is over, if the run is restless.
    pub(super) fn swap_again(&mut self) {
        let again = std::mem::take(&mut self.swaps.just_ended);
        if again && with(|account| !account.calm && account.random.in_thousand(account.plan.restless)) {
            self.begin_swap();
        }
    }

    /// Whether one is under way.
    pub(super) fn is_swapping(&self) -> bool {
        self.swaps.under_way.is_some()
    }
}

fn succeeded(account: &mut crate::account::Account, reloaded: &Reloaded, old: usize, new: usize) {
    note!(account, "generation {new} follows on {old}: {}", reloaded.way);
    match reloaded.way {
        Way::Handover { sessions, .. } => {
            let imported = account.generations[new].imported.len();
            account.must(!account.gentle, || "a swap handed over what it was to leave alone".to_owned());
            account.must(sessions == imported, || format!("{sessions} passed over, and {imported} were imported"));
            let from = account.generations[new].imported_from;
            account.must(from == Some(old), || format!("generation {new} has the state of {from:?}, and not of {old}"));
            account.take_over(new);
            let left: Vec<usize> = account.present();
            let left = left.into_iter().find(|index| account.clients[*index].is_served_by(old));
            account.must(left.is_none(), || format!("client {left:?} was left with generation {old}"));
        }
        Way::Gentle { .. } => {
            account.must(account.gentle, || "a swap left its clients alone without being told to".to_owned());
            account.generations[new].stage = Stage::Present;
            account.generations[old].fading = true;
            if let Some(drain) = account.plan.swap.drain {
                // It may have taken over before something in the loops' turn took time.
                let at = account.settled_at + u64::try_from(drain.as_millis()).unwrap_or(u64::MAX);
                account.restarts.push((at, new));
            }
        }
    }
    account.serving = new;
}

fn draw_fault(random: &mut crate::random::Random) -> Fault {
    let call = random.one_of(&[
        Call::New,
        Call::Accepts,
        Call::ExportState,
        Call::ExportSession,
        Call::ExportSession,
        Call::ImportState,
        Call::ImportSession,
    ]);
    let takes = random.millis(10..=15_000);
    let failing = random.one_of(&[Failing::Refuses, Failing::Panics, Failing::Takes(takes)]);
    Fault { call, after: random.among(0..=4), failing }
}
