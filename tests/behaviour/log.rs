//! The log (FAULTS P1 to P4): whatever becomes of its lines, nobody else notices.

use crate::common::{DEADLINE, Host, Raw, artefacts, ask, connect, frame, outcome, wait_until};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// A wshost whose stdout is read. The test decides what its stderr is.
struct Quiet {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Quiet {
    /// Starts it with an engine of this workspace, by a shell that does `before` first.
    fn start(before: &str, stderr: impl Into<Stdio>, log: &str, package: &str) -> Quiet {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before} exec \"$0\" --plugin \"$1\" --listen 127.0.0.1:0"));
        command.arg(artefacts().wshost()).arg(artefacts().of(package));
        command.env("XDG_RUNTIME_DIR", folder.path()).env("TMPDIR", folder.path()).env("WSHOST_LOG", log);
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
        let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).map(str::parse);
        Quiet { child, port: port.expect(&line).expect("a port"), folder }
    }

    /// Sends a request that is refused, and logged. Returns whether it was answered.
    fn refused(&self) -> bool {
        let mut raw = self.dial();
        raw.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n");
        raw.read_head().starts_with("HTTP/1.1 405")
    }

    /// A connection past its handshake.
    fn open(&self, path: &str) -> Raw {
        let mut raw = self.dial();
        raw.send(Raw::request(path).as_bytes());
        assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
        raw
    }

    fn dial(&self) -> Raw {
        let stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).expect("wshost listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        Raw(stream)
    }

    fn status(&self) -> String {
        let mut command = Command::new(artefacts().wshost());
        command.args(["status", "--json"]).env("XDG_RUNTIME_DIR", self.folder.path());
        outcome(command).1
    }

    fn lost(&self) -> u64 {
        let status: serde_json::Value = serde_json::from_str(&self.status()).expect("JSON");
        status["status"]["log_lines_lost"].as_u64().expect("a count")
    }

    /// Ends it with SIGTERM. Returns its exit code and how long it took.
    fn end(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        (self.child.wait().expect("it ends").code(), began.elapsed())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// FAULTS P1. Before: SIGABRT at the first line.
#[test]
fn a_log_whose_reader_has_gone_is_counted_and_nobody_notices() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let mut host = Quiet::start("", writer, "debug", "echo");
    let _present = host.open("/");
    assert!((0..1000).all(|_| host.refused()), "each is answered");
    // The others are left out as more of the same.
    wait_until(|| host.lost() >= 50);
    assert_eq!(host.end().0, Some(0));
}

/// FAULTS P1: a full disk, a file that may not grow (SIGXFSZ), no stderr at all.
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    for before in [
        "exec 2>/dev/full;",
        // No file may be larger than 100 MiB, and this one is so large.
        "ulimit -f 204800; truncate -s 104857600 $TMPDIR/log; exec 2>>$TMPDIR/log;",
        "exec 2>&-;",
    ] {
        let mut host = Quiet::start(before, Stdio::null(), "debug", "echo");
        assert!((0..20).all(|_| host.refused()), "{before}");
        assert_eq!(host.end().0, Some(0), "{before}");
    }
}

/// FAULTS P2. Before: the event loop stops at the first 64 KiB, and SIGTERM does nothing.
#[test]
fn a_log_that_nobody_takes_holds_up_nobody() {
    let (mut reader, writer) = pipe().expect("a pipe");
    let mut host = Quiet::start("", writer, "debug", "hostile");
    let mut client = host.open("/log-much");
    for number in 0..7 {
        // A thousand lines of 1 KiB each.
        client.send(&frame(0x81, b"now"));
        let reply = format!(" {number} now");
        assert_eq!(client.read_frame(), (0x81, reply.into_bytes()));
    }
    wait_until(|| host.lost() > 100);
    // And now somebody reads.
    let told = read_until(&mut reader, |line| line.contains("lines of the log dropped"));
    assert!(told.len() > 10, "{} lines", told.len());
    assert_eq!(host.end().0, Some(0));
}

/// FAULTS P2: the same until the end, with nobody reading.
#[test]
fn a_log_that_nobody_takes_does_not_keep_the_server_from_ending() {
    let (reader, writer) = pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("non-blocking");
    rustix::io::write(&writer, &vec![b'x'; 1 << 20]).expect("full");
    rustix::io::ioctl_fionbio(&writer, false).expect("blocking");
    let mut host = Quiet::start("", writer, "debug", "echo");
    assert!((0..100).all(|_| host.refused()));
    let (code, took) = host.end();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(8), "{took:?}");
    drop(reader);
}

