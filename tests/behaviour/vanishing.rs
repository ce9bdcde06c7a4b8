//! Clients that come and vanish in great numbers (FAULTS L7): nothing stays of them.

use crate::common::{Host, Raw, ask, connect, wait_until};
use socket2::SockRef;
use std::time::Duration;

/// Comes and goes in one of several ways.
fn vanish(host: &Host, request: &str, way: usize) {
    let mut raw = Raw::dial(host);
    match way % 6 {
        0 => {}
        1 => raw.send(&request.as_bytes()[..request.len() / 2]),
        2 => raw.send(request.as_bytes()),
        3 => {
            raw.send(request.as_bytes());
            assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
        }
        4 => {
            raw.send(request.as_bytes());
            assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
            // A frame that has only begun.
            raw.send(&[0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5]);
        }
        _ => raw.send(request.replace("Version: 13", "Version: 8").as_bytes()),
    }
    if (way / 6).is_multiple_of(2) {
        // This makes a reset of an orderly end.
        SockRef::from(&raw.0).set_linger(Some(Duration::ZERO)).expect("it may be set");
    }
}

/// Has so many come and go, from several threads.
fn have_vanish(host: &Host, count: usize) {
    const THREADS: usize = 4;
    let request = Raw::request("/");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let request = &request;
            scope.spawn(move || (thread..count).step_by(THREADS).for_each(|way| vanish(host, request, way / THREADS)));
        }
    });
}

/// FAULTS L7. `WSHOST_TEST_VANISHING=100000` has as many come as its text says.
#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_that_come_and_vanish_nothing_stays() {
    let count = std::env::var("WSHOST_TEST_VANISHING").map_or(10_000, |count| count.parse().expect("a number"));
    let host = Host::with("echo", &["--handshake-timeout", "3s"]);
    let mut client = connect(&host, "/").await;
    let descriptors = host.descriptors();
    // First make the host allocate everything that it keeps for good.
    have_vanish(&host, 2_000);
    host.wait_for_descriptors(descriptors);
    let before = host.resident();
    have_vanish(&host, count);
    host.wait_for_descriptors(descriptors);
    let after = host.resident();
    eprintln!("{count} came: {before} bytes before, {after} after, {descriptors} descriptors");
    assert!(after < before + before / 5 + (8 << 20), "{before} bytes before, {after} after {count}");
    wait_until(|| host.control(&["status", "--json"]).1.contains("\"connections\":1,"));
    assert_eq!(ask(&mut client, "still here").await, "still here");
}
