//! The control socket itself: its place, its permissions, and its treatment of clients that misbehave.

use crate::common::{DEADLINE, Deployed, Host, artefacts, ask, connect, outcome, wait_until};
use rustix::process::geteuid;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `nobody`.
const SOMEBODY_ELSE: u32 = 65534;

/// A client that writes bytes, and reads replies line by line.
struct Asking(BufReader<UnixStream>);

impl Asking {
    fn to(host: &Host) -> Asking {
        let stream = UnixStream::connect(host.control_socket()).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        Asking(BufReader::new(stream))
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("it takes bytes");
    }

    fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a reply comes");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The text of an error.
    fn error(&mut self) -> String {
        let reply = self.reply();
        reply["error"].as_str().unwrap_or_else(|| panic!("an error is expected: {reply}")).to_owned()
    }

    fn has_ended(&mut self) -> bool {
        // Unread bytes on the other side reset the connection.
        self.0.read(&mut [0]).map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |read| read == 0)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o777)).expect("its mode can be set");
}

/// Copies of the program and of an engine that every user can run.
fn for_everyone(folder: &Path) -> [PathBuf; 2] {
    open_to_all(folder);
    [artefacts().wshost(), artefacts().of("echo")].map(|file| {
        let copy = folder.join(file.file_name().expect("a file"));
        fs::copy(file, &copy).expect("copied");
        open_to_all(&copy);
        copy
    })
}

/// Runs a command as another user, if this one is root.
fn as_somebody_else(command: &mut Command) -> u32 {
    if !geteuid().is_root() {
        return geteuid().as_raw();
    }
    command.uid(SOMEBODY_ELSE).gid(SOMEBODY_ELSE);
    SOMEBODY_ELSE
}

#[test]
fn it_is_for_its_user_alone() {
    let mut host = Host::with("echo", &[]);
    let socket = host.control_socket();
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().expect("a folder")), 0o700);
    host.terminate();
    assert!(host.wait().success());
    assert!(!socket.exists(), "the file goes with its server");
}

#[test]
fn another_user_is_refused_and_named_in_the_log() {
    if !geteuid().is_root() {
        eprintln!("not root: nobody else to ask as; control/peer.rs has a test of the decision");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [wshost, _] = for_everyone(folder.path());
    let socket = folder.path().join("control.sock");
    let path = socket.to_str().expect("UTF-8");
    let host = Host::with("echo", &["--control", path]);
    let asked = || {
        let mut command = Command::new(&wshost);
        as_somebody_else(command.args(["status", "--control", path]));
        outcome(command)
    };
    let (code, stdout, stderr) = asked();
    assert_eq!((code, stdout.as_str()), (77, ""), "the file's mode keeps it out: {stderr}");
    assert!(stderr.contains("Permission denied"), "{stderr}");
    open_to_all(&socket);
    let (code, stdout, stderr) = asked();
    assert_eq!((code, stdout.as_str()), (77, ""), "{stderr}");
    assert_eq!(stderr, "refused: user 65534 may not ask; only the user of this wshost and root may\n");
    host.wait_for_log(1, &["control connection refused", "uid=65534"]);
    assert_eq!(host.control(&["status", "--control", path]).0, 0);
}

#[test]
fn without_a_runtime_folder_it_is_in_the_temporary_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let [wshost, echo] = for_everyone(folder.path());
    let command = || {
        let mut command = Command::new(&wshost);
        command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", folder.path());
        let user = as_somebody_else(&mut command);
        (command, user)
    };
    let (mut serve, user) = command();
    serve.args(["--listen", "127.0.0.1:0", "--plugin"]).arg(&echo);
    let host = Host::run(serve);
    let own = folder.path().join(format!("wshost-{user}"));
    assert_eq!(mode(&own), 0o700);
    assert_eq!(mode(&own.join(format!("{}.sock", host.pid()))), 0o600);
    let (mut status, _) = command();
    status.arg("status");
    let (code, stdout, stderr) = outcome(status);
    assert!(code == 0 && stdout.contains(&format!("pid {}", host.pid())), "{stdout}{stderr}");
}

