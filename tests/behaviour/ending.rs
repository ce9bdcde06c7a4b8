//! The end of a server whose engine hangs, whichever piece of it does: clients are told, and the process ends by its
//! deadline. The second signal, and signals that come early or during a reload.

use crate::common::{Client, DEADLINE, Deflating, Deployed, Host, Raw, artefacts, ask, closed_with, connect, say};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The `--drain-timeout` of these tests.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How much longer the end may take.
const BEYOND: Duration = Duration::from_secs(2);

/// Everyone was served to the end.
const SERVED: i32 = 0;
/// The exit code if something was left at the deadline and cut off.
const CUT_OFF: i32 = 75;

/// An engine that hangs, and what must come of SIGTERM.
struct Case {
    /// The word that the engine gets in its configuration, and a client in its path.
    name: &'static str,
    /// The hanging is brought about by this many clients, each of which says something.
    clients: usize,
    /// The options of the server.
    options: &'static [&'static str],
    code: i32,
}

const TWO_LOOPS: &[&str] = &["--loops", "2", "--workers", "2"];

const fn case(name: &'static str, clients: usize, code: i32) -> Case {
    Case { name, clients, options: TWO_LOOPS, code }
}

/// One client of two hangs its event loop; the other one's is free.
const CASES: [Case; 16] = [
    case("nothing", 1, SERVED),
    case("callback-hangs", 1, CUT_OFF),
    case("job-hangs", 2, CUT_OFF),
    case("job-drop-hangs", 2, CUT_OFF),
    case("session-drop-hangs", 1, CUT_OFF),
    case("closed-hangs", 1, CUT_OFF),
    case("local-drop-hangs", 1, CUT_OFF),
    case("engine-drop-hangs", 0, CUT_OFF),
    case("timer-hangs", 0, CUT_OFF),
    case("timer-drop-hangs", 0, CUT_OFF),
    Case { name: "timer-hangs", clients: 0, options: &["--workers", "0"], code: CUT_OFF },
    Case { name: "timer-drop-hangs", clients: 0, options: &["--workers", "0"], code: CUT_OFF },
    case("authenticate-hangs", 1, CUT_OFF),
    case("export-hangs", 1, CUT_OFF),
    case("new-hangs", 0, SERVED),
    Case { name: "engine-drop-hangs", clients: 0, options: &["--watch"], code: CUT_OFF },
];

