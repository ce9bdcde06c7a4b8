//! A wshost process of the test's own. Ended when it is dropped.

use super::{DEADLINE, artefacts};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const RUNTIME_FOLDER: &str = "XDG_RUNTIME_DIR";
const TEMPORARY_FOLDER: &str = "TMPDIR";

/// A running wshost.
pub(crate) struct Host {
    child: Child,
    /// Its XDG_RUNTIME_DIR, so that its control socket is the only one there, and its TMPDIR, so that nothing stays of what
    /// it leaves there when it is killed.
    runtime: TempDir,
    address: String,
    ready_line: String,
    log: Arc<(Mutex<String>, Condvar)>,
}

impl Host {
    /// Starts wshost with an engine of this workspace, on a free port.
    pub(crate) fn with(package: &str, arguments: &[&str]) -> Host {
        Host::with_plugin(artefacts().of(package), arguments)
    }

    /// Starts wshost with this plugin, on a free port.
    pub(crate) fn with_plugin(plugin: &Path, arguments: &[&str]) -> Host {
        Host::with_environment(plugin, arguments, &[])
    }

    /// Starts wshost with this plugin and environment, on a free port.
    pub(crate) fn with_environment(plugin: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Host {
        let plugin = plugin.to_str().expect("a path in UTF-8");
        Host::launch(artefacts().wshost(), &[&["--plugin", plugin], arguments].concat(), environment)
    }

    /// Starts this wshost with these arguments, on a free port.
    pub(crate) fn start(wshost: &Path, arguments: &[&str]) -> Host {
        Host::launch(wshost, arguments, &[])
    }

    /// Starts a process and waits until it is ready.
    fn launch(wshost: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Host {
        let mut command = Command::new(wshost);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments).envs(environment.iter().copied());
        Host::run(command)
    }

    /// Starts a command that becomes a wshost, and waits until it is ready.
    pub(crate) fn run(mut command: Command) -> Host {
        let runtime = tempfile::tempdir().expect("a folder");
        for folder in [RUNTIME_FOLDER, TEMPORARY_FOLDER] {
            if !command.get_envs().any(|(name, _)| name == folder) {
                command.env(folder, runtime.path());
            }
        }
        command.env("WSHOST_LOG", "debug");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wshost starts");
        let log = collect(child.stderr.take().expect("stderr is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut ready_line = String::new();
        stdout.read_line(&mut ready_line).expect("stdout is readable");
        let address = ready_line
            .split_once("ws://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(address, _)| address.to_owned())
            .unwrap_or_else(|| panic!("not ready: {ready_line:?}\n{}", log.0.lock().expect("not poisoned")));
        Host { child, runtime, address, ready_line: ready_line.trim().to_owned(), log }
    }

    /// Runs wshost, expecting that it refuses to start. Returns exit code, stdout and stderr.
    pub(crate) fn refuses(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(artefacts().wshost());
        command.args(["--listen", "127.0.0.1:0"]).args(arguments).envs(environment.iter().copied());
        outcome(command)
    }

    /// Runs a subcommand such as `reload` beside it, for this server and no other: one that looks for a server could find
    /// somebody else's once this one has ended. Returns exit code, stdout and stderr.
    pub(crate) fn control(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(artefacts().wshost());
        command.args(arguments).env("WSHOST_CONTROL", self.control_socket());
        outcome(command)
    }

    /// Its control socket, unless it was started with another.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.runtime.path().join(format!("wshost/{}.sock", self.pid()))
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The line that told that it is ready.
    pub(crate) fn ready_line(&self) -> &str {
        &self.ready_line
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.0.lock().expect("not poisoned").clone()
    }

    /// The whole log, once nobody can write to it any more: the process has ended.
    pub(crate) fn wait_for_end_of_log(&self) -> String {
        // The thread that collects it holds the other count.
        super::wait_until(|| Arc::strong_count(&self.log) == 1);
        self.log()
    }

    /// Waits until the log has `count` lines that hold all of `texts`, and returns them.
    pub(crate) fn wait_for_log(&self, count: usize, texts: &[&str]) -> Vec<String> {
        let (log, changed) = &*self.log;
        let until = Instant::now() + DEADLINE;
        let mut log = log.lock().expect("not poisoned");
        loop {
            let has_all = |line: &&str| texts.iter().all(|text| line.contains(text));
            let lines: Vec<_> = log.lines().filter(has_all).map(str::to_owned).collect();
            if lines.len() >= count {
                return lines;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {count} lines with {texts:?} in the log:\n{log}");
            log = changed.wait_timeout(log, left).expect("not poisoned").0;
        }
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// The processor time that it has taken so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the process runs");
        let (_, fields) = stat.rsplit_once(") ").expect("the name is in brackets");
        let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// The number of its open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the process runs").count()
    }

    /// Waits until it has so many descriptors open: the last files of a generation go after its last connection has passed.
    pub(crate) fn wait_for_descriptors(&self, count: usize) {
        let until = Instant::now() + DEADLINE;
        while self.descriptors() != count {
            assert!(Instant::now() < until, "{} descriptors instead of {count}", self.descriptors());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_none()
    }

    /// Sends SIGTERM: to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGHUP: to load its engines anew.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends SIGSTOP: it does nothing any more.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the child can be signalled");
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("the child can be waited for")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.0.lock().map(|log| log.clone()).unwrap_or_default();
        if thread::panicking() {
            eprintln!("--- the log of wshost:\n{log}");
        } else if let Some(fault) = log.lines().find(|line| line.contains("please report it")) {
            panic!("a fault of wshost's own: {fault}");
        }
    }
}

/// Runs a command to its end. Returns exit code, stdout and stderr.
pub(crate) fn outcome(mut command: Command) -> (i32, String, String) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("wshost writes UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

/// Collects a log as it is written.
fn collect(stderr: impl Read + Send + 'static) -> Arc<(Mutex<String>, Condvar)> {
    let log = Arc::new((Mutex::new(String::new()), Condvar::new()));
    let shared = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let (log, changed) = &*shared;
            let mut log = log.lock().expect("not poisoned");
            log.push_str(&line);
            log.push('\n');
            changed.notify_all();
        }
    });
    log
}
