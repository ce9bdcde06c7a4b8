//! The baseline peer for fan-out: every message goes to every client, by tokio and tokio-tungstenite alone.
//!
//! One `current_thread` runtime, one task per connection, TCP_NODELAY, a `tokio::sync::broadcast` channel for all: the
//! ordinary way. A message is shared, not copied, until tungstenite puts it into each client's frames. A client's task
//! feeds everything that waits for it, and only then flushes; with `--flush-each` it sends one message after the other,
//! as the examples of tokio-tungstenite do. A client that falls further behind than the channel holds is dropped, so
//! that one that doesn't read costs a bounded amount of memory.

use anyhow::{Context as _, Result};
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::broadcast::{Sender, channel};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error, Message};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const READ_SIZE: usize = 16 << 10;
/// Messages that the channel holds.
const BEHIND: usize = 4096;

/// Sends every WebSocket message to every client, by tokio-tungstenite alone; ends by a signal.
#[derive(Debug, Parser)]
struct Cli {
    /// The address to listen on; port 0 picks a free one. One line on stdout names it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Write each message by itself, even where more of them wait for a client.
    #[arg(long)]
    flush_each: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let listener = TcpListener::bind(cli.listen).await.with_context(|| format!("listening on {}", cli.listen))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let everyone = channel(BEHIND).0;
    loop {
        let (stream, peer) = listener.accept().await.context("accepting")?;
        let everyone = everyone.clone();
        tokio::spawn(async move {
            match serve(stream, everyone, cli.flush_each).await {
                // Where a client just goes, that isn't worth a word.
                Ok(()) | Err(Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_)) => {}
                Err(error) => eprintln!("{peer}: {error}"),
            }
        });
    }
}

async fn serve(stream: TcpStream, everyone: Sender<Message>, flush_each: bool) -> tungstenite::Result<()> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(READ_SIZE);
    // Before the handshake is answered: from then on the client is one of all.
    let mut inbox = everyone.subscribe();
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    loop {
        tokio::select! {
            message = inbox.recv() => {
                let Ok(message) = message else { return Ok(()) };
                socket.feed(message).await?;
                while !flush_each {
                    match inbox.try_recv() {
                        Ok(message) => socket.feed(message).await?,
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return Ok(()),
                    }
                }
                socket.flush().await?;
            }
            message = socket.next() => {
                let Some(message) = message.transpose()? else { return Ok(()) };
                if message.is_text() || message.is_binary() {
                    // There is a receiver: this one.
                    let _ = everyone.send(message);
                }
            }
        }
    }
}
