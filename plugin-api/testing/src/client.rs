//! A client, in the hand of the test.

use crate::link::Link;
use crate::message::{Frame, Message};
use crate::world::World;
use plugin_api::hosting::HostClient;
use plugin_api::{Client, ClientId, State};
use std::fmt;
use std::rc::Rc;
use wshost_core::engine::Core;
use wshost_core::protocol::close;

/// Payload of a control frame at most (RFC 6455 section 5.5).
const MAX_CONTROL: usize = 125;
/// That, less the two bytes of a close code.
const MAX_REASON: usize = 123;

/// A connected client: sends as it, and sees what it gets.
///
/// It does what every WebSocket library does by itself: it reads at once, and answers pings and close frames that it
/// gets, unless told otherwise. What it sends is with the engine when the call returns, and so is what the engine sends
/// back, but for jobs and timers: see [`TestHost::run_jobs`](crate::TestHost::run_jobs).
///
/// Dropped, it disconnects.
#[must_use = "a client that is dropped disconnects"]
pub struct TestClient {
    world: Rc<World>,
    link: Rc<Link>,
    /// What the engine added to the response.
    headers: Vec<(String, String)>,
    /// The extensions that were agreed on, as the response words it.
    extensions: Option<String>,
}

impl TestClient {
    pub(crate) fn new(
        world: Rc<World>,
        link: Rc<Link>,
        headers: Vec<(String, String)>,
        extensions: Option<String>,
    ) -> Self {
        TestClient { world, link, headers, extensions }
    }

    /// Sends a text message.
    ///
    /// # Panics
    ///
    /// As all that sends, if the connection is closed: the test is then not where it believes to be.
    #[track_caller]
    pub fn text(&self, text: &str) {
        self.send(Message::text(text));
    }

    /// Sends a binary message.
    #[track_caller]
    pub fn binary(&self, data: &[u8]) {
        self.send(Message::binary(data));
    }

    /// Sends a ping of at most 125 bytes.
    #[track_caller]
    pub fn ping(&self, data: &[u8]) {
        self.send(Message::ping(data));
    }

    /// Sends a pong of at most 125 bytes. Those to pings that it gets, a client sends by itself.
    #[track_caller]
    pub fn pong(&self, data: &[u8]) {
        self.send(Message::pong(data));
    }

    /// Begins the closing handshake; 1005 sends a close frame without a code.
    #[track_caller]
    pub fn close(&self, code: u16, reason: &str) {
        self.send(Message::close(code, reason));
    }

    /// Sends whatever it is, in one frame.
    #[track_caller]
    pub fn send(&self, message: Message) {
        self.frame(Frame::whole(message));
    }

    /// Sends a message in one frame for each of these parts.
    ///
    /// ```
    /// # use plugin_api::prelude::*;
    /// # use plugin_testing::TestHost;
    /// # struct Echo;
    /// # impl Engine for Echo {
    /// #     type Session = ();
    /// #     fn new(_: Host, _: &Config) -> Result<Self> { Ok(Echo) }
    /// #     fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
    /// #         client.send_text(text);
    /// #         None
    /// #     }
    /// # }
    /// let host = TestHost::new::<Echo>();
    /// let alice = host.connect("/");
    /// alice.fragments(["to be ", "continued"]);
    /// assert_eq!(alice.received(), ["to be continued"]);
    /// ```
    #[track_caller]
    pub fn fragments<M: Into<Message>>(&self, parts: impl IntoIterator<Item = M>) {
        let mut parts = parts.into_iter().map(Into::into).peekable();
        while let Some(part) = parts.next() {
            self.frame(Frame { content: part, last: parts.peek().is_none(), compressed: false });
        }
    }

    /// Sends one frame. Behind one that was not the last of its message, the next goes on with that message.
    ///
    /// # Panics
    ///
    /// As all that sends. For what no client may send there is [`raw`](TestClient::raw).
    #[track_caller]
    pub fn frame(&self, frame: Frame) {
        match &frame.content {
            Message::Ping(data) | Message::Pong(data) => {
                assert!(data.len() <= MAX_CONTROL, "a ping or pong has at most {MAX_CONTROL} bytes");
                assert!(frame.last, "a ping or pong is one frame");
            }
            Message::Close { code, reason } => {
                let may_be_sent = *code == close::NO_STATUS || close::sendable(*code);
                assert!(may_be_sent, "{code} is no close code that a client may send (RFC 6455 section 7.4)");
                assert!(reason.len() <= MAX_REASON, "the reason of a close frame has at most {MAX_REASON} bytes");
                assert!(frame.last, "a close frame is one frame");
            }
            Message::Text(_) | Message::Binary(_) => {}
        }
        let content = &frame.content;
        assert!(self.current_state() != State::Closed, "{self:?} cannot send {content:?}: its connection is closed");
        let said_goodbye = self.link.has_said_goodbye();
        assert!(!said_goodbye, "{self:?} cannot send {content:?}: it has sent a close frame already");
        self.world.act(|| self.link.send(&frame));
    }

