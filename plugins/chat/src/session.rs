//! What the chat keeps for one connection.

use crate::name::Name;
use crate::rate::Rate;
use crate::rooms::SharedRoom;
use percent_encoding::percent_decode_str;
use plugin_api::prelude::*;

/// One connection.
#[derive(Debug, Default)]
pub struct Session {
    /// What the connection's address asked for.
    pub asked: Asked,
    /// What it has sent of late.
    pub rate: Rate,
    /// Where it is; nowhere before it joined.
    pub seat: Option<Seat>,
}

/// What an address asks for, unchecked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The room; `None` for the lobby.
    pub room: Option<String>,
    /// The name under which to join at once.
    pub name: Option<String>,
}

/// A place in a room.
#[derive(Clone, Debug)]
pub struct Seat {
    pub room: SharedRoom,
    /// The room's name, and that of the group of those who are in it.
    pub room_name: Name,
    pub person: Name,
}

impl Asked {
    /// Reads the request that opens a connection: `/chat/ROOM?name=NAME`, or `?room=ROOM`.
    pub fn by(request: &Request) -> Self {
        let room = request.query_value("room").map(Into::into).or_else(|| room_in_path(request.path()));
        Asked { room, name: request.query_value("name").map(Into::into) }
    }
}

/// The last segment of a path that has two or more: the first is where the chat is, wherever that may be.
fn room_in_path(path: &str) -> Option<String> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.next()?;
    let room = segments.next_back()?;
    Some(percent_decode_str(room).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_name_a_room() {
        for (path, room) in [
            ("/", None),
            ("/chat", None),
            ("/chat/", None),
            ("/chat/rust", Some("rust")),
            ("/chat/rust/", Some("rust")),
            ("/chat/k%C3%A4se", Some("käse")),
            ("/apps/chat/rust", Some("rust")),
        ] {
            assert_eq!(room_in_path(path).as_deref(), room, "{path}");
        }
    }
}
