//! A peer: an echo server of tokio and yawc, made as fast as they allow.
//!
//! One `current_thread` runtime, one task per connection, TCP_NODELAY. All messages that can be had without waiting are
//! fed to the sink, and only then is it flushed. Text is checked to be UTF-8, which yawc leaves out unless told: all the
//! others do it. The handshake is tokio-tungstenite's: the library's own would go through hyper and leave hyper's boxed
//! stream in the way.

use anyhow::{Context as _, Result};
use clap::Parser;
use futures_util::future::poll_fn;
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::task::Poll;
use tokio::net::{TcpListener, TcpStream};
use yawc::{OpCode, Options, Role, WebSocket, WebSocketError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const READ_SIZE: usize = 16 << 10;
/// As wshost; the default is lower.
const MAX_MESSAGE: usize = 64 << 20;

/// Echoes WebSocket messages, by yawc alone; ends by a signal.
#[derive(Debug, Parser)]
struct Cli {
    /// The address to listen on; port 0 picks a free one. One line on stdout names it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let listener = TcpListener::bind(cli.listen).await.with_context(|| format!("listening on {}", cli.listen))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await.context("accepting")?;
        tokio::spawn(async move {
            // Where a client just goes, that isn't worth a word.
            if let Err(error) = serve(stream).await
                && !error.is::<std::io::Error>()
                && !matches!(error.downcast_ref(), Some(WebSocketError::IoError(_) | WebSocketError::ConnectionClosed))
            {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn serve(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    // A client sends nothing before it has the answer, so that no byte is lost here.
    let stream = tokio_tungstenite::accept_async(stream).await?.into_inner();
    let options = Options::default()
        .with_utf8()
        .with_max_payload_read(MAX_MESSAGE)
        .with_max_read_buffer(MAX_MESSAGE)
        .with_read_buffer_capacity(READ_SIZE)
        .with_write_buffer_capacity(READ_SIZE);
    let mut socket = WebSocket::from_stream(stream, Role::Server, options)?;
    while let Some(frame) = socket.next().await {
        let mut frame = frame;
        loop {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                socket.feed(frame).await?;
            }
            // Whether there is another one at once; if not, the task is woken when there is.
            match poll_fn(|context| Poll::Ready(socket.poll_next_unpin(context))).await {
                Poll::Ready(Some(next)) => frame = next,
                Poll::Ready(None) => return Ok(()),
                Poll::Pending => break,
            }
        }
        socket.flush().await?;
    }
    Ok(())
}
