//! Connections are dealt evenly to the event loops.

use crate::common::{Host, Raw, raise_descriptor_limit};

#[test]
fn with_1000_connections_no_loop_has_more_than_a_tenth_above_the_mean() {
    raise_descriptor_limit();
    let loops = 4;
    let host = Host::with("echo", &["--loops", &loops.to_string()]);
    let mut connections: Vec<Raw> = (0..600).map(|_| Raw::open(&host, "/")).collect();
    // Connections that go leave gaps, which new ones fill.
    connections.drain(..200);
    host.wait_for_log(200, &["connection closed"]);
    connections.extend((0..600).map(|_| Raw::open(&host, "/")));
    host.wait_for_log(1200, &["connection opened"]);
    for index in 0..loops {
        let event_loop = format!("event_loop={index}");
        let of = |what| host.log().lines().filter(|line| line.contains(what) && line.contains(&event_loop)).count();
        let connected = of("connection opened") - of("connection closed");
        assert!(connected * 10 <= 1000 / loops * 11, "loop {index} has {connected} of 1,000");
    }
}
