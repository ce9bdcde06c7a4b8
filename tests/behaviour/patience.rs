//! No deadline is held against a client for time in which the host did not read from it.

use crate::common::{Client, DEADLINE, Host, Raw, ask, connect, frame, raise_descriptor_limit, say};
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECOND: Duration = Duration::from_secs(1);
const IMPATIENT: [&str; 4] = ["--ping-after", "1s", "--close-after-no-pong", "1s"];

/// A client called ann, and one that tells the engine what to do with her.
async fn ann_and_bob(host: &Host) -> (Raw, Client) {
    let mut ann = Raw::open(host, "/ann");
    ann.send(&frame(0x81, b"name ann"));
    assert_eq!(ann.read_frame(), (0x81, b"named ann".to_vec()));
    (ann, connect(host, "/bob").await)
}

/// Lets time pass, in which bob answers pings.
async fn wait(bob: &mut Client, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        assert_eq!(ask(bob, "echo still here").await, "still here");
    }
}

/// The next frame that is no ping; pings are answered.
fn next_but_pings(raw: &mut Raw) -> (u8, Vec<u8>) {
    loop {
        match raw.read_frame() {
            (0x89, data) => raw.send(&frame(0x8a, &data)),
            other => return other,
        }
    }
}

/// Asserts that the client is still served: three pings later, too.
fn assert_served(raw: &mut Raw) {
    let mut pings = 0;
    while pings < 3 {
        match raw.read_frame() {
            (0x89, data) => {
                pings += 1;
                raw.send(&frame(0x8a, &data));
            }
            (first, payload) => assert_eq!(first, 0x81, "closed: {}", String::from_utf8_lossy(&payload)),
        }
    }
    raw.send(&frame(0x81, b"echo still here"));
    while next_but_pings(raw) != (0x81, b"still here".to_vec()) {}
}

/// FAULTS K2.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_the_loop_was_busy_came_in_time() {
    let host = Host::with("probe", &["--loops", "1", "--message-timeout", "1s"]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    let message = frame(0x81, b"echo a whole message");
    let (one, other) = message.split_at(10);
    ann.send(one);
    assert_eq!(ask(&mut bob, "echo the loop has seen it").await, "the loop has seen it");
    say(&mut bob, "sleep 2000").await;
    sleep(SECOND / 2);
    ann.send(other);
    assert_eq!(ann.read_frame(), (0x81, b"a whole message".to_vec()));
}

/// FAULTS K2. The clients' processes are stopped as well, as on a machine that stands still: their answers come later.
#[test]
fn a_process_that_was_stopped_holds_that_against_nobody() {
    let timeouts = ["--message-timeout", "1s", "--handshake-timeout", "1s"];
    let host = Host::with("probe", &[&["--loops", "1"][..], &IMPATIENT, &timeouts].concat());
    let request = Raw::request("/late");
    let mut pinged = Raw::open(&host, "/pinged");
    assert_eq!(pinged.read_frame(), (0x89, vec![]));
    let mut opening = Raw::dial(&host);
    let mut writing = Raw::open(&host, "/writing");
    opening.send(&request.as_bytes()[..20]);
    let message = frame(0x81, b"echo a whole message");
    writing.send(&message[..10]);
    let process = Pid::from_raw(host.pid() as i32).expect("a process");
    sleep(SECOND / 10);
    kill_process(process, Signal::STOP).expect("it can be stopped");
    sleep(SECOND * 3);
    kill_process(process, Signal::CONT).expect("it can go on");
    sleep(SECOND / 10);
    opening.send(&request.as_bytes()[20..]);
    writing.send(&message[10..]);
    pinged.send(&frame(0x8a, b""));
    assert!(opening.read_head().starts_with("HTTP/1.1 101 "));
    assert_eq!(next_but_pings(&mut writing), (0x81, b"a whole message".to_vec()));
    assert_served(&mut pinged);
}

