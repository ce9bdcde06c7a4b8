//! How much memory is allocated while messages are echoed: none.
//!
//! The engine is linked into this program, so that one allocator counts for both sides of the boundary. The client is of
//! plain sockets and buffers that it keeps, and allocates nothing itself.

#[path = "../linked/mod.rs"]
mod linked;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use wshost::server::Left;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Times that a message goes to and fro in one measurement.
const ROUNDS: usize = 1_000;
/// Measurements until there must have been one without allocations: buffers have grown to what they are good for by then.
const ATTEMPTS: usize = 10;

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Bytes of a message, and how many are sent with one write.
const WORKS: [(usize, usize); 6] = [(0, 1), (20, 1), (125, 16), (1024, 16), (65_536, 4), (1 << 20, 1)];

#[test]
fn an_echoed_message_allocates_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = ["--listen", "127.0.0.1:0", "--loops", "1", "--workers", "1"];
    let (running, url) = linked::start(options.map(Into::into), runtime.handle()).unwrap();
    let mut client = connect(&url).unwrap();
    for (size, in_flight) in WORKS {
        let mut counts = Vec::new();
        while counts.last() != Some(&0) {
            let messages = ROUNDS * in_flight;
            assert!(counts.len() < ATTEMPTS, "{size} bytes, {in_flight} in flight: {counts:?} per {messages} messages");
            counts.push(allocations(&mut client, size, in_flight).unwrap());
        }
    }
    drop(client);
    assert_eq!(running.drain(Duration::from_secs(5)), Left::default());
}

/// How many allocations it took to echo these messages.
fn allocations(client: &mut TcpStream, size: usize, in_flight: usize) -> io::Result<u64> {
    let request = frame(size, true).repeat(in_flight);
    let expected = frame(size, false).repeat(in_flight);
    let mut reply = vec![0; expected.len()];
    let mut round = || {
        client.write_all(&request)?;
        client.read_exact(&mut reply)?;
        // Without a word on what differs: that would allocate.
        assert!(reply == expected);
        Ok::<_, io::Error>(())
    };
    let before = dhat::HeapStats::get().total_blocks;
    (0..ROUNDS).try_for_each(|_| round())?;
    Ok(dhat::HeapStats::get().total_blocks - before)
}

/// A binary message in one frame; as a client sends it, with a masking key of zeros, which masks to the same bytes.
fn frame(size: usize, from_client: bool) -> Vec<u8> {
    let mask_bit = if from_client { 0x80 } else { 0 };
    let mut frame = vec![0x82];
    match size {
        0..126 => frame.push(mask_bit | size as u8),
        126..65_536 => {
            frame.push(mask_bit | 126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask_bit | 127);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    if from_client {
        frame.extend_from_slice(&[0; 4]);
    }
    frame.resize(frame.len() + size, b'x');
    frame
}

fn connect(url: &str) -> io::Result<TcpStream> {
    let address = url.trim_start_matches("ws://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(HANDSHAKE)?;
    let mut response = Vec::new();
    let mut byte = [0];
    while !response.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        response.extend_from_slice(&byte);
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&response));
    Ok(stream)
}
