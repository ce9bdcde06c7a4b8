//! Clients: tokio-tungstenite, which shares no code with the server's frame layer, and raw sockets for what it refuses
//! to send.

use super::{DEADLINE, Host};
use futures_util::{SinkExt, StreamExt};
use std::io::{Read, Write};
use std::net::TcpStream;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, http::Response};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// A connected tokio-tungstenite client.
pub(crate) type Client = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Connects, taking messages of any size.
pub(crate) async fn connect(host: &Host, path: &str) -> Client {
    try_connect(host, path).await.expect("the handshake succeeds").0
}

/// Tries to connect.
pub(crate) async fn try_connect(host: &Host, path: &str) -> Result<(Client, Response<Option<Vec<u8>>>), Error> {
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    connect_async_with_config(host.url(path), Some(config), true).await
}

/// Sends a text.
pub(crate) async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.expect("the connection takes messages");
}

/// The next text; pings and pongs that come before it are passed over.
pub(crate) async fn hear(client: &mut Client) -> String {
    let next = async {
        loop {
            match client.next().await.expect("the connection is open").expect("a message") {
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Text(text) => return text.as_str().to_owned(),
                other => panic!("a text is expected: {other:?}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, next).await.expect("a text comes")
}

/// Sends a text, and returns the next one that comes.
pub(crate) async fn ask(client: &mut Client, text: &str) -> String {
    say(client, text).await;
    hear(client).await
}

/// Reads to the end, which also answers a close. Returns the close code, or 1006 if there was none.
pub(crate) async fn closed_with(client: &mut Client) -> u16 {
    let end = async {
        let mut code = 1006;
        while let Some(Ok(message)) = client.next().await {
            if let Message::Close(frame) = message {
                code = frame.map_or(1005, |frame| frame.code.into());
            }
        }
        code
    };
    tokio::time::timeout(DEADLINE, end).await.expect("the connection ends")
}

/// A client that writes bytes.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    /// A TCP connection.
    pub(crate) fn dial(host: &Host) -> Raw {
        let stream = TcpStream::connect(host.address()).expect("wshost listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        Raw(stream)
    }

    /// A connection past its handshake.
    pub(crate) fn open(host: &Host, path: &str) -> Raw {
        let mut raw = Raw::dial(host);
        raw.send(Raw::request(path).as_bytes());
        let head = raw.read_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    /// A valid request.
    pub(crate) fn request(path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the connection takes bytes");
    }

    /// The head of a response.
    pub(crate) fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read(1));
        }
        String::from_utf8(head).expect("a head in UTF-8")
    }

    /// Reads this many bytes.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("bytes come");
        bytes
    }

    /// An unmasked frame: its first byte and its payload.
    pub(crate) fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.read(2);
        assert!(head[1] < 128, "an unmasked frame: {head:?}");
        let length = match head[1] {
            126 => self.read(2),
            127 => self.read(8),
            length => vec![length],
        };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        (head[0], self.read(length))
    }

    /// The code of the close frame that comes next, and that the connection ends behind it.
    pub(crate) fn read_close(&mut self) -> u16 {
        let (first, payload) = self.read_frame();
        assert_eq!(first, 0x88, "a close frame");
        assert!(self.read_rest().is_empty(), "nothing follows a close frame");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    /// Everything up to the end.
    pub(crate) fn read_rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the connection ends in an orderly way");
        rest
    }
}

/// A masked frame with this first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
