//! Memory behind a burst: it comes back.

use crate::common::{DEADLINE, Host, Raw, frame};
use rustix::process::{Pid, Signal, kill_process};
use std::thread;
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;

/// The most memory that a host may keep which had this much before: a fifth more, and a little for every thread.
fn near(before: usize) -> usize {
    before + before / 5 + 16 * MIB
}

/// Waits until the host has given back the memory that it does not need.
fn wait_until_near(host: &Host, before: usize, what: &str) {
    let until = Instant::now() + DEADLINE;
    while host.resident() > near(before) {
        let [now, before] = [host.resident(), before].map(|bytes| bytes / MIB);
        assert!(Instant::now() < until, "{what}: {now} MiB stay, {before} MiB were there before");
        thread::sleep(Duration::from_millis(100));
    }
}

/// This many clients, each in the middle of a message.
fn half_messages(host: &Host, clients: usize, size: usize) -> Vec<Raw> {
    let message = frame(0x82, &vec![7; size]);
    let begin = |_| {
        let mut client = Raw::open(host, "/");
        client.send(&message[..size * 9 / 10]);
        client
    };
    (0..clients).map(begin).collect()
}

/// FAULTS L4. All go at the same moment: their memory is freed within a few milliseconds, and nothing happens after
/// that.
#[test]
fn memory_returns_when_a_burst_is_over() {
    let host = Host::with("echo", &["--loops", "2"]);
    drop(half_messages(&host, 1, MIB));
    let before = host.resident();

    let clients = half_messages(&host, 200, MIB);
    let until = Instant::now() + DEADLINE;
    while host.resident() < before + 150 * MIB {
        assert!(Instant::now() < until, "the host takes in what clients send: {} MiB", host.resident() / MIB);
        thread::sleep(Duration::from_millis(10));
    }
    let signal =
        |signal| kill_process(Pid::from_raw(host.pid() as i32).expect("a process"), signal).expect("signalled");
    signal(Signal::STOP);
    drop(clients);
    signal(Signal::CONT);
    wait_until_near(&host, before, "200 clients were in the middle of a message, and have gone");
}

/// FAULTS L4. Clients that stay keep none of it.
#[test]
fn memory_returns_while_its_clients_stay() {
    let host = Host::with("echo", &["--loops", "2"]);
    let mut clients: Vec<_> = (0..50).map(|_| Raw::open(&host, "/")).collect();
    let before = host.resident();
    let message = vec![7; MIB];
    for client in &mut clients {
        let mut ends = client.0.try_clone().expect("a socket can be shared");
        let bytes = frame(0x82, &message);
        let writes = thread::spawn(move || std::io::Write::write_all(&mut ends, &bytes));
        assert_eq!(client.read_frame(), (0x82, message.clone()));
        writes.join().expect("written").expect("taken");
    }
    wait_until_near(&host, before, "50 clients have had a message of 1 MiB each, and stay");
}
