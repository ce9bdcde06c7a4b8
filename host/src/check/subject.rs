//! The child, as its parent sees it.

use super::args::CheckArgs;
use super::findings::Finding;
use crate::scratch::Scratch;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of what the child writes that are kept, of its end.
const TAIL: usize = 8 * 1024;
/// Lines of that which are shown.
const LINES: usize = 12;
/// How long a process that somebody else holds the pipes of may keep us from seeing their end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A child that leads an engine through its life.
#[derive(Debug)]
pub(super) struct Subject {
    process: Child,
    findings: Receiver<Finding>,
    written: Arc<Mutex<VecDeque<u8>>>,
    all_written: Receiver<()>,
    /// Its folder for temporary files, such as its copies of the library: it may not come to removing them.
    _temporary: Scratch,
}

/// What comes next from the child.
#[derive(Debug)]
pub(super) enum Next {
    Finding(Finding),
    /// Nothing more: it is about to end.
    End,
    /// Nothing until then.
    Late,
}

impl Subject {
    /// Starts a child for this file.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(super) fn start(args: &CheckArgs, file: &Path) -> io::Result<Subject> {
        let (from_child, findings) = io::pipe()?;
        let (output, standard) = io::pipe()?;
        let temporary = Scratch::new()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["check", "--in-child", "--timeout", &humantime::format_duration(args.timeout).to_string()]);
        if let Some(config) = &args.engine_config {
            command.arg("--engine-config").arg(config);
        }
        command.arg("--").arg(file);
        command.env("TMPDIR", temporary.path());
        // The one descriptor beside these two that a child inherits: an engine prints to stdout and stderr.
        command.stdin(findings).stdout(standard.try_clone()?).stderr(standard);
        let process = command.spawn()?;
        // Its ends of the pipes, which are to be open nowhere else.
        drop(command);

        let (findings, written) = (listen(from_child)?, Arc::<Mutex<VecDeque<u8>>>::default());
        let all_written = keep(output, Arc::clone(&written))?;
        Ok(Subject { process, findings, written, all_written, _temporary: temporary })
    }

    /// Waits for what comes next, until then.
    pub(super) fn next(&self, until: Instant) -> Next {
        match self.findings.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(finding) => Next::Finding(finding),
            Err(RecvTimeoutError::Timeout) => Next::Late,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// Waits for the end of one that has no more to say.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait()
    }

    /// Ends it, and returns the last lines that it wrote to stdout and stderr.
    pub(super) fn end(mut self) -> Vec<String> {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = self.all_written.recv_timeout(PATIENCE);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(written.make_contiguous()).into_owned();
        let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

/// Reads findings on a thread of its own, since reading cannot be given a time.
fn listen(from_child: PipeReader) -> io::Result<Receiver<Finding>> {
    let (found, findings) = mpsc::channel();
    let body = move || {
        for line in BufReader::new(from_child).lines().map_while(Result::ok) {
            // Whatever else a library has written there is none.
            if let Ok(finding) = serde_json::from_str(&line)
                && found.send(finding).is_err()
            {
                break;
            }
        }
    };
    thread::Builder::new().name("wshost-findings".into()).spawn(body)?;
    Ok(findings)
}

/// Reads what the child writes, and keeps the end of it. Hangs up when that was all.
fn keep(mut output: PipeReader, written: Arc<Mutex<VecDeque<u8>>>) -> io::Result<Receiver<()>> {
    let (all, all_written) = mpsc::channel::<()>();
    let body = move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend(&buffer[..count]);
            let too_many = written.len().saturating_sub(TAIL);
            written.drain(..too_many);
        }
        drop(all);
    };
    thread::Builder::new().name("wshost-output".into()).spawn(body)?;
    Ok(all_written)
}
