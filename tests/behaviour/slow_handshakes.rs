//! Handshakes that take long, or are made to take long, and their effect on others (FAULTS H3, H5).

use crate::common::{DEADLINE, Host, Raw, frame, raise_descriptor_limit};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// The times of this many echoes, the longest last.
fn echoes(client: &mut Raw, count: usize) -> Vec<Duration> {
    let mut took: Vec<_> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            client.send(&frame(0x81, b"hi"));
            assert_eq!(client.read_frame().1, b"hi");
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    took
}

fn p99(took: &[Duration]) -> Duration {
    took[took.len() * 99 / 100]
}

/// FAULTS H3
#[test]
fn two_thousand_that_say_nothing_or_a_byte_at_a_time_are_cut_and_nobody_notices() {
    const EACH: usize = 1000;
    const PATIENCE: Duration = Duration::from_secs(3);
    raise_descriptor_limit();
    let host = Host::with("echo", &["--handshake-timeout", "3s"]);
    let mut honest = Raw::open(&host, "/");
    honest.0.set_nodelay(true).expect("no delay");
    let before = echoes(&mut honest, 400);
    let request = Raw::request("/");
    // The odd ones trickle, the even ones say nothing.
    let dial = |number| {
        let raw = Raw::dial(&host);
        raw.0.set_nonblocking(true).expect("it may be set");
        (raw, Instant::now(), number % 2 == 1)
    };
    let mut waiting: Vec<_> = (0..2 * EACH).map(dial).collect();
    let (mut during, mut bytes) = (Vec::new(), request.bytes());
    let (mut next_byte, until) = (Instant::now(), Instant::now() + DEADLINE);
    while !waiting.is_empty() {
        assert!(Instant::now() < until, "{} are still there", waiting.len());
        if Instant::now() >= next_byte {
            let byte = [bytes.next().expect("a request takes longer than they have")];
            // Connections that are cut are found below.
            for (raw, ..) in waiting.iter_mut().filter(|(_, _, trickles)| *trickles) {
                drop(raw.0.write(&byte));
            }
            next_byte = Instant::now() + Duration::from_secs(1);
        }
        during.extend(echoes(&mut honest, 50));
        waiting.retain_mut(|(raw, since, _)| match raw.0.read(&mut [0; 64]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            came => {
                let early = since.elapsed() + Duration::from_millis(100) < PATIENCE;
                assert!(!early && matches!(came, Ok(0) | Err(_)), "{came:?} after {:?}", since.elapsed());
                false
            }
        });
    }
    during.sort_unstable();
    let (before, during) = (p99(&before), p99(&during));
    assert!(during < before * 10 + Duration::from_millis(200), "p99 was {before:?} before and {during:?} beside them");
    host.wait_for_log(1, &["handshake failed", "not complete after 3s"]);
}

/// FAULTS H5: if the reading time grew with the square of the length, it would be thousands of times as long.
#[test]
fn a_head_made_to_be_read_slowly_takes_as_long_as_another_of_its_size() {
    const SIZE: usize = 14 * 1024;
    // Longer ones are refused with 414.
    const TARGET: usize = 7 * 1024;
    let host = Host::with("echo", &["--compress"]);
    let filled = |part: &str| part.repeat(SIZE / part.len());
    let took = |path: &str, header: &str| {
        let request = Raw::request(path).replace("Host: localhost", &format!("Host: localhost\r\n{header}"));
        let before = host.processor_time();
        for _ in 0..100 {
            let mut raw = Raw::dial(&host);
            raw.send(request.as_bytes());
            let head = raw.read_head();
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        }
        host.processor_time() - before
    };
    let plain = took("/", &format!("X: {}", filled("a")));
    for header in [
        format!("Sec-WebSocket-Protocol: a{}b", filled(" ")),
        format!("Sec-WebSocket-Protocol: {}b", filled("a,")),
        format!("Sec-WebSocket-Extensions: permessage-deflate{}", filled(";a")),
        format!("Sec-WebSocket-Extensions: {}b", filled("permessage-deflate,")),
        format!("Sec-WebSocket-Extensions: permessage-deflate; a=\"{}\"", filled("\\\\")),
        format!("Connection: {}b", filled("a,")),
        format!("Upgrade: {}b", filled(" ,")),
        format!("Cookie: {}", filled("a=b; ")),
        filled("A: b\r\n")[..90 * 6 - 2].to_owned(),
    ] {
        let slow = took("/", &header);
        let limit = plain * 20 + Duration::from_millis(500);
        assert!(slow < limit, "{slow:?} instead of {plain:?} for {}", &header[..40]);
    }
    for path in ["%61", "/", "/.", "/%2e%2E", "%"] {
        let slow = took(&format!("/{}", path.repeat(TARGET / path.len())), "X: y");
        assert!(slow < plain * 20 + Duration::from_millis(500), "{slow:?} instead of {plain:?} for {path}");
    }
    // More than a head may have.
    let mut raw = Raw::dial(&host);
    let spaces = " ".repeat(32 * 1024);
    raw.send(Raw::request("/").replace("Host: ", &format!("Sec-WebSocket-Protocol: a{spaces}b\r\nHost: ")).as_bytes());
    assert!(raw.read_head().starts_with("HTTP/1.1 431 "));
}
