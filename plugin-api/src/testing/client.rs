//! The client's side of a connection, in the hand of the test.

use super::boundary;
use super::connection::Connection;
use super::handshake::header;
use super::message::{Frame, Message};
use super::outgoing::Closing;
use super::remote::{MAX_CONTROL, MAX_REASON, Remote, is_close_code};
use super::world::World;
use crate::{Client, ClientId, State};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A connected client: sends as it, and sees what it gets.
///
/// It does what every WebSocket library does by itself: it reads at once, and answers pings and close frames that it
/// gets, unless told otherwise. What it sends is with the engine when the call returns, and so is what the engine sends
/// back, but for jobs and timers: see [`TestHost::run_jobs`](super::TestHost::run_jobs).
///
/// Dropped, it disconnects.
#[must_use = "a client that is dropped disconnects"]
pub struct TestClient {
    world: Rc<World>,
    connection: Rc<RefCell<Connection>>,
    remote: Arc<Remote>,
    /// What the engine added to the response.
    headers: Vec<(String, String)>,
}

impl TestClient {
    pub(super) fn new(
        world: Rc<World>,
        connection: Rc<RefCell<Connection>>,
        remote: Arc<Remote>,
        headers: Vec<(String, String)>,
    ) -> Self {
        TestClient { world, connection, remote, headers }
    }

    /// Sends a text message.
    ///
    /// # Panics
    ///
    /// As all that sends, where the connection is closed: the test is then not where it believes to be.
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

    /// Sends whatever it is.
    #[track_caller]
    pub fn send(&self, message: Message) {
        match &message {
            Message::Ping(data) | Message::Pong(data) => {
                assert!(data.len() <= MAX_CONTROL, "a ping or pong has at most {MAX_CONTROL} bytes");
            }
            Message::Close { code, reason } => {
                assert!(is_close_code(*code), "{code} is no close code that a client may send (RFC 6455 section 7.4)");
                assert!(reason.len() <= MAX_REASON, "the reason of a close frame has at most {MAX_REASON} bytes");
            }
            Message::Text(_) | Message::Binary(_) => {}
        }
        let (over, closed) = {
            let connection = self.connection.borrow();
            (connection.has_ended(), connection.client_said_goodbye)
        };
        assert!(!over, "{self:?} cannot send {message:?}: its connection is closed");
        assert!(!closed, "{self:?} cannot send {message:?}: it has sent a close frame already");
        self.world.act(|| self.connection.borrow_mut().send(message));
    }

    /// Has the host read in one go what the client sends meanwhile: `on_read_complete` comes once, behind all of it.
    pub fn in_one_read(&self, sends: impl FnOnce()) {
        self.connection.borrow_mut().corked = true;
        sends();
        self.world.act(|| self.connection.borrow_mut().corked = false);
    }

    /// Breaks the connection, without a close frame. Harmless where it is closed.
    pub fn disconnect(&self) {
        self.world.act(|| self.connection.borrow_mut().disconnect());
    }

    /// What came since this was last asked, in order. Messages in fragments are joined; one whose last part has not come
    /// is not among them.
    pub fn received(&self) -> Vec<Message> {
        self.world.settle();
        self.remote.outgoing().take_messages()
    }

    /// As [`received`](TestClient::received), but frame by frame, with the parts of messages as they came.
    pub fn received_frames(&self) -> Vec<Frame> {
        self.world.settle();
        self.remote.outgoing().take_frames()
    }

    /// Reads nothing from now on, so that what is sent to it piles up in its backlog.
    pub fn stop_reading(&self) {
        self.remote.outgoing().set_reads(false);
    }

    /// Reads again, all that waits first.
    pub fn start_reading(&self) {
        self.world.act(|| self.remote.outgoing().set_reads(true));
    }

    /// Answers no ping and no close frame from now on, as a peer that has lost its network. What the test has it send
    /// arrives all the same.
    pub fn fall_silent(&self) {
        self.connection.borrow_mut().answers = false;
    }

    /// How many of its messages the host has not read: the engine has paused reading, 64 jobs of this client wait, or
    /// the client does not read itself.
    pub fn unread(&self) -> usize {
        self.world.settle();
        self.connection.borrow().unread()
    }

    /// Whether the connection is open, closing or closed.
    pub fn state(&self) -> State {
        self.world.settle();
        self.current_state()
    }

    /// The subprotocol that the engine agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        Some(self.remote.subprotocol()).filter(|name| !name.is_empty())
    }

    /// A header that the engine added to the response, case-insensitively.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Its id, by which [`EngineFailure::client`](super::EngineFailure::client) names it.
    pub fn id(&self) -> ClientId {
        self.remote.id()
    }

    /// The engine's handle of this client, to call functions of the engine's own that take one.
    pub fn handle(&self) -> Client {
        boundary::give(Arc::clone(&self.remote))
    }

    fn current_state(&self) -> State {
        match self.remote.closing() {
            Closing::No => State::Open,
            Closing::Begun | Closing::Sent => State::Closing,
            Closing::Gone => State::Closed,
        }
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
        write!(f, "TestClient({} from {}, {:?})", self.remote.resource(), self.remote.peer(), self.current_state())
    }
}
