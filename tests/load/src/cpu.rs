//! Processor time used by the generator and by the server, to tell which of the two was the limit.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// Processor time that this process has used so far, in all threads.
pub fn own() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Processor time that process `pid` has used so far, in all threads, in the kernel's ticks of usually 10 ms.
pub fn of(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("{path} is not as proc(5) describes it"))?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Sums fields 14 (user) and 15 (system) of proc(5) stat. The second, the name, may itself hold blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 700 33 5 6 20 0 1 0";
        assert_eq!(ticks(stat), Some(733));
        assert_eq!(ticks("42 (a) S 1"), None);
    }

    #[test]
    fn time_passes_for_oneself_and_as_seen_from_outside() {
        let start = own();
        while own() < start + Duration::from_millis(30) {}
        assert!(of(std::process::id()).unwrap() >= Duration::from_millis(20));
    }
}
