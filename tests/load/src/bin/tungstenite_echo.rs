//! The baseline peer: an echo server of tokio and tokio-tungstenite and nothing else, made as fast as they allow.
//!
//! One `current_thread` runtime, one task per connection, TCP_NODELAY. All messages that can be had without waiting are
//! fed to the sink, and only then is it flushed: one write for all of them, where `send` would make one each. Messages
//! are passed on as they are, without a copy. The read buffer is 16 KiB, where tokio-tungstenite's own default of
//! 128 KiB for each connection would fill caches with empty space.

use anyhow::{Context as _, Result};
use clap::Parser;
use futures_util::future::poll_fn;
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::task::Poll;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const READ_SIZE: usize = 16 << 10;

/// Echoes WebSocket messages, by tokio-tungstenite alone; ends by a signal.
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
            match serve(stream).await {
                // Where a client just goes, that isn't worth a word.
                Ok(()) | Err(Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_)) => {}
                Err(error) => eprintln!("{peer}: {error}"),
            }
        });
    }
}

async fn serve(stream: TcpStream) -> tungstenite::Result<()> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(READ_SIZE);
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let mut message = message?;
        loop {
            if message.is_text() || message.is_binary() {
                socket.feed(message).await?;
            }
            // Whether there is another one at once; if not, the task is woken when there is.
            match poll_fn(|context| Poll::Ready(socket.poll_next_unpin(context))).await {
                Poll::Ready(Some(next)) => message = next?,
                Poll::Ready(None) => return Ok(()),
                Poll::Pending => break,
            }
        }
        socket.flush().await?;
    }
    Ok(())
}
