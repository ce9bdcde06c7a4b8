//! One client that does not read, among a thousand that do (FAULTS L2).

use crate::common::{DEADLINE, Host, Raw, artefacts, frame, raise_descriptor_limit};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

const CLIENTS: usize = 1000;
/// A broadcast, whose frame has a header of 4 bytes.
const SIZE: usize = 8000;
/// More than goes into a Unix socket and the backlog together, in broadcasts.
fn enough() -> usize {
    let buffer = fs::read_to_string("/proc/sys/net/core/wmem_default").ok().and_then(|text| text.trim().parse().ok());
    80.max(2 * buffer.unwrap_or(0_usize) / SIZE)
}

/// A client on a Unix socket, whose buffer does not grow.
fn open(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("wshost listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
    stream.write_all(Raw::request("/").as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// Has the first client broadcast, until all have heard it. Returns how long that takes.
fn broadcast(clients: &mut [UnixStream]) -> Duration {
    let began = Instant::now();
    clients[0].write_all(&frame(0x81, &[b'x'; SIZE])).expect("sent");
    let mut heard = [0; SIZE + 4];
    for client in clients {
        client.read_exact(&mut heard).expect("everyone hears it");
        assert!(heard[..2] == [0x81, 126] && heard[4..] == [b'x'; SIZE]);
    }
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn one_stalled_reader_among_a_thousand_is_closed_at_its_limit_and_nobody_else_notices() {
    raise_descriptor_limit();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("wshost.sock");
    let listen = format!("unix:{}", socket.display());
    let plugin = artefacts().of("broadcast").to_str().expect("a path in UTF-8");
    let options = ["--plugin", plugin, "--listen", &listen, "--loops", "1", "--workers", "1", "--max-backlog", "64KiB"];
    let host = Host::start(artefacts().wshost(), &options);
    let mut clients: Vec<_> = (0..CLIENTS - 1).map(|_| open(&socket)).collect();
    let before = median((0..enough() / 2).map(|_| broadcast(&mut clients)).collect());
    let resident = host.resident();

    let mut stalled = open(&socket);
    let with = median((0..enough()).map(|_| broadcast(&mut clients)).collect());
    assert!(with < 3 * before + Duration::from_millis(50), "{with:?} instead of {before:?}");
    host.wait_for_log(1, &["backlog"]);
    // Its waiting data is limited: it gets at most the bytes in its socket, its backlog's limit and one message.
    let mut got = Vec::new();
    stalled.read_to_end(&mut got).expect("it is closed in an orderly way");
    assert!(got.len() < (enough() - 1) * (SIZE + 4), "it misses something: {} bytes", got.len());
    let grown = host.resident().saturating_sub(resident);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes more are resident");
}
