//! Before and after the load: the handshake, and the closing. Both block; neither is measured.

use crate::bench::Wire;
use anyhow::{Context, Result, bail, ensure};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http::Uri};

/// How long a server may take to answer a handshake.
const OPENING_DEADLINE: Duration = Duration::from_secs(10);
/// How long all connections together may take to be closed by the server.
const CLOSING_DEADLINE: Duration = Duration::from_secs(2);
/// A close frame, RFC 6455 section 5.5.1, with status 1000, under an all-zero mask.
const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

/// Opens one connection and completes the handshake, if the wire has one.
pub fn open(url: &str, wire: Wire) -> Result<TcpStream> {
    let request = url.into_client_request().with_context(|| format!("{url} is no WebSocket address"))?;
    let stream = TcpStream::connect(address(request.uri())?).with_context(|| format!("connecting to {url}"))?;
    stream.set_nodelay(true)?;
    if wire == Wire::Raw {
        return Ok(stream);
    }
    stream.set_read_timeout(Some(OPENING_DEADLINE))?;
    let (socket, _) = tungstenite::client(request, stream).map_err(|error| match error {
        tungstenite::HandshakeError::Failure(error) => anyhow::Error::from(error),
        tungstenite::HandshakeError::Interrupted(_) => anyhow::anyhow!("no answer within {OPENING_DEADLINE:?}"),
    })?;
    // A server that speaks first would be cut off here, and found out at its first reply: an echo server doesn't.
    Ok(socket.into_inner())
}

/// Says good-bye on all connections, then waits for the server to close them, with a deadline.
pub fn close(streams: Vec<TcpStream>, wire: Wire) -> Result<()> {
    for mut stream in &streams {
        stream.set_nonblocking(false)?;
        // A server that is gone already has nothing to be told.
        if wire != Wire::Raw {
            let _ = stream.write_all(&CLOSE);
        }
        let _ = stream.shutdown(Shutdown::Write);
    }
    let deadline = Instant::now() + CLOSING_DEADLINE;
    let mut rest = [0; 256];
    for mut stream in streams {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut rest) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
    }
    Ok(())
}

fn address(uri: &Uri) -> Result<(&str, u16)> {
    ensure!(uri.scheme_str() == Some("ws"), "the address must begin with ws://");
    let Some(host) = uri.host() else { bail!("the address names no host") };
    Ok((host.trim_start_matches('[').trim_end_matches(']'), uri.port_u16().unwrap_or(80)))
}
