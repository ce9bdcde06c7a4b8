//! The child, as its parent sees it.

use super::findings::Finding;
use crate::lock::lock;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use wshost_core::plugin::scratch::Scratch;

/// How many of the last bytes of the child's output are kept.
const TAIL: usize = 8 * 1024;
/// How many lines of that are shown.
const LINES: usize = 12;
/// If another process holds the child's pipes, how long we wait for their end.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often to check whether a process that is about to end has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// The program of this process, even if its file has been replaced or removed since.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The task of a child.
#[derive(Debug)]
pub(crate) struct ChildTask<'a> {
    /// The library.
    pub file: &'a Path,
    /// The file of which `file` is a private copy that can be opened directly.
    pub copy_of: Option<&'a Path>,
    /// Whether to stop after opening it.
    pub only_open: bool,
    /// The configuration to make the engine with.
    pub config: Option<&'a Path>,
    /// How long each step may take.
    pub timeout: Duration,
}

/// A child that leads an engine through its life.
#[derive(Debug)]
pub(crate) struct Subject {
    process: Child,
    /// The child's status, once it has been reaped.
    ended: Option<ExitStatus>,
    findings: Receiver<Finding>,
    written: Arc<Mutex<VecDeque<u8>>>,
    all_written: Receiver<()>,
    /// The child's folder for temporary files, such as copies of the library. The child may not get to remove them.
    _temporary: Scratch,
}

/// The next message from the child.
#[derive(Debug)]
pub(crate) enum FromChild {
    Finding(Finding),
    /// The child has nothing more to say and is about to end.
    End,
    /// Nothing came in time.
    Late,
}

impl Subject {
    /// Starts a child that ends with the calling thread, which must wait for it.
    ///
    /// # Errors
    ///
    /// The system refuses a process, a pipe or a folder.
    pub(crate) fn start(order: &ChildTask<'_>) -> io::Result<Subject> {
        let (from_child, findings) = io::pipe()?;
        let (output, standard) = io::pipe()?;
        let temporary = Scratch::new()?;
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0("wshost");
        command.args(["check", "--in-child", "--timeout", &humantime::format_duration(order.timeout).to_string()]);
        if order.only_open {
            command.arg("--only-open");
        }
        if let Some(original) = order.copy_of {
            command.arg("--copy-of").arg(original);
        }
        if let Some(config) = order.config {
            command.arg("--engine-config").arg(config);
        }
        command.arg("--").arg(order.file);
        command.env("TMPDIR", temporary.path());
        // The child must not use the server's inherited sockets, nor report readiness in its place.
        for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        // A signal for the server's whole group, such as from a closed terminal, must not reach the child.
        command.process_group(0);
        // This is the only descriptor that a child inherits besides these two. An engine prints to stdout and stderr.
        command.stdin(findings).stdout(standard.try_clone()?).stderr(standard);
        let process = command.spawn()?;
        // This drops our copies of the child's ends of the pipes.
        drop(command);

        let (findings, written) = (listen(from_child)?, Arc::<Mutex<VecDeque<u8>>>::default());
        let all_written = keep(output, Arc::clone(&written))?;
        Ok(Subject { process, ended: None, findings, written, all_written, _temporary: temporary })
    }

    /// Waits for the next message, but not beyond `until`.
    pub(crate) fn next(&self, until: Instant) -> FromChild {
        match self.findings.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(finding) => FromChild::Finding(finding),
            Err(RecvTimeoutError::Timeout) => FromChild::Late,
            Err(RecvTimeoutError::Disconnected) => FromChild::End,
        }
    }

    /// Waits for the end of a child that has no more to say, and ends the processes that it has started. Returns `None`
    /// if it has not ended by `until`.
    ///
    /// # Errors
    ///
    /// The system cannot wait for the process.
    pub(crate) fn wait(&mut self, until: Instant) -> io::Result<Option<ExitStatus>> {
        while !self.has_ended()? {
            if Instant::now() >= until {
                return Ok(None);
            }
            thread::sleep(LOOK_EVERY);
        }
        self.reap().map(Some)
    }

    /// Whether the child has ended. It is not reaped by this.
    fn has_ended(&self) -> io::Result<bool> {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(self.ended.is_some() || waitid(WaitId::Pid(Pid::from_child(&self.process)), ended)?.is_some())
    }

    /// Ends the child and the processes that it has started, and reaps it. Nothing is signalled after that, since the
    /// system may give the pid, which is also the group's, to another process.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.kill();
        let status = self.process.wait()?;
        self.ended = Some(status);
        Ok(status)
    }

    /// Ends the child, and returns the last lines that it wrote to stdout and stderr.
    pub(crate) fn end(mut self) -> Vec<String> {
        let _ = self.reap();
        let _ = self.all_written.recv_timeout(PATIENCE);
        let mut written = lock(&self.written);
        let text = String::from_utf8_lossy(written.make_contiguous()).into_owned();
        let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

/// Reads findings on a thread of its own, since a read has no time limit.
fn listen(from_child: PipeReader) -> io::Result<Receiver<Finding>> {
    let (found, findings) = mpsc::channel();
    let body = move || {
        for line in BufReader::new(from_child).lines().map_while(Result::ok) {
            // Ignore anything else that a library writes there.
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

/// Reads the child's output and keeps the end of it. Hangs up when the output ends.
fn keep(mut output: PipeReader, written: Arc<Mutex<VecDeque<u8>>>) -> io::Result<Receiver<()>> {
    let (all, all_written) = mpsc::channel::<()>();
    let body = move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            let mut written = lock(&written);
            written.extend(&buffer[..count]);
            let too_many = written.len().saturating_sub(TAIL);
            written.drain(..too_many);
        }
        drop(all);
    };
    thread::Builder::new().name("wshost-output".into()).spawn(body)?;
    Ok(all_written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn shell(script: &str) -> Subject {
        let (output, standard) = io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0).stdin(Stdio::null()).stdout(standard);
        let process = command.spawn().unwrap();
        drop(command);
        let written = Arc::default();
        let all_written = keep(output, Arc::clone(&written)).unwrap();
        let findings = mpsc::channel().1;
        Subject { process, ended: None, findings, written, all_written, _temporary: Scratch::new().unwrap() }
    }

    #[test]
    fn what_a_child_leaves_behind_ends_before_its_pid_is_free() {
        let mut subject = shell("echo out; sleep 600 & exit 3");
        let until = Instant::now() + Duration::from_secs(60);
        assert_eq!(subject.wait(until).unwrap().and_then(|status| status.code()), Some(3));
        // The sleeping process holds the pipe.
        assert!(matches!(subject.all_written.recv_timeout(PATIENCE * 60), Err(RecvTimeoutError::Disconnected)));
        assert_eq!(subject.wait(until).unwrap().and_then(|status| status.code()), Some(3), "it is known from then on");
        assert_eq!(subject.end(), ["out"]);
    }

    #[test]
    fn a_child_that_has_not_ended_in_time_is_not_reaped() {
        let mut subject = shell("sleep 600");
        assert!(subject.wait(Instant::now()).unwrap().is_none());
        assert!(subject.ended.is_none());
        assert!(subject.end().is_empty());
    }
}
