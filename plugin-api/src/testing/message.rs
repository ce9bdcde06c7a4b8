//! What goes over the wire that there is not: messages, and the frames that they come in.

/// Nothing: `assert_eq!(alice.received(), NOTHING)`.
pub const NOTHING: [Message; 0] = [];

/// A message or control frame, in either direction.
///
/// A text compares with a `&str`: `assert_eq!(alice.received(), ["one", "two"])`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame.
    Close {
        /// The close code; 1005 where the frame has none.
        code: u16,
        /// The reason.
        reason: String,
    },
}

/// One frame that a client got: a whole message, a part of one, or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What is in it; of a message in fragments, this part.
    pub content: Message,
    /// Whether the message ends with it.
    pub last: bool,
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<String>) -> Self {
        Message::Text(text.into())
    }

    /// A binary message.
    pub fn binary(data: impl Into<Vec<u8>>) -> Self {
        Message::Binary(data.into())
    }

    /// A ping.
    pub fn ping(data: impl Into<Vec<u8>>) -> Self {
        Message::Ping(data.into())
    }

    /// A pong.
    pub fn pong(data: impl Into<Vec<u8>>) -> Self {
        Message::Pong(data.into())
    }

    /// A close frame.
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        Message::Close { code, reason: reason.into() }
    }

    /// Whether it is a ping, a pong or a close frame.
    pub(super) fn is_control(&self) -> bool {
        !matches!(self, Message::Text(_) | Message::Binary(_))
    }

    fn payload_len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(data) | Message::Ping(data) | Message::Pong(data) => data.len(),
            Message::Close { code: crate::close_code::NO_STATUS, .. } => 0,
            Message::Close { reason, .. } => 2 + reason.len(),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Message::text(text)
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        matches!(self, Message::Text(text) if text == other)
    }
}

impl Frame {
    /// A frame that is a whole message.
    pub(super) fn whole(content: Message) -> Self {
        Frame { content, last: true }
    }

    /// Its length on the wire (RFC 6455 section 5.2), which is what counts to a backlog.
    pub(super) fn len(&self) -> usize {
        let payload = self.content.payload_len();
        let header = match payload {
            0..=125 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        };
        header + payload
    }
}

/// Joins frames to messages. What belongs to a message whose last part is missing stays in `frames`.
pub(super) fn join(frames: &mut Vec<Frame>) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut parts = Vec::new();
    for frame in frames.drain(..) {
        if frame.content.is_control() {
            messages.push(frame.content);
            continue;
        }
        let last = frame.last;
        parts.push(frame);
        if last {
            messages.extend(parts.drain(..).map(|part| part.content).reduce(append));
        }
    }
    *frames = parts;
    messages
}

/// The parts of a message are all of its kind.
fn append(whole: Message, part: Message) -> Message {
    match (whole, part) {
        (Message::Text(whole), Message::Text(part)) => Message::Text(whole + &part),
        (Message::Binary(whole), Message::Binary(part)) => Message::Binary([whole, part].concat()),
        (whole, _) => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, last: bool) -> Frame {
        Frame { content: Message::text(text), last }
    }

    #[test]
    fn frames_are_joined_to_messages_and_a_torso_stays() {
        let ping = Frame::whole(Message::ping("p"));
        let mut frames = vec![part("a", false), ping, part("b", true), part("c", true), part("d", false)];
        assert_eq!(join(&mut frames), [Message::ping("p"), Message::text("ab"), Message::text("c")]);
        assert_eq!(frames, [part("d", false)]);
        frames.push(part("e", true));
        assert_eq!(join(&mut frames), ["de"]);
    }

    #[test]
    fn a_frame_is_as_long_as_on_the_wire() {
        let lengths = [(0, 2), (125, 127), (126, 130), (0xFFFF, 0x1_0003), (0x1_0000, 0x1_000A)];
        for (payload, length) in lengths {
            assert_eq!(Frame::whole(Message::binary(vec![0; payload])).len(), length);
        }
        assert_eq!(Frame::whole(Message::close(1005, "")).len(), 2);
        assert_eq!(Frame::whole(Message::close(1000, "bye")).len(), 7);
    }
}
