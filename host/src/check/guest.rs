//! The client that visits the engine. It accepts whatever the engine sends; it only finds out whether the engine has
//! finished and whether the connection goes on.

use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// After this long without a frame, ask whether a callback is still at work.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A connected client.
#[derive(Debug)]
pub(super) struct Guest {
    socket: WebSocketStream<TcpStream>,
    pings: u32,
}

/// The answer to a client that asks to connect.
#[derive(Debug)]
pub(super) enum Welcome {
    In(Box<Guest>),
    /// The HTTP status.
    Rejected(u16),
}

/// What a client received until the engine had dealt with its message.
#[derive(Debug)]
pub(super) struct Heard {
    /// The number of messages.
    pub messages: usize,
    pub then: AfterMessage,
}

/// How the connection stands after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AfterMessage {
    /// The connection goes on.
    GoesOn,
    /// The connection seems to go on, but the engine answers no pings.
    NoPong,
    /// The connection has ended with this close code.
    Ended { code: u16, reason: String },
}

impl Guest {
    /// Asks to connect.
    pub(super) async fn connect(url: &str) -> Result<Welcome, String> {
        let address = url.trim_start_matches("ws://").trim_end_matches('/');
        let stream = TcpStream::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match client_async_with_config(url, stream, Some(config)).await {
            Ok((socket, _)) => Ok(Welcome::In(Box::new(Guest { socket, pings: 0 }))),
            Err(Error::Http(response)) => Ok(Welcome::Rejected(Response::status(&response).as_u16())),
            Err(error) => Err(format!("the handshake failed: {error}")),
        }
    }

    /// Sends a message, and waits until the engine has dealt with it. `busy` tells whether a callback is at work.
    ///
    /// A connection's callbacks run one after another, so the answer to a ping shows that the callbacks before it are
    /// done.
    pub(super) async fn say(&mut self, message: Option<Message>, busy: impl Fn() -> bool) -> Heard {
        self.pings += 1;
        let ping = Bytes::from(format!("wshost check {}", self.pings));
        let mut messages = 0;
        let mut send = message.into_iter().chain([Message::Ping(ping.clone())]);
        let then = loop {
            if let Some(message) = send.next() {
                // An error also shows up in the reads below, after the frames that came before it.
                let _ = self.socket.send(message).await;
                continue;
            }
            match timeout(PATIENCE, self.socket.next()).await {
                Ok(Some(Ok(Message::Pong(pong)))) if pong == ping => break AfterMessage::GoesOn,
                Ok(Some(Ok(Message::Text(_) | Message::Binary(_)))) => messages += 1,
                Ok(Some(Ok(Message::Close(frame)))) => break ended(frame),
                Ok(Some(Ok(_))) => {}
                Ok(None | Some(Err(_))) => break AfterMessage::Ended { code: 1006, reason: String::new() },
                Err(_) if busy() => {}
                Err(_) => break AfterMessage::NoPong,
            }
        };
        Heard { messages, then }
    }

    /// Closes the connection in good order. Returns the close code of the other side, if it sends one.
    pub(super) async fn leave(mut self) -> Option<u16> {
        let _ = self.socket.close(Some(CloseFrame { code: 1000.into(), reason: "".into() })).await;
        let mut code = None;
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Close(frame) = message {
                code = Some(frame.map_or(1005, |frame| frame.code.into()));
            }
        }
        code
    }
}

fn ended(frame: Option<CloseFrame>) -> AfterMessage {
    match frame {
        Some(frame) => AfterMessage::Ended { code: frame.code.into(), reason: frame.reason.as_str().to_owned() },
        None => AfterMessage::Ended { code: 1005, reason: String::new() },
    }
}
