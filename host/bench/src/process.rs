//! Processor time used by the generator and by the server, to tell which of the two was the limit; and its memory.

use crate::fault::Fault;
use serde::Serialize;
use std::time::{Duration, Instant};
use std::{fs, io};

/// Processor time that this process has used so far, in all threads.
pub(crate) fn own() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Processor time that process `pid` has used so far, in all threads, in the kernel's ticks of usually 10 ms.
pub(crate) fn of(pid: u32) -> Result<Duration, Fault> {
    let ticks = observe(pid, "stat", ticks)?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Resident memory of a process in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The most so far.
    pub peak: u64,
}

/// The memory of process `pid`.
pub(crate) fn memory(pid: u32) -> Result<Memory, Fault> {
    observe(pid, "status", |status| {
        Some(Memory { resident: kibibytes(status, "VmRSS:")?, peak: kibibytes(status, "VmHWM:")? })
    })
}

/// Time that passed, and processor time that was used in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed {
    /// Time that passed.
    pub(crate) time: Duration,
    /// Processor time of this process.
    pub(crate) generator: Duration,
    /// Processor time of the server, if its process is known.
    pub(crate) server: Option<Duration>,
}

/// A reading of all clocks at one moment.
#[derive(Debug)]
pub(crate) struct Clocks {
    at: Instant,
    generator: Duration,
    server: Option<Duration>,
}

impl Clocks {
    /// With the server's, if its process is known.
    pub(crate) fn now(server: Option<u32>) -> Result<Clocks, Fault> {
        let server = server.map(of).transpose()?;
        Ok(Clocks { at: Instant::now(), generator: own(), server })
    }

    /// What has passed since an earlier reading.
    pub(crate) fn since(&self, begin: &Clocks) -> Elapsed {
        Elapsed {
            time: self.at - begin.at,
            generator: self.generator.saturating_sub(begin.generator),
            server: self.server.zip(begin.server).map(|(end, begin)| end.saturating_sub(begin)),
        }
    }
}

/// Reads one of the process's files under `/proc`.
fn observe<T>(pid: u32, file: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Fault> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|error| Fault::Process { pid, error })?;
    let strange = || io::Error::new(io::ErrorKind::InvalidData, format!("its {file} is not as proc(5) describes it"));
    parse(&text).ok_or_else(|| Fault::Process { pid, error: strange() })
}

/// The value in bytes of a line such as `VmRSS:   1234 kB`.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
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
    fn memory_is_in_kibibytes() {
        assert_eq!(kibibytes("VmHWM:\t  12 kB\nVmRSS:\t   3 kB\n", "VmRSS:"), Some(3072));
        assert_eq!(kibibytes("VmHWM:\t  12 kB\n", "VmRSS:"), None);
        let own = memory(std::process::id()).unwrap();
        assert!(own.resident > 0 && own.peak >= own.resident / 2, "{own:?}");
    }

    #[test]
    fn time_passes_for_oneself_and_as_seen_from_outside() {
        let start = own();
        while own() < start + Duration::from_millis(30) {}
        assert!(of(std::process::id()).unwrap() >= Duration::from_millis(20));
    }
}
