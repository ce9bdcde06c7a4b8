//! What a run found, line by line and at the end.

use crate::event::{Seen, Totals};
use std::fmt;
use std::fs;
use std::time::Duration;

/// One swap, or a refusal.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    /// As the host measured it; `None` where nothing was handed over.
    pub(crate) pause: Option<Duration>,
    pub(crate) seen: Seen,
    /// The host's memory afterwards, in bytes.
    pub(crate) resident: u64,
    /// The host's descriptors afterwards.
    pub(crate) descriptors: usize,
}

/// What stands above the lines.
pub(crate) const HEAD: &str =
    "                            pause  longest gap  worst round trip   resident  descriptors   load";

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pause = self.pause.map_or_else(|| "-".to_owned(), millis);
        let Seen { longest_gap, worst_round_trip } = self.seen;
        write!(
            f,
            "{:<22}{pause:>11}  {:>11}  {:>16}  {:>9}  {:>11}  {:>5}",
            self.what,
            millis(longest_gap),
            millis(worst_round_trip),
            mebibytes(self.resident),
            self.descriptors,
            load_average()
        )
    }
}

/// The load average of the last minute: others may use the machine.
fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Median and maximum.
fn spread(mut of: Vec<Duration>) -> Option<(Duration, Duration)> {
    of.sort_unstable();
    Some((*of.get(of.len() / 2)?, *of.last()?))
}

/// Prints what the swaps come to. Returns whether the goals are reached.
pub(crate) fn summarize(swaps: &[Line], totals: Totals, quiet: Seen, goal: Duration) -> bool {
    let rate = totals.sent as f64 / totals.took.as_secs_f64();
    println!("\nsent and answered  {} messages, {rate:.0} per second; heard {} chats", totals.sent, totals.heard);
    println!("dropped 0, lost 0, repeated 0, reordered 0: every number was checked, by clients and by the engine");
    let rows = [
        ("pause", swaps.iter().filter_map(|line| line.pause).collect::<Vec<_>>()),
        ("longest gap", swaps.iter().map(|line| line.seen.longest_gap).collect()),
        ("worst round trip", swaps.iter().map(|line| line.seen.worst_round_trip).collect()),
    ];
    let mut reached = true;
    for (name, of) in rows {
        let Some((median, maximum)) = spread(of) else { continue };
        println!("{name:<17}  median {:>10}   maximum {:>10}", millis(median), millis(maximum));
        reached &= name != "pause" || median < goal;
    }
    println!("between two swaps  the worst round trip was {} at least", millis(quiet.worst_round_trip));
    println!("pause below {}  {}", millis(goal), if reached { "yes, as a median" } else { "NO" });
    if let (Some(first), Some(last)) = (swaps.first(), swaps.last()) {
        let generations = (swaps.len() - 1).max(1) as f64;
        let growth = (last.resident as f64 - first.resident as f64) / generations / 1024.0;
        println!("memory             {growth:.0} KiB per generation, from the first swap to the last");
        let flat = swaps.iter().all(|line| line.descriptors == first.descriptors);
        println!("descriptors        {}", if flat { "flat" } else { "NOT FLAT" });
        reached &= flat;
    }
    reached
}
