//! Groups of clients, and messages to all of them.

use super::{Client, Host};
use crate::abi::{AudienceView, ClientHandle, ClientVisitor};
use crate::contain::entry::entries;
use std::fmt;

/// Clients that one message reaches: the members of a group, or all clients of the engine.
///
/// A message to a group is encoded once and shared by all its members. Each member gets it in order with everything
/// else that the same thread sends to it.
///
/// ```
/// # use plugin_api::prelude::*;
/// fn say(host: &Host, speaker: &Client, text: &str) {
///     speaker.join("lobby");
///     host.group("lobby").except(speaker).send_text(text);
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Group<'a> {
    host: &'a Host,
    whom: Whom<'a>,
    except: Option<&'a Client>,
}

#[derive(Clone, Copy)]
pub(crate) enum Whom<'a> {
    Everyone,
    Members(&'a str),
}

impl<'a> Group<'a> {
    pub(crate) fn new(host: &'a Host, whom: Whom<'a>) -> Self {
        Group { host, whom, except: None }
    }

    /// The same group without this client, such as the sender of the message.
    #[must_use]
    pub fn except(self, client: &'a Client) -> Self {
        Group { except: Some(client), ..self }
    }

    /// Sends a text message. Returns how many clients it was queued for.
    pub fn send_text(&self, text: &str) -> usize {
        let (object, table) = self.host.object();
        // SAFETY: the host's handle owns one count of the object; the views live for the call.
        unsafe { (table.broadcast_text)(object, self.view(), text.into()) }
    }

    /// Sends a binary message. Returns how many clients it was queued for.
    pub fn send_binary(&self, data: &[u8]) -> usize {
        let (object, table) = self.host.object();
        // SAFETY: as in `send_text`.
        unsafe { (table.broadcast_binary)(object, self.view(), data.into()) }
    }

    /// The clients, as of now.
    pub fn clients(&self) -> Vec<Client> {
        let (object, table) = self.host.object();
        let mut clients = Vec::new();
        let visitor = ClientVisitor { object: (&raw mut clients).cast(), visit };
        // SAFETY: as in `send_text`; the visitor is used during the call only.
        unsafe { (table.clients)(object, self.view(), visitor) };
        clients
    }

    /// How many clients there are, as of now.
    pub fn len(&self) -> usize {
        let (object, table) = self.host.object();
        // SAFETY: as in `send_text`.
        unsafe { (table.count)(object, self.view()) }
    }

    /// Whether there is no client, as of now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn view(&self) -> AudienceView<'a> {
        let except = self.except.map_or(std::ptr::null(), Client::object);
        match self.whom {
            Whom::Everyone => AudienceView { everyone: true, group: "".into(), except },
            Whom::Members(group) => AudienceView { everyone: false, group: group.into(), except },
        }
    }
}

entries! {
    fn visit(object: *mut (), client: ClientHandle) {
        // SAFETY: the object is the vector of the running `clients`, and the count is ours.
        unsafe { (*object.cast::<Vec<Client>>()).push(Client::owning(client)) }
    }
}

impl fmt::Debug for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whom {
            Whom::Everyone => write!(f, "Group(everyone"),
            Whom::Members(name) => write!(f, "Group({name:?}"),
        }?;
        if self.except.is_some() { write!(f, " except one)") } else { write!(f, ")") }
    }
}
