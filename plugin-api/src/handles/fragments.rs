//! Messages that are sent in parts, before their length is known.

use super::{Client, Sent};
use crate::abi::PartView;
use std::fmt;
use std::marker::PhantomData;

/// One message to one client, sent in fragments (RFC 6455 section 5.4).
///
/// Each part is sent as it is written. From the first part until [`finish`](Fragments::finish), other messages to this
/// client wait, in order; pings, pongs and closing do not. If this is dropped with its message unfinished, the client
/// is closed with 1011, since it has got an incomplete message. For the same reason, a part that finds the client's
/// backlog full closes the client with 1008, whatever the policy.
/// If a new generation takes over before the message is finished, nobody can finish it, and the client is closed with 1012.
///
/// ```
/// # use plugin_api::prelude::*;
/// fn send_report(client: &Client, lines: &[String]) {
///     let mut report = client.text_fragments();
///     for line in lines {
///         report.send(line);
///     }
///     report.finish("the end");
/// }
/// ```
pub struct Fragments<T: ?Sized> {
    client: Client,
    message: u64,
    begun: bool,
    finished: bool,
    kind: PhantomData<fn(&T)>,
}

impl<T: ?Sized + sealed::Payload> Fragments<T> {
    pub(crate) fn new(client: Client) -> Self {
        let message = client.begin_message();
        Fragments { client, message, begun: false, finished: false, kind: PhantomData }
    }

    /// Sends the next part.
    pub fn send(&mut self, part: &T) -> Sent {
        self.begun = true;
        self.part(part, false)
    }

    /// Sends the last part, which may be empty.
    pub fn finish(mut self, last: &T) -> Sent {
        self.finished = true;
        self.part(last, true)
    }

    fn part(&self, part: &T, last: bool) -> Sent {
        let data = part.bytes().into();
        self.client.send_part(PartView { message: self.message, binary: T::BINARY, last, data })
    }
}

impl<T: ?Sized> Drop for Fragments<T> {
    fn drop(&mut self) {
        if self.begun && !self.finished {
            self.client.abandon_message(self.message);
        }
    }
}

impl<T: ?Sized> fmt::Debug for Fragments<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fragments(to {:?})", self.client)
    }
}

mod sealed {
    /// `str` or bytes.
    pub trait Payload {
        const BINARY: bool;
        fn bytes(&self) -> &[u8];
    }

    impl Payload for str {
        const BINARY: bool = false;
        fn bytes(&self) -> &[u8] {
            self.as_bytes()
        }
    }

    impl Payload for [u8] {
        const BINARY: bool = true;
        fn bytes(&self) -> &[u8] {
            self
        }
    }
}
