//! A peer: an echo server of tokio and fastwebsockets, made as fast as they allow.
//!
//! One `current_thread` runtime, one task per connection, TCP_NODELAY, tasks that tokio does not interrupt, as in the
//! library's own example. It writes each frame by itself, so that a stream beneath it collects what a batch of messages is
//! answered with. The handshake is tokio-tungstenite's: the library's own would go through hyper and leave hyper's boxed
//! stream in the way.

use anyhow::{Context as _, Result};
use clap::Parser;
use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket, WebSocketError};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use wshost_load::coalesce::Coalesced;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Echoes WebSocket messages, by fastwebsockets alone; ends by a signal.
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
        tokio::spawn(tokio::task::unconstrained(async move {
            // Where a client just goes, that isn't worth a word.
            if let Err(error) = serve(stream).await
                && !error.is::<std::io::Error>()
                && !matches!(error.downcast_ref(), Some(WebSocketError::IoError(_) | WebSocketError::UnexpectedEOF))
            {
                eprintln!("{peer}: {error}");
            }
        }));
    }
}

async fn serve(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    // A client sends nothing before it has the answer, so that no byte is lost here.
    let stream = tokio_tungstenite::accept_async(stream).await?.into_inner();
    let socket = WebSocket::after_handshake(Coalesced::new(stream), Role::Server);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Close => break,
            // The library answers them, and the close above.
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
    tokio::io::AsyncWriteExt::shutdown(&mut socket.into_inner()).await?;
    Ok(())
}
