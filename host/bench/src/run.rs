//! The phases of a run and its event loop, whatever the load.
//!
//! There are three phases. A run warms up, so that buffers, caches and the server's allocations are as they will stay;
//! it measures; and it rests: nothing more is sent, but the replies still owed must arrive and be right. Only replies
//! that arrive while it measures are counted.

use crate::accept::Accept;
use crate::connection::AfterReply;
use crate::echo::Echo;
use crate::fanout::Fanout;
use crate::fault::{Fault, OnConnection};
use crate::idle::Idle;
use crate::load::Load;
use crate::measured::Measured;
use crate::opening::raise_file_limit;
use crate::process::{self, Clocks};
use crate::progress::Progress;
use crate::report::Report;
use crate::{Mode, Workload, jobs};
use mio::{Events, Poll};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// How long the last replies may take.
const REST_DEADLINE: Duration = Duration::from_secs(5);
/// How often the progress is shown, and Ctrl-C looked for.
const TICK: Duration = Duration::from_millis(100);

/// Opens the connections, keeps the work's messages in flight, first unmeasured and then measured, and closes them.
///
/// The first wrong reply ends a run. Ctrl-C does, too, as far as `progress` was told to look for it; the report is then
/// about the time until then. Blocks; one thread does it all.
///
/// # Errors
///
/// What kept it from measuring anything. What ended the measuring is in the report, as its `fault`.
pub fn run(work: &Workload, progress: &Progress) -> Result<Report, Fault> {
    raise_file_limit()?;
    let poll = Poll::new().map_err(Fault::system("wait for events"))?;
    let before = work.server.map(process::memory).transpose()?;
    progress.phase("connecting", work.connections as u64);
    let run =
        Run { work, progress, poll, measured: Measured::new(), memory_before: before.map(|memory| memory.resident) };
    match work.mode {
        Mode::Echo => Echo::open(work, b"", &run.poll, progress).and_then(|load| run.with(load)),
        Mode::Jobs => {
            let tail = jobs::learn_tail(work)?;
            Echo::open(work, &tail, &run.poll, progress).and_then(|load| run.with(load))
        }
        Mode::Fanout { stalled } => Fanout::open(work, stalled, &run.poll, progress).and_then(|load| run.with(load)),
        Mode::Idle { until_full } => Idle::open(work, until_full, &run.poll, progress).and_then(|load| run.with(load)),
        Mode::Accept { messages } => Accept::open(work, messages, &run.poll).and_then(|load| run.with(load)),
    }
}

struct Run<'a> {
    work: &'a Workload,
    progress: &'a Progress,
    poll: Poll,
    measured: Measured,
    /// The server's memory before the first connection.
    memory_before: Option<u64>,
}

impl Run<'_> {
    fn with(mut self, mut load: impl Load) -> Result<Report, Fault> {
        let &Workload { warmup, duration, server, .. } = self.work;
        self.progress.phase("warming up", milliseconds(warmup));
        load.start()?;
        self.keep_up(&mut load, warmup, AfterReply::Send)?;
        if self.progress.is_stopped() {
            return Err(Fault::Interrupted);
        }

        self.progress.phase("measuring", milliseconds(duration));
        self.measured.forget();
        let begin = Clocks::now(server)?;
        let mut ended = self.keep_up(&mut load, duration, AfterReply::Send);
        // A server that has gone is no longer to be observed, but that it has gone is what the report is to say.
        let server = server.filter(|pid| ended.is_ok() || process::of(*pid).is_ok());
        let elapsed = Clocks::now(server)?.since(&begin);
        let memory = server.map(process::memory).transpose()?;
        let mut report = Report::new(self.work, load.connections(), &self.measured, &elapsed);
        report.note_memory(memory, self.memory_before);
        report.interrupted = self.progress.is_stopped();

        if ended.is_ok() {
            self.progress.phase("finishing", milliseconds(REST_DEADLINE));
            ended = self.keep_up(&mut load, REST_DEADLINE, AfterReply::Rest);
        }
        match ended {
            Ok(()) => load.close(&mut report),
            Err(fault) => report.fail(fault.failed(), fault),
        }
        self.progress.end();
        Ok(report)
    }

    /// Serves the connections for some time; resting ones until all replies are there.
    fn keep_up(&mut self, load: &mut impl Load, time: Duration, then: AfterReply) -> Result<(), Fault> {
        let mut events = Events::with_capacity(1024);
        let begin = Instant::now();
        let mut ticked = begin;
        loop {
            let now = Instant::now();
            let left = (begin + time).saturating_duration_since(now);
            match then {
                AfterReply::Rest if load.is_idle() => return Ok(()),
                AfterReply::Rest if left.is_zero() => return Err(Fault::Missing(REST_DEADLINE)),
                AfterReply::Send if left.is_zero() || self.progress.is_stopped() => return Ok(()),
                _ => {}
            }
            if now - ticked >= TICK {
                ticked = now;
                self.progress.reach(milliseconds(now - begin));
            }
            match self.poll.poll(&mut events, Some(left.min(TICK))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.map_err(Fault::system("wait for events"))?,
            }
            for event in &events {
                load.serve(event, then, &mut self.measured).on(event.token().0)?;
            }
            load.settle(then)?;
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