/// FAULTS L6, and "SIGTERM at any state of the hostile crate".
#[tokio::test(flavor = "multi_thread")]
async fn whatever_of_an_engine_hangs_clients_are_told_and_the_end_comes_in_time() {
    let mut ends = JoinSet::new();
    for case in CASES {
        ends.spawn(end_of(case));
    }
    let wrong: Vec<_> = ends.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn end_of(case: Case) -> Result<(), String> {
    let Case { name, clients, options, code } = case;
    let deployed = Deployed::new("hostile");
    if name != "new-hangs" {
        deployed.configure(&format!("case = '{name}'"));
    }
    let mut host = deployed.start(&[options, &["--drain-timeout", "1s"]].concat());
    let mut hanging = Vec::new();
    // Dealt to the first loop, which accepts: the client that hangs in its handshake comes to the other.
    let _first = if name == "authenticate-hangs" { Some(connect(&host, "/first").await) } else { None };
    let mut unanswered = Vec::new();
    for _ in 0..clients {
        if name == "authenticate-hangs" {
            let mut raw = Raw::dial(&host);
            raw.send(Raw::request(&format!("/{name}")).as_bytes());
            unanswered.push(raw);
            continue;
        }
        hanging.push(connect(&host, &format!("/{name}")).await);
    }
    // Dealt to the other loop, unless two of the others have one each; those do not hang their loops.
    let mut free = connect(&host, "/free").await;
    for client in &mut hanging {
        say(client, "now").await;
    }
    ask(&mut free, "hello").await;
    if matches!(name, "export-hangs" | "new-hangs") {
        deployed.configure(&format!("case = '{name}'"));
        host.hang_up();
        host.wait_for_log(1, &["hangs in"]);
    }
    // They answer their close, if they are told.
    let _reading: JoinSet<u16> =
        hanging.into_iter().map(|mut client| async move { closed_with(&mut client).await }).collect();
    let mut wrong = String::new();
    let ended = terminate(&mut host, &mut free).await;
    if ended.told != 1001 {
        let _ = write!(wrong, "a client on a free loop is told {}; ", ended.told);
    }
    if ended.after > TIMEOUT + BEYOND {
        let _ = write!(wrong, "the process ends after {:?}; ", ended.after);
    }
    if ended.code != Some(code) {
        let _ = write!(wrong, "the exit code is {:?}; ", ended.code);
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{name} {options:?}: {wrong}\n{}", host.log())) }
}

struct Ended {
    told: u16,
    after: Duration,
    code: Option<i32>,
}

/// Sends SIGTERM, and sees how it ends.
async fn terminate(host: &mut Host, client: &mut Client) -> Ended {
    host.terminate();
    let began = Instant::now();
    let told = closed_with(client).await;
    let code = ended(host, began).await;
    Ended { told, after: began.elapsed(), code }
}

/// Waits for the end of the process, for three times as long as it may take.
async fn ended(host: &mut Host, began: Instant) -> Option<i32> {
    while host.is_running() {
        if began.elapsed() > 3 * (TIMEOUT + BEYOND) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.wait().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_process_at_once() {
    let mut host = Host::with("hostile", &["--drain-timeout", "1h", "--loops", "1"]);
    let mut client = connect(&host, "/callback-hangs").await;
    say(&mut client, "now").await;
    host.wait_for_log(1, &["on_text"]);
    host.terminate();
    host.wait_for_log(1, &["closing connections"]);
    assert!(host.is_running());
    let again = Instant::now();
    host.terminate();
    assert_eq!(ended(&mut host, again).await, Some(128 + 15));
    assert!(!host.control_socket().exists(), "its file goes all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_asked_for_during_a_reload_are_one_more() {
    let deployed = Deployed::new("heir");
    let mut host = deployed.start(&[]);
    let gate = deployed.folder.path().join("gate");
    deployed.configure(&format!("label = 'new'\nnew_waits_for = '{}'", gate.display()));
    host.hang_up();
    host.wait_for_log(1, &["new waits for a file"]);
    for _ in 0..10 {
        host.hang_up();
    }
    fs::write(gate, "").expect("written");
    host.wait_for_log(2, &["reloaded: "]);
    host.terminate();
    assert_eq!(host.wait().code(), Some(SERVED));
    assert_eq!(host.log().matches("reload").count(), 2, "{}", host.log());
}

/// A wshost that is not up yet.
struct Starting {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Starting {
    fn with(package: &str, deployed: &Deployed) -> Starting {
        let mut command = Command::new(artefacts().wshost());
        command.args(["--listen", "127.0.0.1:0", "--plugin"]).arg(artefacts().of(package));
        command.arg("--engine-config").arg(deployed.config());
        let folder = deployed.folder.path();
        command.env("XDG_RUNTIME_DIR", folder).env("TMPDIR", folder).env("WSHOST_LOG", "debug");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("wshost starts");
        let log = BufReader::new(child.stderr.take().expect("stderr is piped"));
        Starting { child, log }
    }

    /// Reads its log up to a line with this text.
    fn read_log(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.log.read_line(&mut line).expect("a line") > 0, "the log ends before {text}");
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the child can be signalled");
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_signal_ends_the_process_before_it_is_up() {
    let deployed = Deployed::new("hostile");
    deployed.configure("case = 'new-hangs'");
    let mut starting = Starting::with("hostile", &deployed);
    starting.read_log("plugin loaded");
    starting.signal(Signal::TERM);
    let until = Instant::now() + DEADLINE;
    while starting.child.try_wait().expect("it can be asked").is_none() {
        assert!(Instant::now() < until, "it has not ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(starting.child.wait().expect("it has ended").code(), Some(128 + 15));
}

#[test]
fn a_reload_asked_for_before_the_server_is_up_is_done_then() {
    let deployed = Deployed::new("heir");
    let gate = deployed.folder.path().join("gate");
    deployed.configure(&format!("new_waits_for = '{}'", gate.display()));
    let mut starting = Starting::with("heir", &deployed);
    starting.read_log("new waits for a file");
    starting.signal(Signal::HUP);
    // Nothing tells when the signal has been received. If it is received later, the server is already up.
    std::thread::sleep(Duration::from_millis(50));
    fs::write(gate, "").expect("written");
    starting.read_log("listening");
    starting.read_log("reloaded: ");
}

/// While it hangs, an initialiser has the loader's lock. What needs that: a new thread, and the first use of a thread-local
/// with a destructor.
#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_hangs_when_it_is_opened_keeps_nobody_from_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file.txt"), "content").expect("written");
    let probe = format!("/a={}", artefacts().of("probe").display());
    let options =
        ["--loops=2", "--workers=2", "--rehearse=no", "--reload-timeout=1s", "--drain-timeout=1s", "--compress"];
    let files = ["--plugin", &probe, "--static", folder.path().to_str().expect("UTF-8")];
    let arguments = [&options[..], &files].concat();
    let echo = format!("/b={}", artefacts().of("echo").display());
    let mut host = Host::with_environment(echo.as_ref(), &arguments, &[("AT_OPENING", "hang")]);
    let hanging = artefacts().of("hanging-initialiser").display().to_string();

    let (code, _, stderr) = host.control(&["reload", "/a", "--plugin", &hanging]);
    assert_eq!(code, 65, "{stderr}");
    assert!(stderr.contains("an initialiser of it hangs"), "{stderr}");

    // None of this has been done before.
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = connect(&host, "/a").await;
        assert_eq!(ask(&mut client, "echo hello").await, "hello");
        assert_eq!(ask(&mut client, "job hello").await, "hello");
        assert_eq!(ask(&mut client, "spawn echo hello").await, "echo hello");
        clients.push(client);
    }
    let long = "long ".repeat(1000);
    let mut compressing = Deflating::offer(&host, "/b", &["permessage-deflate"]);
    assert_eq!(compressing.ask(&long).message, long.as_bytes());
    assert_eq!(file(&host), "content");

    let (code, status, stderr) = host.control(&["status"]);
    assert!(code == 0 && status.contains("probe"), "{status}{stderr}");
    for again in [["reload", "/a"], ["reload", "/b"]] {
        let (code, _, stderr) = host.control(&again);
        assert_eq!(code, 69, "{stderr}");
        assert!(stderr.contains("no library can be opened while an initialiser of"), "{stderr}");
    }
    host.hang_up();
    host.wait_for_log(4, &["reload refused", "no library can be opened"]);

    host.terminate();
    let began = Instant::now();
    for client in &mut clients {
        assert_eq!(closed_with(client).await, 1001);
    }
    drop(compressing);
    assert_eq!(ended(&mut host, began).await, Some(SERVED), "{}", host.log());
    assert!(began.elapsed() < TIMEOUT + BEYOND, "{:?}", began.elapsed());
}

/// The response with a file.
fn file(host: &Host) -> String {
    let mut raw = Raw::dial(host);
    raw.send(b"GET /file.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = String::new();
    raw.0.read_to_string(&mut answer).expect("an answer comes");
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}
