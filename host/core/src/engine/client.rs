//! The functions of a client that engines call.

use super::{Client, Core, Event};
use crate::client::Closing;
use crate::client::order::Part;
use crate::protocol::Opcode;
use plugin_api::abi::{ClientId, PartView};
use plugin_api::hosting::{EngineEvent, HostClient};
use plugin_api::{Sent, State};
use std::time::Duration;

impl HostClient<Core> for Client {
    fn id(&self) -> ClientId {
        let (high, low) = Client::id(self);
        ClientId { high, low }
    }

    fn peer(&self) -> &str {
        Client::peer(self)
    }

    fn resource(&self) -> &str {
        Client::resource(self)
    }

    fn subprotocol(&self) -> &str {
        Client::subprotocol(self)
    }

    fn idle(&self) -> Duration {
        Client::idle(self)
    }

    fn state(&self) -> State {
        match self.closing() {
            Closing::No => State::Open,
            Closing::Begun | Closing::Sent => State::Closing,
            Closing::Gone => State::Closed,
        }
    }

    fn is_pinged(&self) -> bool {
        Client::is_pinged(self)
    }

    fn buffered(&self) -> usize {
        Client::buffered(self)
    }

    #[inline]
    fn send_text(&self, text: &str) -> Sent {
        self.send(Opcode::Text, text.as_bytes())
    }

    #[inline]
    fn send_binary(&self, data: &[u8]) -> Sent {
        self.send(Opcode::Binary, data)
    }

    fn begin_message(&self) -> u64 {
        Client::begin_message(self)
    }

    fn send_part(&self, part: PartView<'_>) -> Sent {
        let opcode = if part.binary { Opcode::Binary } else { Opcode::Text };
        let data = part.data.as_slice().to_owned();
        Client::send_part(self, Part { message: part.message, opcode, last: part.last, data })
    }

    fn abandon_message(&self, _message: u64) {
        Client::abandon_message(self);
    }

    fn ping(&self, data: &[u8]) -> Sent {
        self.send_control(Opcode::Ping, data)
    }

    fn pong(&self, data: &[u8]) -> Sent {
        self.send_control(Opcode::Pong, data)
    }

    fn close(&self, code: u16, reason: &str) -> Sent {
        Client::close(self, code, reason)
    }

    fn close_now(&self, code: u16, reason: &str) -> Sent {
        Client::close_now(self, code, reason)
    }

    fn discard_buffered(&self) -> usize {
        Client::discard_buffered(self)
    }

    fn pause_reading(&self, paused: bool) -> Sent {
        Client::pause_reading(self, paused)
    }

    fn join(&self, group: &str) -> Sent {
        Client::join(self, group)
    }

    fn leave(&self, group: &str) -> bool {
        Client::leave(self, group)
    }

    fn post(&self, event: EngineEvent<Core>) -> Sent {
        let generation = event.generation();
        let event = Event::new(event, self.audience().activity.begin());
        // This is checked only now, since from here on a swap waits for the event.
        if generation.is_present() { Client::post(self, event) } else { Sent::Gone }
    }
}
