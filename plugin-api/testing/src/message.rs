//! What goes over the wire: messages, and the frames that they come in.

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
        /// The close code; 1005 if the frame has none.
        code: u16,
        /// The reason.
        reason: String,
    },
}

/// One frame: a whole message, a part of one, or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What is in it, inflated; of a message in fragments, this part.
    pub content: Message,
    /// Whether the message ends with it.
    pub last: bool,
    /// Whether it came compressed. What a client sends is compressed if it has [agreed](crate::Handshake::compress) on that
    /// with the host, whatever this says.
    pub compressed: bool,
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
    pub(crate) fn is_control(&self) -> bool {
        !matches!(self, Message::Text(_) | Message::Binary(_))
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
    pub fn whole(content: impl Into<Message>) -> Self {
        Frame { content: content.into(), last: true, compressed: false }
    }

    /// A frame with a part of a message that goes on in another.
    ///
    /// ```
    /// # use plugin_testing::Frame;
    /// let (first, last) = (Frame::part("to be "), Frame::whole("continued"));
    /// assert!(!first.last && last.last);
    /// ```
    pub fn part(content: impl Into<Message>) -> Self {
        Frame { last: false, ..Frame::whole(content) }
    }
}

/// Joins frames to messages. What belongs to a message whose last part is missing stays in `frames`.
pub(crate) fn join(frames: &mut Vec<Frame>) -> Vec<Message> {
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

    #[test]
    fn frames_are_joined_to_messages_and_a_torso_stays() {
        let ping = Frame::whole(Message::ping("p"));
        let mut frames = vec![Frame::part("a"), ping, Frame::whole("b"), Frame::whole("c"), Frame::part("d")];
        assert_eq!(join(&mut frames), [Message::ping("p"), Message::text("ab"), Message::text("c")]);
        assert_eq!(frames, [Frame::part("d")]);
        frames.push(Frame::whole("e"));
        assert_eq!(join(&mut frames), ["de"]);
    }
}
