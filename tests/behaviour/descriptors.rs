//! When there is no file descriptor left (FAULTS L3): newcomers are told, everyone else goes on.

use crate::common::{DEADLINE, Host, Raw, artefacts, ask, connect, wait_until};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs;
use std::time::{Duration, Instant};

/// Has the host have no more descriptors open than it has, and so many.
fn limit(host: &Host, more: usize) {
    let pid = Pid::from_raw(i32::try_from(host.pid()).expect("a pid"));
    let current = Some((host.descriptors() + more) as u64);
    prlimit(pid, Resource::Nofile, Rlimit { current, maximum: current }).expect("it may be lowered");
}

/// Asks for a connection. `None`: it is open and held; otherwise the whole answer.
fn newcomer(host: &Host, held: &mut Vec<Raw>) -> Option<String> {
    let mut raw = Raw::dial(host);
    raw.send(Raw::request("/").as_bytes());
    let head = raw.read_head();
    if head.starts_with("HTTP/1.1 101 ") {
        held.push(raw);
        return None;
    }
    Some(head + &String::from_utf8(raw.read_rest()).expect("UTF-8"))
}

/// Connects until there is no room, and returns the first refusal.
fn fill(host: &Host, held: &mut Vec<Raw>) -> String {
    for _ in 0..1000 {
        if let Some(refusal) = newcomer(host, held) {
            return refusal;
        }
    }
    panic!("{} connections, and still room", held.len());
}

/// FAULTS L3
#[tokio::test(flavor = "multi_thread")]
async fn without_room_newcomers_get_503_and_everyone_else_goes_on() {
    let host = Host::with("probe", &[]);
    let mut client = connect(&host, "/").await;
    limit(&host, 40);
    let mut held = Vec::new();
    let refusal = fill(&host, &mut held);
    assert!(held.len() > 10, "only {} connections", held.len());
    assert!(refusal.starts_with("HTTP/1.1 503 ") && refusal.ends_with("later.\r\n"), "{refusal}");
    assert!(refusal.contains("retry-after: 5\r\n") && refusal.contains("connection: close\r\n"), "{refusal}");
    let begun = Instant::now();
    for _ in 0..50 {
        assert!(newcomer(&host, &mut held).is_some_and(|refusal| refusal.starts_with("HTTP/1.1 503 ")));
    }
    assert!(begun.elapsed() < DEADLINE / 4, "50 refusals took {:?}", begun.elapsed());
    host.wait_for_log(1, &["refused with 503", "127.0.0.1:"]);
    assert_eq!(ask(&mut client, "job hello").await, "hello");
    let (code, status, stderr) = host.control(&["status"]);
    assert!(code == 0 && status.contains("probe"), "{status}{stderr}");

    // A client that says nothing is told, too.
    let mut silent = Raw::dial(&host);
    assert!(silent.read_head().starts_with("HTTP/1.1 503 "));
    let before = host.processor_time();
    std::thread::sleep(Duration::from_millis(500));
    let spent = host.processor_time() - before;
    assert!(spent < Duration::from_millis(250), "{spent:?} of processor time in 500 ms without work");

    held.clear();
    wait_until(|| newcomer(&host, &mut held).is_none());
    assert_eq!(ask(&mut client, "job hello").await, "hello");
}

/// FAULTS L3
#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_clients_an_engine_can_be_reloaded() {
    let host = Host::with("heir", &[]);
    let mut client = connect(&host, "/").await;
    limit(&host, 40);
    let mut held = Vec::new();
    fill(&host, &mut held);
    let (code, stdout, stderr) = host.control(&["reload"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(ask(&mut client, "text 0").await.ends_with("text 0"));
}

/// FAULTS L3
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_takes_every_descriptor_takes_not_the_last() {
    let host = Host::with("hostile", &[]);
    let mut client = connect(&host, "/descriptors").await;
    limit(&host, 60);
    assert_eq!(ask(&mut client, "take").await, " 0 take");
    let mut held = Vec::new();
    for _ in 0..20 {
        let refusal = newcomer(&host, &mut held).expect("a refusal");
        assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    }
    for _ in 0..5 {
        let (code, status, stderr) = host.control(&["status"]);
        assert!(code == 0 && status.contains("hostile"), "{status}{stderr}");
    }
    let plugin = artefacts().of("hostile").to_str().expect("UTF-8");
    let (code, _, stderr) = host.control(&["reload", "--plugin", plugin]);
    assert!(code != 0 && stderr.contains("Too many open files"), "{code} {stderr}");
    assert_eq!(ask(&mut client, "give").await, " 1 give");
    wait_until(|| newcomer(&host, &mut held).is_none());
}

/// FAULTS L3
#[test]
fn without_room_a_file_is_503_and_comes_when_there_is_room_again() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.txt"), "content").expect("written");
    let path = folder.path().display().to_string();
    let host = Host::with("echo", &["--static", &path]);
    let file = || {
        let mut raw = Raw::dial(&host);
        raw.send(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
        String::from_utf8(raw.read_rest()).expect("UTF-8")
    };
    assert!(file().starts_with("HTTP/1.1 200 "));
    limit(&host, 40);
    let mut held = Vec::new();
    fill(&host, &mut held);
    // Room for one more connection, and none for a file beside it.
    held.pop();
    wait_until(|| file().ends_with("The file cannot be served.\n"));
    let refused = file();
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 5\r\n"), "{refused}");
    host.wait_for_log(1, &["the file for /a.txt cannot be served, answered with 503"]);
    held.clear();
    wait_until(|| file().starts_with("HTTP/1.1 200 "));
}
