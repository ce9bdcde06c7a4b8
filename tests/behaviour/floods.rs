//! Clients that send anything as fast as they can. The other clients of their event loop must hardly notice.
//!
//! How little they notice is measured by `floods` of tests/load, on a quiet machine. Here the bounds are for any
//! machine: the delays that they rule out took seconds, for as long as the flood lasted.

use crate::common::{Deflating, Host, Raw, frame};
use socket2::Socket;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest time that half of the answers may take.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a newcomer may take from its connection to its first answer.
const NEWCOMER: Duration = Duration::from_secs(2);
/// How long each flood is observed.
const LOOK: Duration = Duration::from_millis(400);
const HONEST: usize = 20;
/// About how many bytes are written at a time: as many as one read of the host may bring.
const CHUNK: usize = 512 * 1024;

/// A client that floods until it is dropped.
struct Flood {
    stream: Socket,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Sends `bytes` again and again, and reads the answers.
    fn start(stream: impl Into<Socket>, bytes: Vec<u8>) -> Flood {
        let stream = stream.into();
        let [mut writer, mut reader] = [0; 2].map(|_| stream.try_clone().expect("a socket can be shared"));
        let writes = thread::spawn(move || while writer.write_all(&bytes).is_ok() {});
        let reads = thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => return,
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        });
        Flood { stream, threads: vec![writes, reads] }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.threads.drain(..).for_each(|thread| thread.join().expect("it floods until it is stopped"));
    }
}

/// How long a client waits for its answer.
fn ask(client: &mut Raw) -> Duration {
    let began = Instant::now();
    client.send(&frame(0x81, b"still there?"));
    assert_eq!(client.read_frame(), (0x81, b"still there?".to_vec()));
    began.elapsed()
}

/// Looks after honest clients and newcomers, while it floods.
fn check(host: &Host, what: &str) {
    let mut honest: Vec<_> = (0..HONEST).map(|_| Raw::open(host, "/")).collect();
    let (began, mut waits) = (Instant::now(), Vec::new());
    while began.elapsed() < LOOK {
        waits.extend(honest.iter_mut().map(ask));
    }
    waits.sort_unstable();
    let median = waits[waits.len() / 2];
    assert!(median < PATIENCE, "{what}: half of the answers take longer than {median:?}");
    let mut newcomers = [0; 3].map(|_| {
        let began = Instant::now();
        ask(&mut Raw::open(host, "/"));
        began.elapsed()
    });
    newcomers.sort_unstable();
    assert!(newcomers[1] < NEWCOMER, "{what}: newcomers are answered after {newcomers:?}");
}

/// A frame as often as it goes into one write.
fn again(frame: &[u8]) -> Vec<u8> {
    frame.repeat(CHUNK / frame.len())
}

#[test]
fn a_client_that_floods_does_not_keep_the_others_waiting() {
    let host = Host::with("echo", &["--loops", "1"]);
    let fragments = [frame(0x01, b"x"), frame(0x00, b"x").repeat(998), frame(0x80, b"x")].concat();
    let floods = [
        ("empty pings", again(&frame(0x89, b""))),
        ("pongs", again(&frame(0x8a, b""))),
        ("empty texts", again(&frame(0x81, b""))),
        ("small texts", again(&frame(0x81, &[b'x'; 100]))),
        ("messages of one-byte fragments", again(&fragments)),
        ("messages of 1 MiB", frame(0x82, &vec![7; 1024 * 1024])),
        ("pings behind a reply", [frame(0x82, &vec![7; 100_000]), again(&frame(0x89, b""))].concat()),
    ];
    for (what, bytes) in floods {
        let _flood = Flood::start(Raw::open(&host, "/").0, bytes);
        check(&host, what);
    }
    let mut endless = Raw::open(&host, "/");
    endless.send(&frame(0x01, b"x"));
    let _flood = Flood::start(endless.0, again(&frame(0x00, b"")));
    check(&host, "a message of empty fragments without end");
}

/// Half of them on a Unix socket.
#[test]
fn ten_clients_that_flood_do_not_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("wshost.sock");
    let listen = format!("unix:{}", socket.display());
    let host = Host::with("echo", &["--loops", "1", "--listen", &listen]);
    let pings = again(&frame(0x89, b""));
    let near = || {
        let mut stream = UnixStream::connect(&socket).expect("wshost listens");
        stream.write_all(Raw::request("/").as_bytes()).expect("sent");
        Flood::start(stream, pings.clone())
    };
    let far = || Flood::start(Raw::open(&host, "/").0, pings.clone());
    let _floods: Vec<_> = (0..5).flat_map(|_| [near(), far()]).collect();
    check(&host, "empty pings from ten clients");
}

#[test]
fn a_client_that_floods_with_compressed_messages_does_not_either() {
    let host = Host::with("echo", &["--loops", "1", "--compress"]);
    let start = |message: &[u8], times: usize| {
        let mut client = Deflating::offer(&host, "/", &["permessage-deflate"]);
        assert!(!client.answer.is_empty(), "compression is agreed on");
        let bytes = frame(0xc2, &client.deflated(message)).repeat(times);
        Flood::start(client.raw.0, bytes)
    };
    for (what, message, times) in
        [("small compressed messages", &b"all work and no play"[..], 20_000), ("bombs", &[0; 1024 * 1024][..], 100)]
    {
        let _flood = start(message, times);
        check(&host, what);
    }
    let _flood = Flood::start(Raw::open(&host, "/").0, again(&frame(0x89, b"")));
    check(&host, "empty pings where others compress");
}

#[test]
fn a_client_that_floods_an_engine_with_jobs_does_not_either() {
    let host = Host::with("cpu-bound", &["--loops", "1", "--workers", "1"]);
    let _flood = Flood::start(Raw::open(&host, "/").0, again(&frame(0x81, &[b'x'; 100])));
    let began = Instant::now();
    let mut newcomer = Raw::open(&host, "/");
    newcomer.send(&frame(0x89, b"still there?"));
    assert_eq!(newcomer.read_frame(), (0x8a, b"still there?".to_vec()));
    assert!(began.elapsed() < NEWCOMER, "{:?}", began.elapsed());
}
