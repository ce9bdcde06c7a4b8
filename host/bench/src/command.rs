//! The subcommand: runs, prints what was found, and says how it ended.

use crate::args::BenchArgs;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::report::Report;
use crate::run::run;
use std::io::{self, Write};

/// Does what the command line says, and writes the report to `out`, also if a fault ended the run.
///
/// # Errors
///
/// Whatever kept the server from answering every message rightly.
pub fn bench(args: &BenchArgs, out: &mut impl Write) -> Result<(), Fault> {
    let work = args.workload()?;
    let progress = Progress::new(args.json)?;
    let report = run(&work, &progress)?;
    drop(progress);
    print(&report, args.json, out).map_err(Fault::system("write the report"))?;
    report.fault.map_or(Ok(()), Err)
}

fn print(report: &Report, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, report)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{report}")?;
    }
    out.flush()
}
