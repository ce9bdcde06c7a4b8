//! Keepalive: idle clients are pinged, and those that do not answer are closed.

use crate::common::{Host, Raw, frame};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PING: u8 = 0x89;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_idle_client_that_answers_pings_stays() {
    let host = Host::with("probe", &["--ping-after", "1s", "--close-after-no-pong", "1s"]);
    let mut raw = Raw::open(&host, "/");
    for _ in 0..3 {
        let begin = Instant::now();
        assert_eq!(raw.read_frame(), (PING, vec![]));
        assert!(begin.elapsed() > SECOND / 2, "not before it has been idle");
        raw.send(&frame(0x8a, b""));
    }
    raw.send(&frame(0x81, b"echo still here"));
    assert_eq!(raw.read_frame(), (0x81, b"still here".to_vec()));
}

/// FAULTS K1.
#[test]
fn each_silence_is_pinged_whatever_is_done_about_missing_pongs() {
    let settings = [&[][..], &["--close-after-no-pong", "0s"], &["--close-after-no-pong", "60s"]];
    let tried = settings.map(|setting| {
        thread::spawn(move || {
            let host = Host::with("probe", &[&["--ping-after", "1s"], setting].concat());
            let mut raw = Raw::open(&host, "/");
            for _ in 0..3 {
                let begin = Instant::now();
                assert_eq!(raw.read_frame(), (PING, vec![]));
                assert!(begin.elapsed() > SECOND / 2, "not before it has been idle");
                raw.send(&frame(0x8a, b""));
            }
        })
    });
    tried.into_iter().for_each(|tried| tried.join().expect("three pings, each after a silence"));
}

#[test]
fn a_silent_client_is_pinged_then_closed() {
    let host = Host::with("probe", &["--ping-after", "1s", "--close-after-no-pong", "1s"]);
    let begin = Instant::now();
    let mut raw = Raw::open(&host, "/silent");
    assert_eq!(raw.read_frame(), (PING, vec![]));
    assert!(begin.elapsed() >= SECOND);
    let (first, payload) = raw.read_frame();
    assert_eq!((first, &payload[..2], &payload[2..]), (0x88, &1008_u16.to_be_bytes()[..], &b"no pong"[..]));
    assert!(begin.elapsed() >= 2 * SECOND);
    assert!(raw.read_rest().is_empty(), "TCP is dropped");
    host.wait_for_log(1, &["closed /silent with"]);
}

// L5
#[test]
fn a_client_whose_process_is_stopped_is_closed() {
    let host = Host::with("probe", &["--ping-after", "1s", "--close-after-no-pong", "1s"]);
    let (address, port) = host.address().split_once(':').expect("an address and a port");
    let mut client = Command::new("bash");
    client.arg("-c").arg(r#"exec 3<>"/dev/tcp/$0/$1"; printf %s "$2" >&3; exec cat <&3"#);
    let mut client =
        client.args([address, port, &Raw::request("/stopped")]).stdout(Stdio::null()).spawn().expect("bash");
    host.wait_for_log(1, &["connection opened", "/stopped"]);
    let pid = Pid::from_child(&client);
    kill_process(pid, Signal::STOP).expect("it can be stopped");
    host.wait_for_log(1, &["closed /stopped with"]);
    client.kill().expect("it can be ended");
    client.wait().expect("it ends");
}

/// The frames that `opinionated` sends when a ping is due, in either order: a ping goes ahead of a waiting message.
fn read_ping_due(raw: &mut Raw) {
    let mut came = [raw.read_frame(), raw.read_frame()];
    came.sort_unstable();
    assert_eq!(came, [(0x81, b"PingDue".to_vec()), (PING, b"still there?".to_vec())]);
}

#[test]
fn an_engine_has_its_own_default_and_its_own_on_idle() {
    let host = Host::with("opinionated", &[]);
    let begin = Instant::now();
    read_ping_due(&mut Raw::open(&host, "/"));
    assert!(begin.elapsed() >= SECOND);
}

#[test]
fn the_operator_overrides_an_engine_s_default() {
    let host = Host::with("opinionated", &["--close-after-no-pong", "1s"]);
    let mut raw = Raw::open(&host, "/");
    read_ping_due(&mut raw);
    assert_eq!(raw.read_frame(), (0x81, b"PongMissing".to_vec()));
    let (first, payload) = raw.read_frame();
    assert_eq!((first, &payload[..2], &payload[2..]), (0x88, &4000_u16.to_be_bytes()[..], &b"bored"[..]));
}
