//! Groups: clients join rooms, leave them, and talk to all others in a room.
//!
//! `join ROOM`, `leave ROOM`, `say ROOM TEXT`, and `who ROOM`, which tells how many are there. Who disconnects has left.
//!
//! Try it: `cargo build -p wshost -p groups && target/debug/wshost --plugin libgroups.so`

use plugin_api::prelude::*;
use std::collections::BTreeSet;

/// Rooms of one client at most.
const MAX_ROOMS: usize = 20;

struct Rooms {
    host: Host,
}

impl Engine for Rooms {
    /// The rooms that a client is in.
    type Session = BTreeSet<String>;

    fn new(host: Host, _config: &Config) -> Result<Self> {
        Ok(Rooms { host })
    }

    fn on_text(&self, client: &Client, rooms: &mut BTreeSet<String>, text: &str) -> Option<Box<dyn Job>> {
        let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
        let answer = match command {
            "join" => join(client, rooms, rest),
            "leave" => leave(client, rooms, rest),
            "say" => self.say(client, rooms, rest),
            "who" => format!("{} in {rest}", self.host.group(rest).len()),
            _ => "join ROOM, leave ROOM, say ROOM TEXT, or who ROOM".to_owned(),
        };
        client.send_text(&answer);
        None
    }
}

impl Rooms {
    fn say(&self, client: &Client, rooms: &BTreeSet<String>, rest: &str) -> String {
        let (room, text) = rest.split_once(' ').unwrap_or((rest, ""));
        if !rooms.contains(room) {
            return format!("you are not in {room}");
        }
        let heard = self.host.group(room).except(client).send_text(&format!("{room}: {text}"));
        format!("heard by {heard}")
    }
}

fn join(client: &Client, rooms: &mut BTreeSet<String>, room: &str) -> String {
    if rooms.len() == MAX_ROOMS {
        return format!("you are in {MAX_ROOMS} rooms already");
    }
    if room.contains(' ') || client.join(room) != Sent::Sent {
        return "a room's name has 1 to 255 bytes and no space".to_owned();
    }
    rooms.insert(room.to_owned());
    format!("joined {room}")
}

fn leave(client: &Client, rooms: &mut BTreeSet<String>, room: &str) -> String {
    rooms.remove(room);
    if client.leave(room) { format!("left {room}") } else { format!("you are not in {room}") }
}

export_engine!(Rooms);

#[cfg(test)]
mod tests;
