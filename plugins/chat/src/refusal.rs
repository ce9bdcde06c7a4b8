//! Why the chat does not do what a client asks for: a code for programs, a sentence for people.

use std::time::Duration;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("This begins like JSON, but is none: {0}.")]
    NotJson(String),
    #[error("This request is not complete, or a part has the wrong type: {0}.")]
    BadRequest(String),
    #[error("There is no request of type {0:?}; there are join, say and who.")]
    UnknownType(String),
    #[error("A name is needed.")]
    NameEmpty,
    #[error("A name has at most {0} characters.")]
    NameTooLong(usize),
    #[error("A name has no control characters and none that change the direction of writing.")]
    NameBad,
    #[error("Somebody in this room is called {0} already.")]
    NameTaken(String),
    #[error("The name of a room has 1 to {0} letters, digits, hyphens and underscores.")]
    RoomBad(usize),
    #[error("This room is full: {0} people are in it.")]
    RoomFull(usize),
    #[error("There are too many rooms; join one that exists, or try again later.")]
    TooManyRooms,
    #[error("Join first: {{\"type\":\"join\",\"name\":\"Ann\"}}")]
    NotJoined,
    #[error("An empty message is not sent.")]
    MessageEmpty,
    #[error("A message has at most {0} characters.")]
    MessageTooLong(usize),
    #[error("That was too much at once; wait {} s.", .0.as_secs_f32().ceil())]
    TooFast(Duration),
}

impl Refusal {
    /// The same for programs; these names are part of the protocol.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotJson(_) => "not-json",
            Refusal::BadRequest(_) => "bad-request",
            Refusal::UnknownType(_) => "unknown-type",
            Refusal::NameEmpty => "name-empty",
            Refusal::NameTooLong(_) => "name-too-long",
            Refusal::NameBad => "name-bad",
            Refusal::NameTaken(_) => "name-taken",
            Refusal::RoomBad(_) => "room-bad",
            Refusal::RoomFull(_) => "room-full",
            Refusal::TooManyRooms => "too-many-rooms",
            Refusal::NotJoined => "not-joined",
            Refusal::MessageEmpty => "message-empty",
            Refusal::MessageTooLong(_) => "message-too-long",
            Refusal::TooFast(_) => "too-fast",
        }
    }

    /// When it is worth to try the same again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Refusal::TooFast(wait) => Some(*wait),
            _ => None,
        }
    }
}