/// FAULTS P1: the line that says that the server is ready. Before: exit code 101, and a start that hangs.
#[test]
fn a_ready_line_that_nobody_reads_is_no_reason_to_end() {
    let closed = || {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        (None, Stdio::from(writer))
    };
    let full = || {
        let (reader, writer) = pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("non-blocking");
        rustix::io::write(&writer, &vec![b'x'; 1 << 20]).expect("full");
        rustix::io::ioctl_fionbio(&writer, false).expect("blocking");
        (Some(reader), Stdio::from(writer))
    };
    let disk = || (None, Stdio::from(fs::File::options().write(true).open("/dev/full").expect("/dev/full")));
    for (_reader, stdout) in [closed(), full(), disk()] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut log, stderr) = pipe().expect("a pipe");
        let mut command = Command::new(artefacts().wshost());
        command.arg("--plugin").arg(artefacts().of("echo")).args(["--listen", "127.0.0.1:0"]);
        command.env("XDG_RUNTIME_DIR", folder.path()).env("TMPDIR", folder.path());
        let mut child = command.stdout(stdout).stderr(stderr).spawn().expect("it starts");
        drop(command);
        read_until(&mut log, |line| line.contains("listening"));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::TERM).expect("it runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    }
}

/// FAULTS P3.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_stranger_says_makes_a_line_of_its_own() {
    let host = Host::with("hostile", &[]);
    let mut client = connect(&host, "/log-forges-lines").await;
    ask(&mut client, "one\r\n2026-01-01T00:00:00.000000Z ERROR forged\u{1b}[2J\u{2028}two\u{85}\u{202e}three").await;
    let line = host.wait_for_log(1, &["the client says one"]).remove(0);
    assert!(
        line.contains("one\\r\\n2026-01-01") && line.contains("\\x1b[2J\\u{2028}two\\u{85}\\u{202e}three"),
        "{line}"
    );
    let log = host.log();
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01")), "{log}");
    assert!(!log.contains(|letter: char| letter != '\n' && letter.is_control()), "{log:?}");
}

/// FAULTS P4.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_requests_is_a_few_lines_and_a_count() {
    let host = Host::with("echo", &[]);
    for _ in 0..500 {
        let mut raw = Raw::dial(&host);
        raw.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n");
        raw.read_head();
    }
    let told = host.wait_for_log(1, &["more like this were left out: handshake failed"]).remove(0);
    assert!(told.contains("INFO"), "{told}");
    let logged = host.log().lines().filter(|line| line.contains(" handshake failed: ")).count();
    assert!((50..250).contains(&logged), "{logged}");
    // Another reason is another kind.
    let mut raw = Raw::dial(&host);
    raw.send(b"GET / HTTP/1.1\r\n\r\n");
    assert!(raw.read_head().starts_with("HTTP/1.1 400 "));
    host.wait_for_log(1, &["refused with 400"]);
    connect(&host, "/").await;
    host.wait_for_log(1, &["connection opened"]);
}

/// Safe code may have a thread-local whose destructor logs. Formerly this ended the process by SIGABRT.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_may_log_while_a_thread_of_its_own_ends() {
    let host = Host::with("hostile", &[]);
    let mut client = connect(&host, "/log-in-thread-local-drop").await;
    for round in 1..=5 {
        ask(&mut client, "now").await;
        host.wait_for_log(round, &["logged while a thread ends"]);
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let plugin = artefacts().of("echo").to_str().expect("UTF-8");
    let (code, stdout, stderr) = Host::refuses(&["--plugin", plugin], &[("WSHOST_LOG", "loud")]);
    assert_eq!((code, stdout.as_str()), (78, ""));
    assert!(stderr.contains("WSHOST_LOG") && stderr.contains("loud") && stderr.contains("debug"), "{stderr}");
}

/// FAULTS P1, for what commands answer. Before: exit code 101 after a panic.
#[test]
fn commands_whose_answers_nobody_takes_end_as_they_would() {
    let run = |line: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(line).arg(artefacts().wshost()).arg(artefacts().of("echo"));
        command.env("XDG_RUNTIME_DIR", "/nowhere").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("it runs").code().expect("an exit code")
    };
    assert_eq!(run("\"$0\" --help >/dev/full"), 70);
    assert_eq!(run("{ \"$0\" --help; echo $? >&3; } 3>&1 | true"), 0);
    assert_eq!(run("\"$0\" --no-such-option 2>/dev/full"), 64);
    assert_eq!(run("\"$0\" reload ./no-such.so 2>/dev/full"), 66);
    assert_eq!(run("\"$0\" reload ./no-such.so 2>&-"), 66);
    assert_eq!(run("\"$0\" check \"$1\" >/dev/full"), 70);
    assert_eq!(run("\"$0\" --plugin ./no-such.so 2>/dev/full"), 66);
}

/// Reads lines up to one of a kind, with a deadline.
fn read_until(from: &mut PipeReader, is_it: impl Fn(&str) -> bool + Send + 'static) -> Vec<String> {
    let from = PipeReader::from(OwnedFd::from(from.try_clone().expect("cloned")));
    let (send, lines) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let found = is_it(&line);
            if send.send(line).is_err() || found {
                return;
            }
        }
    });
    let until = Instant::now() + DEADLINE;
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => all.push(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return all,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it does not come: {all:#?}"),
        }
    }
}