#[test]
fn of_several_servers_one_must_be_chosen() {
    let runtime = tempfile::tempdir().expect("a folder");
    let start = || {
        let mut command = Command::new(artefacts().wshost());
        command.args(["--listen", "127.0.0.1:0", "--plugin"]).arg(artefacts().of("echo"));
        command.env("XDG_RUNTIME_DIR", runtime.path());
        Host::run(command)
    };
    let [one, mut other] = [start(), start()];
    let status = |control: Option<&str>| {
        let mut command = Command::new(artefacts().wshost());
        command.arg("status").env("XDG_RUNTIME_DIR", runtime.path()).envs(control.map(|path| ("WSHOST_CONTROL", path)));
        outcome(command)
    };
    let socket = |host: &Host| runtime.path().join(format!("wshost/{}.sock", host.pid())).display().to_string();
    let (code, stdout, stderr) = status(None);
    assert_eq!((code, stdout.as_str()), (64, ""), "{stderr}");
    for host in [&one, &other] {
        let line = format!("\n  pid {}: --control {}\n", host.pid(), socket(host));
        assert!(stderr.contains(&line), "{line} in {stderr}");
    }
    assert!(status(Some(&socket(&other))).1.contains(&format!("pid {}", other.pid())));
    other.terminate();
    assert!(other.wait().success());
    assert!(status(None).1.contains(&format!("pid {}", one.pid())), "the only one that is left");
}

#[test]
fn a_file_left_behind_is_replaced_one_in_use_is_not_and_none_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("control.sock");
    let path = socket.to_str().expect("UTF-8");
    drop(UnixListener::bind(&socket).expect("bound"));
    let (code, _, stderr) = outcome_of_status(path);
    assert!(code == 69 && stderr.contains("no server answers at"), "{code}: {stderr}");
    let host = Host::with("echo", &["--control", path]);
    assert_eq!(host.control(&["status", "--control", path]).0, 0);
    let echo = artefacts().of("echo").display().to_string();
    let (code, stdout, stderr) = Host::refuses(&["--plugin", &echo, "--control", path], &[]);
    assert_eq!((code, stdout.as_str()), (69, ""), "{stderr}");
    assert!(stderr.contains("cannot open the control socket") && stderr.contains(path), "{stderr}");
    assert_eq!(host.control(&["status", "--control", path]).0, 0, "it is not taken away");
    let without = Host::with("echo", &["--control", "none"]);
    assert!(!without.control_socket().exists());
    assert_eq!(without.control(&["status"]).0, 69);
}

fn outcome_of_status(control: &str) -> (i32, String, String) {
    let mut command = Command::new(artefacts().wshost());
    command.args(["status", "--control", control]);
    outcome(command)
}

#[test]
fn garbage_is_answered_with_what_is_expected() {
    let host = Host::with("echo", &[]);
    let mut asking = Asking::to(&host);
    let cases: [&[u8]; 6] = [
        b"hello\n",
        b"\n",
        b"\xff\xfe\0\n",
        b"[{}]\n",
        b"{\"command\":\"stop\"}\n",
        b"{\"command\":\"status\",\"x\":1}\n",
    ];
    for garbage in cases {
        asking.send(garbage);
        let error = asking.error();
        assert!(error.contains("one JSON object per line") && error.contains("{\"command\":\"status\"}"), "{error}");
    }
    // And it is of use all the same.
    asking.send(b"{\"command\":\"status\"}\n{\"command\":\"status\"}\n");
    for _ in 0..2 {
        assert_eq!(asking.reply()["status"]["pid"].as_u64(), Some(host.pid().into()));
    }
}

#[test]
fn a_line_without_end_is_cut_off() {
    let host = Host::with("echo", &[]);
    let mut asking = Asking::to(&host);
    // It may be cut off while this is on its way.
    let _ = asking.0.get_mut().write_all(&vec![b' '; 1 << 20]);
    let error = asking.error();
    assert!(error.starts_with("a request has 64 KiB at most"), "{error}");
    assert!(asking.has_ended());
    assert_eq!(host.control(&["status"]).0, 0);
}

