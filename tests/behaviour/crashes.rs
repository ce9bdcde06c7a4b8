//! An engine that ends the process: the last line names engine, version, call, client and what to look at; then the signal
//! does what it does without wshost, and `exit` is a failure.

use crate::common::{Host, artefacts, connect, outcome};
use futures_util::SinkExt;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use tokio_tungstenite::tungstenite::Message;

/// Has an engine end the process, by what a client at this path says. Returns how it ended, and the last line.
async fn crashed(path: &str, arguments: &[&str]) -> (ExitStatus, String) {
    let mut host = Host::with("hostile", &[&["--loops", "1", "--workers", "1"], arguments].concat());
    let mut client = connect(&host, path).await;
    client.send(Message::text("now")).await.expect("sent");
    ended(&mut host)
}

fn ended(host: &mut Host) -> (ExitStatus, String) {
    let status = host.wait();
    let is_last = |line: &&str| line.contains("crashed by") || line.contains("the process was ended by");
    let log = host.wait_for_end_of_log();
    let lines: Vec<_> = log.lines().filter(is_last).collect();
    assert_eq!(lines.len(), 1, "one line: {log}");
    (status, lines[0].to_owned())
}

fn assert_says(line: &str, texts: &[&str]) {
    assert!(texts.iter().all(|text| line.contains(text)), "{texts:?} in: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_signal_of_a_crash_names_whose_it_is() {
    let cases = [
        ("/crash-segv", Signal::SEGV, "SIGSEGV", "address 0x1", "unsafe code"),
        ("/crash-bus", Signal::BUS, "SIGBUS", "", "unsafe code"),
        ("/crash-ill", Signal::ILL, "SIGILL", "", "unsafe code"),
        ("/crash-fpe", Signal::FPE, "SIGFPE", "", "unsafe code"),
        ("/crash-abort", Signal::ABORT, "SIGABRT", "", "abort()"),
    ];
    for (path, signal, name, detail, advice) in cases {
        let (status, line) = crashed(path, &[]).await;
        assert_eq!(status.signal(), Some(signal.as_raw()), "{line}");
        let whose = ["ERROR", "in on_text of engine hostile 0.1.0", "client 1 (127.0.0.1:", "thread wshost-loop-0"];
        assert_says(&line, &[&whose[..], &[name, detail, advice]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overflow_of_the_stack_is_told_too() {
    for (path, place) in [("/crash-overflow", "on_text"), ("/crash-job-overflow", "job")] {
        let (status, line) = crashed(path, &[]).await;
        assert_eq!(status.signal(), Some(Signal::SEGV.as_raw()), "{line}");
        assert_says(&line, &["the stack has overflowed", &format!("in {place} of engine hostile"), "recursion"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_threads_and_hooks_are_told_apart() {
    let cases = [
        ("/crash-job-segv", "in job of engine hostile 0.1.0, client 1 (127.0.0.1:"),
        ("/crash-thread-segv", "in code of engine hostile 0.1.0, on a thread of its own"),
        ("/crash-thread-abort", "in code of engine hostile 0.1.0, on a thread of its own"),
    ];
    for (path, place) in cases {
        assert_says(&crashed(path, &[]).await.1, &[place]);
    }
    let mut host = Host::with("hostile", &[]);
    crate::common::try_connect(&host, "/crash-in-authenticate-abort").await.expect_err("nobody is left to answer");
    assert_says(&ended(&mut host).1, &["in authenticate of engine hostile 0.1.0, for 127.0.0.1:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_json_stays_one() {
    let (_, line) = crashed("/crash-abort", &["--log-format", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert!(
        json["level"] == "ERROR" && json["message"].as_str().is_some_and(|text| text.contains("on_text")),
        "{line}"
    );
}

/// Formerly the exit code was 0, and stderr was empty.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_calls_exit_ends_the_process_with_a_failure() {
    let cases = [
        ("/crash-exit", "exit(0)", "in on_text of engine hostile 0.1.0, client 1 (127.0.0.1:"),
        ("/crash-exit-3", "exit(3)", "in on_text of engine hostile 0.1.0, client 1 (127.0.0.1:"),
        ("/crash-job-exit", "exit(0)", "in job of engine hostile 0.1.0"),
        ("/crash-thread-exit", "exit(0)", "in code of engine hostile 0.1.0, on a thread of its own"),
    ];
    for (path, how, place) in cases {
        let (status, line) = crashed(path, &[]).await;
        assert_eq!(status.code(), Some(70), "{line}");
        assert_says(&line, &["ended by", how, place, "return an error instead", "the exit code is 70"]);
    }
}

/// Formerly the process ended by SIGABRT, and nothing told the place.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_within_a_panic_keeps_both_messages() {
    let (status, line) = crashed("/crash-double-panic", &[]).await;
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{line}");
    let both = ["crashes.rs:", ": the first panic; then at ", ": the panic in a drop"];
    assert_says(&line, &[&both[..], &["in on_text of engine hostile", "in a drop during another panic"]].concat());
    let (_, line) = crashed("/crash-extern-panic", &[]).await;
    assert_says(&line, &["it panicked at", ": into C", "extern \"C\""]);
    let (_, line) = crashed("/crash-thread-local-drop", &[]).await;
    assert_says(
        &line,
        &["in code of engine hostile 0.1.0, on a thread of its own", ": the panic in a drop", "thread-local"],
    );
}

#[test]
fn one_in_new_names_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("hostile.toml");
    std::fs::write(&config, "case = \"crash-in-new-exit\"").expect("written");
    let mut command = Command::new(artefacts().wshost());
    command.arg("--plugin").arg(artefacts().of("hostile")).arg("--engine-config").arg(&config);
    let (code, stdout, stderr) = outcome(command);
    assert_eq!((code, stdout.as_str()), (70, ""), "{stderr}");
    assert_says(&stderr, &["ended by exit(0) in new of engine hostile 0.1.0", "thread wshost"]);
}
