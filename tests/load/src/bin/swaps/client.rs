//! One client: what it sends, and the account that it keeps of every answer. Knows bytes and numbers, and no clock but
//! what it is told.

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the host may take for a handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// A final frame, as opcode: text, binary, close.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// A connection, and what is still to come on it.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    seat: u32,
    /// One in so many messages is a chat, the last of each such number.
    chat_every: u32,
    next: u32,
    unanswered: VecDeque<Message>,
    /// The number of the next chat of each in the room.
    chats: Vec<u32>,
    /// What the socket did not take at once.
    unsent: Vec<u8>,
    /// A frame of which only a part has come.
    partial: Vec<u8>,
}

/// A message that is on its way.
#[derive(Clone, Copy, Debug)]
struct Message {
    number: u32,
    sent: Instant,
    window: usize,
}

/// The answer to a message of this client's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) sent: Instant,
    /// In which it was sent.
    pub(crate) window: usize,
    /// Of the engine that gave it.
    pub(crate) build: u8,
}

/// What came in one go.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) answers: Vec<Answer>,
    /// Of anyone in the room, this client included.
    pub(crate) chats: u64,
    /// Texts, which only come where they were asked for.
    pub(crate) text: Option<String>,
}

impl Client {
    /// Connects to a seat in a room for `seats`.
    pub(crate) fn connect(
        address: SocketAddr,
        room: usize,
        seat: usize,
        seats: usize,
        chat_every: u32,
    ) -> Result<Client> {
        let mut stream = std::net::TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANDSHAKE_DEADLINE))?;
        let request = format!(
            "GET /?room={room}&seat={seat} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).context("no answer to the handshake")?;
            head.push(byte[0]);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101 "), "refused: {}", String::from_utf8_lossy(&head));
        stream.set_nonblocking(true)?;
        Ok(Client {
            stream: TcpStream::from_std(stream),
            seat: u32::try_from(seat)?,
            chat_every,
            next: 0,
            unanswered: VecDeque::new(),
            chats: vec![chat_every - 1; seats],
            unsent: Vec::new(),
            partial: Vec::new(),
        })
    }

    /// Sends its next message. Returns whether that is a chat.
    pub(crate) fn send(&mut self, now: Instant, window: usize) -> Result<bool> {
        let number = self.next;
        self.next += 1;
        let is_chat = number % self.chat_every == self.chat_every - 1;
        let mut payload = vec![if is_chat { b'c' } else { b'e' }];
        payload.extend(number.to_le_bytes());
        self.unanswered.push_back(Message { number, sent: now, window });
        self.write(&frame(BINARY, &payload))?;
        Ok(is_chat)
    }

    /// Sends a text.
    pub(crate) fn say(&mut self, text: &str) -> Result<()> {
        self.write(&frame(TEXT, text.as_bytes()))
    }

    /// Writes what the socket did not take before.
    pub(crate) fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a connection broke"),
            }
        }
        Ok(())
    }

    fn write(&mut self, frame: &[u8]) -> Result<()> {
        self.unsent.extend_from_slice(frame);
        self.flush()
    }

    /// Reads until nothing more is there, and checks what came.
    pub(crate) fn read(&mut self, buffer: &mut [u8], heard: &mut Heard) -> Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => bail!("a connection was dropped, without a close frame"),
                Ok(count) => self.take(&buffer[..count], heard)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a connection broke"),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], heard: &mut Heard) -> Result<()> {
        self.partial.extend_from_slice(bytes);
        let frames = std::mem::take(&mut self.partial);
        let mut rest = &frames[..];
        while let [first, length, behind @ ..] = rest {
            ensure!(*length < 126, "a frame that is longer than any answer");
            let Some((payload, behind)) = behind.split_at_checked(usize::from(*length)) else { break };
            self.check(*first, payload, heard)?;
            rest = behind;
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    fn check(&mut self, first: u8, payload: &[u8], heard: &mut Heard) -> Result<()> {
        match (first, payload) {
            (BINARY, [b'e', build, number @ ..]) => {
                heard.answers.push(self.answered(word(number)?, *build)?);
            }
            (BINARY, [b'c', build, rest @ ..]) => {
                let (number, seat) = rest.split_at_checked(4).context("a chat that is cut off")?;
                let (number, seat) = (word(number)?, word(seat)?);
                let expected = self.chats.get_mut(usize::try_from(seat)?).context("a chat of nobody in the room")?;
                ensure!(
                    number == *expected,
                    "a chat was lost, repeated or reordered: seat {seat} is at {number}, and {expected} was due"
                );
                *expected += self.chat_every;
                heard.chats += 1;
                if seat == self.seat {
                    heard.answers.push(self.answered(number, *build)?);
                }
            }
            (TEXT, text) => heard.text = Some(String::from_utf8_lossy(text).into_owned()),
            (0x88, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                bail!("a connection was closed with {code}: {}", String::from_utf8_lossy(reason));
            }
            _ => bail!("a frame that nobody asked for: {first:#x} {payload:?}"),
        }
        Ok(())
    }

    fn answered(&mut self, number: u32, build: u8) -> Result<Answer> {
        let Some(Message { number: due, sent, window }) = self.unanswered.pop_front() else {
            bail!("an answer was repeated: number {number} has been answered before");
        };
        ensure!(number == due, "an answer was lost or reordered: it is to {number}, and {due} was due");
        Ok(Answer { sent, window, build })
    }
}

fn word(bytes: &[u8]) -> Result<u32> {
    Ok(u32::from_le_bytes(bytes.try_into().context("an answer of the wrong length")?))
}

/// A short frame, under a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}