#[test]
fn half_a_line_is_waited_for_and_not_for_long() {
    let host = Host::with("echo", &[]);
    let mut asking = Asking::to(&host);
    asking.send(b"{\"command\":");
    assert_eq!(host.control(&["status"]).0, 0, "others are answered meanwhile");
    asking.send(b"\"status\"}\n");
    assert!(asking.reply()["status"].is_object());
    asking.send(b"{\"command\":");
    let error = asking.error();
    assert!(error.starts_with("a request has 10s to come"), "{error}");
    assert!(asking.has_ended());
}

#[test]
fn a_request_may_end_with_the_connection() {
    let host = Host::with("echo", &[]);
    for (request, is) in [(&b"{\"command\":\"status\"}"[..], "status"), (b"{\"command\":", "error")] {
        let mut asking = Asking::to(&host);
        asking.send(request);
        asking.0.get_ref().shutdown(std::net::Shutdown::Write).expect("shut down");
        let reply = asking.reply();
        assert!(reply.get(is).is_some(), "{reply}");
        assert!(asking.has_ended());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_does_no_harm() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&[]);
    let mut ann = connect(&host, "/").await;
    let gate = deployed.folder.path().join("gate");
    deployed.configure(&format!("label = 'new'\nnew_waits_for = '{}'", gate.display()));
    let mut asking = Asking::to(&host);
    asking.send(b"{\"command\":\"reload\"}\n");
    host.wait_for_log(1, &["new waits for a file"]);
    drop(asking);
    drop(Asking::to(&host));
    fs::write(gate, "").expect("written");
    host.wait_for_log(1, &["reloaded: 1 connections handed over"]);
    assert!(ask(&mut ann, "hello").await.starts_with("new 0 hello"));
    assert_eq!(host.control(&["status"]).0, 0);
}

#[test]
fn more_than_eight_connections_are_turned_away() {
    let host = Host::with("echo", &[]);
    let mut open: Vec<_> = (0..8).map(|_| Asking::to(&host)).collect();
    for asking in &mut open {
        asking.send(b"{\"command\":\"status\"}\n");
        assert!(asking.reply()["status"].is_object());
    }
    let (code, _, stderr) = host.control(&["status"]);
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.starts_with("refused: 8 control connections are open"), "{stderr}");
    open[0].send(b"{\"command\":\"status\"}\n");
    assert!(open[0].reply()["status"].is_object(), "those that are there stay");
    drop(open);
    wait_until(|| host.control(&["status"]).0 == 0);
}

/// A socket whose owner does not accept, or does not run.
#[test]
fn a_server_that_is_stuck_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let stuck = folder.path().join("stuck.sock");
    let address = socket2::SockAddr::unix(&stuck).expect("an address");
    let socket = || socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).expect("a socket");
    let listener = socket();
    listener.bind(&address).expect("bound");
    listener.listen(0).expect("it listens");
    let mut waiting = Vec::new();
    loop {
        let client = socket();
        client.set_nonblocking(true).expect("non-blocking");
        if client.connect(&address).is_err() {
            break;
        }
        waiting.push(client);
    }
    let path = stuck.to_str().expect("UTF-8");
    let stopped = Host::with("echo", &[]);
    stopped.stop();
    let echo = artefacts().of("echo").display().to_string();
    std::thread::scope(|scope| {
        let start = scope.spawn(|| Host::refuses(&["--plugin", &echo, "--control", path], &[]));
        let of_stuck = scope.spawn(|| outcome_of_status(path));
        let status = scope.spawn(|| stopped.control(&["status"]));
        let reload = scope.spawn(|| stopped.control(&["reload"]));
        for (asked, why) in [
            (start, "cannot open the control socket"),
            (of_stuck, "it has accepted nobody for 5 s"),
            (status, "the server has not answered for 5s; is it stopped?"),
            (reload, "the server has not answered for 5s; is it stopped?"),
        ] {
            let (code, stdout, stderr) = asked.join().expect("no panic");
            assert_eq!((code, stdout.as_str()), (69, ""), "{stderr}");
            assert!(stderr.contains(why), "{why} in {stderr}");
        }
    });
}
