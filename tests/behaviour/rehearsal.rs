//! A reload is rehearsed in a process of its own: what crashes, hangs or ends the process there is refused, with the step
//! named, and nobody notices.

use crate::common::{Deployed, Host, artefacts, ask, connect, wait_until};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Starts with an engine that echoes, in an environment that tells another what to do.
fn echoing(deployed: &Deployed, arguments: &[&str], environment: &[(&str, &str)]) -> Host {
    Host::with_environment(&deployed.file(), arguments, environment)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_crashes_or_ends_the_process_when_it_is_opened_is_refused() {
    for (does, said) in [("crash", "crashed with SIGSEGV while opening it"), ("exit", "ended itself with exit code 0")]
    {
        let deployed = Deployed::new("echo");
        let host = echoing(&deployed, &[], &[("AT_OPENING", does)]);
        let mut client = connect(&host, "/").await;
        deployed.replace(artefacts().of("hanging-initialiser"));
        let (code, stdout, stderr) = host.control(&["reload"]);
        assert_eq!((code, stdout.as_str()), (65, ""), "{stderr}");
        assert!(stderr.contains(said) && stderr.contains("while opening it"), "{stderr}");
        let line = host.wait_for_log(1, &["reload refused, the engine runs on as it was"]).remove(0);
        assert!(line.contains(said), "{line}");
        assert_eq!(ask(&mut client, "still here").await, "still here");
        assert_eq!(ask(&mut connect(&host, "/").await, "new here").await, "new here");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_hangs_when_it_is_opened_is_refused_at_the_deadline_and_its_process_ended() {
    let deployed = Deployed::new("echo");
    let host = echoing(&deployed, &["--reload-timeout", "1s"], &[("AT_OPENING", "hang")]);
    let mut client = connect(&host, "/").await;
    deployed.replace(artefacts().of("hanging-initialiser"));
    host.hang_up();
    wait_until(|| !children(&host).is_empty());
    assert_eq!(ask(&mut client, "meanwhile").await, "meanwhile");
    assert_eq!(ask(&mut connect(&host, "/").await, "new here").await, "new here");
    let line = host.wait_for_log(1, &["reload refused, the engine runs on as it was"]).remove(0);
    assert!(line.contains("still opening it after 1s"), "{line}");
    wait_until(|| children(&host).is_empty());
    assert_eq!(ask(&mut client, "still here").await, "still here");
    // Another file is loaded as ever.
    deployed.replace(artefacts().of("hello"));
    assert_eq!(host.control(&["reload"]).0, 0, "{}", host.log());
    assert_eq!(ask(&mut connect(&host, "/").await, "Alice").await, "Hello Alice!");
}

/// Above all, it must not have the host's listening socket, which would keep the port.
#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_has_nothing_of_the_hosts_open_and_ends_with_it() {
    let deployed = Deployed::new("echo");
    let mut command = Command::new("sh");
    let script = "exec 9<\"$0\"; exec \"$@\" --listen 127.0.0.1:0 --reload-timeout 1h --plugin \"$0\"";
    command.args(["-c", script]).arg(deployed.file()).arg(artefacts().wshost()).env("AT_OPENING", "hang");
    let host = Host::run(command);
    let _client = connect(&host, "/").await;
    assert!(open_files(host.pid()).iter().any(|file| file.ends_with("libcurrent.so")), "the shell gave it to wshost");
    deployed.replace(artefacts().of("hanging-initialiser"));
    host.hang_up();
    wait_until(|| children(&host).iter().any(|child| is_opening(*child, "libcurrent.so")));
    let child = children(&host)[0];
    let files = open_files(child);
    let foreign: Vec<_> = files.iter().filter(|file| !is_expected(&file.to_string_lossy())).collect();
    assert!(foreign.is_empty() && !files.is_empty(), "{files:?}");

    drop(host);
    let until = Instant::now() + Duration::from_secs(30);
    while PathBuf::from(format!("/proc/{child}/exe")).read_link().is_ok() {
        assert!(Instant::now() < until, "the rehearsal goes on without its host");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_finds_what_opening_does_not() {
    let deployed = Deployed::new("echo");
    let host = echoing(&deployed, &["--rehearse", "life"], &[("UNRULY", "crash-in-new")]);
    let mut client = connect(&host, "/").await;
    deployed.replace(artefacts().of("unruly"));
    let (code, _, stderr) = host.control(&["reload"]);
    assert_eq!(code, 65, "{stderr}");
    assert!(stderr.contains("crashed with SIGSEGV while making the engine"), "{stderr}");
    assert_eq!(ask(&mut client, "still here").await, "still here");
    deployed.replace(artefacts().of("hello"));
    let (code, stdout, stderr) = host.control(&["reload"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_says_in_its_rehearsal_stays_in_one_line() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--rehearse", "life"]);
    deployed.configure("\"two\\nlines \\u001b[31m\" = 1");
    host.hang_up();
    let line = host.wait_for_log(1, &["reload refused, the engine runs on as it was"]).remove(0);
    assert!(
        line.contains("failed in making the engine") && line.contains("two") && line.contains("\\u{1b}[31m"),
        "{line}"
    );
    assert!(!host.log().contains('\u{1b}'), "{}", host.log());
}

/// Processes that it has started.
fn children(host: &Host) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", host.pid())).expect("the host runs");
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let all: String = tasks.flatten().map(of_task).collect();
    all.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The files behind the descriptors of a process.
fn open_files(pid: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    entries.flatten().filter_map(|entry| entry.path().read_link().ok()).collect()
}

/// The pipes to its parent, its stdin, and the library that is being opened.
fn is_expected(file: &str) -> bool {
    file.starts_with("pipe:") || file == "/dev/null" || file.contains("wshost-scratch-")
}

/// Whether a process is a rehearsal already, and has the library mapped.
fn is_opening(pid: u32, library: &str) -> bool {
    let has = |file: &str, text: &str| fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|all| contains(&all, text));
    has("cmdline", "--in-child") && has("maps", library)
}

fn contains(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|part| part == text.as_bytes())
}
