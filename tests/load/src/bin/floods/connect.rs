//! A connection past its handshake.

use crate::kinds::request;
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long the host may take for a handshake, even before this was mended.
const DEADLINE: Duration = Duration::from_secs(30);

/// Connects.
pub(crate) fn open(address: &str, path: &str, compress: bool) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(&request(path, compress))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).context("no answer to a handshake")?;
        head.push(byte[0]);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101 "), "refused: {}", String::from_utf8_lossy(&head));
    Ok(stream)
}