/// FAULTS K2. More than a loop is told of at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_was_busy_closes_none_of_1500_clients_that_have_answered() {
    const CLIENTS: usize = 1500;
    raise_descriptor_limit();
    let host = Host::with("probe", &[&["--loops", "1"][..], &IMPATIENT].concat());
    let (answered, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..CLIENTS {
        let client = TcpStream::connect(host.address()).await.expect("wshost listens");
        tokio::spawn(answer_pings(client, Arc::clone(&answered), Arc::clone(&ended)));
    }
    let mut bob = connect(&host, "/bob").await;
    while ask(&mut bob, "count").await != (CLIENTS + 1).to_string() {}
    for round in 1..=2 {
        // Their pongs are on their way when the loop goes away.
        let all_answer = async {
            while answered.load(Ordering::Relaxed) < round * CLIENTS {
                assert_eq!(ask(&mut bob, "count").await, (CLIENTS + 1).to_string());
            }
        };
        tokio::time::timeout(DEADLINE, all_answer).await.expect("all are pinged");
        assert_eq!(ask(&mut bob, "sleep 2500").await, "slept");
        assert_eq!(ended.load(Ordering::Relaxed), 0, "clients that were closed");
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(ended.load(Ordering::Relaxed), 0, "clients that were closed");
}

/// Opens a connection, and answers pings after a while, nothing else.
async fn answer_pings(mut client: TcpStream, answered: Arc<AtomicUsize>, ended: Arc<AtomicUsize>) {
    let talk = async {
        client.write_all(Raw::request("/").as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        while client.read_u16().await? == 0x8900 {
            answered.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(SECOND / 4).await;
            client.write_all(&frame(0x8a, b"")).await?;
        }
        std::io::Result::Ok(())
    };
    let _ = talk.await;
    ended.fetch_add(1, Ordering::Relaxed);
}

/// FAULTS K3.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_the_engine_does_not_read_from_is_not_silent() {
    let host = Host::with("probe", &[&["--loops", "1", "--message-timeout", "1s"][..], &IMPATIENT].concat());
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    let message = frame(0x81, b"echo a whole message");
    ann.send(&message[..10]);
    assert_eq!(ask(&mut bob, "on ann pause").await, "Sent");
    wait(&mut bob, SECOND * 3).await;
    assert_eq!(ask(&mut bob, "on ann resume").await, "Sent");
    wait(&mut bob, SECOND / 10).await;
    ann.send(&message[10..]);
    assert_eq!(next_but_pings(&mut ann), (0x81, b"a whole message".to_vec()));
    assert_served(&mut ann);
}

/// FAULTS K3.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_jobs_wait_is_not_silent() {
    let host = Host::with("probe", &[&["--loops", "1", "--workers", "1"][..], &IMPATIENT].concat());
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    assert_eq!(ask(&mut bob, "shut").await, "the gate is shut");
    for _ in 0..100 {
        ann.send(&frame(0x81, b"hold"));
    }
    // Her answer to the ping lies behind the unread bytes.
    assert_eq!(ann.read_frame(), (0x89, vec![]));
    ann.send(&frame(0x8a, b""));
    wait(&mut bob, SECOND * 3).await;
    assert_eq!(ask(&mut bob, "open").await, "the gate is open");
    for _ in 0..100 {
        assert_eq!(next_but_pings(&mut ann).0, 0x81);
    }
    assert_served(&mut ann);
}

/// FAULTS K3.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_backlog_is_not_silent() {
    let limits = ["--loops", "1", "--backlog-policy", "drop"];
    let host = Host::with("probe", &[&limits[..], &IMPATIENT].concat());
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    // The kernel goes on taking something for a while after it was full.
    while ask(&mut bob, "on ann buffered").await.parse::<usize>().expect("a number") < 768 * 1024 {
        ask(&mut bob, "on ann fill 10000").await;
        wait(&mut bob, SECOND / 20).await;
    }
    wait(&mut bob, SECOND * 4).await;
    assert_eq!(ask(&mut bob, "on ann state").await, "Open");
    assert_served(&mut ann);
}