    /// Sends bytes as they are, also such as no client may send: the host then does what the protocol says.
    ///
    /// ```
    /// # use plugin_api::prelude::*;
    /// # use plugin_testing::{Message, TestHost, masked};
    /// # struct Silent;
    /// # impl Engine for Silent {
    /// #     type Session = ();
    /// #     fn new(_: Host, _: &Config) -> Result<Self> { Ok(Silent) }
    /// # }
    /// let host = TestHost::new::<Silent>();
    /// let mallory = host.connect("/");
    /// mallory.raw(&masked(0x81, b"\xFF")); // a text that is no UTF-8
    /// assert!(matches!(mallory.received()[..], [Message::Close { code: close_code::INVALID_DATA, .. }]));
    /// ```
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) {
        assert!(self.current_state() != State::Closed, "{self:?} cannot send: its connection is closed");
        self.world.act(|| self.link.send_raw(bytes));
    }

    /// Has the host read in one go what the client sends meanwhile: `on_read_complete` comes once, behind all of it.
    pub fn in_one_read(&self, sends: impl FnOnce()) {
        self.link.cork();
        sends();
        self.world.act(|| self.link.uncork());
    }

    /// Breaks the connection, without a close frame. Harmless if it is closed.
    pub fn disconnect(&self) {
        self.world.act(|| self.link.disconnect());
    }

    /// What came since this was last asked, in order. Messages in fragments are joined; one whose last part has not come
    /// is not among them.
    pub fn received(&self) -> Vec<Message> {
        self.world.settle();
        self.link.take_messages()
    }

    /// As [`received`](TestClient::received), but frame by frame, with the parts of messages as they came.
    pub fn received_frames(&self) -> Vec<Frame> {
        self.world.settle();
        self.link.take_frames()
    }

    /// Reads nothing from now on, so that what is sent to it piles up in its backlog.
    pub fn stop_reading(&self) {
        self.world.act(|| self.link.peer.set_window(Some(0)));
    }

    /// Reads again, all that waits first.
    pub fn start_reading(&self) {
        self.world.act(|| self.link.peer.set_window(None));
    }

    /// Answers no ping and no close frame from now on, as a peer that has lost its network. What the test has it send
    /// arrives all the same.
    pub fn fall_silent(&self) {
        self.link.fall_silent();
    }

    /// How many of its frames the host has not read: the engine has paused reading, 64 jobs of this client wait (and until
    /// half of them have run), or the client does not read itself.
    pub fn unread(&self) -> usize {
        self.world.settle();
        self.link.unread()
    }

    /// Whether the connection is open, closing or closed.
    pub fn state(&self) -> State {
        self.world.settle();
        self.current_state()
    }

    /// The subprotocol that the engine agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        Some(self.link.client.subprotocol()).filter(|name| !name.is_empty())
    }

    /// A header that the engine added to the response, case-insensitively.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// What the host agreed to of the [offer to compress](crate::Handshake::compress): the response's
    /// `Sec-WebSocket-Extensions`.
    pub fn extensions(&self) -> Option<&str> {
        self.extensions.as_deref()
    }

    /// Its id, by which [`EngineFailure::client`](crate::EngineFailure::client) names it.
    pub fn id(&self) -> ClientId {
        self.handle().id()
    }

    /// The engine's handle of this client, to call functions of the engine's own that take one. After a
    /// [swap](crate::TestHost::swap), handles of the generation before reach nobody: ask anew.
    pub fn handle(&self) -> Client {
        self.world.client(&self.link.client)
    }

    fn current_state(&self) -> State {
        HostClient::<Core>::state(&*self.link.client)
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        // A test that fails is to say why, and nothing else.
        if !std::thread::panicking() {
            self.disconnect();
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TestClient({} from {}, {:?})",
            self.link.client.resource(),
            self.link.client.peer(),
            self.current_state()
        )
    }
}

/// The value of the first header of this name.
pub(crate) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
