//! Chat: rooms of people with names, who read what the others write.
//!
//! The engine proper: who is told what, and when. The README describes the protocol; every other file here is pure.
//!
//! A message is remembered and sent under its room's lock, so that all see one order. The page in `page/` is plain HTML, CSS
//! and ES modules, without a build step, and never makes HTML of text.
//!
//! | file | subject |
//! |---|---|
//! | `message`, `refusal` | the protocol, and what is refused |
//! | `room`, `rooms` | people and history; which rooms there are |
//! | `name`, `rate`, `session`, `settings` | one subject each |

mod message;
mod name;
mod rate;
mod refusal;
mod room;
mod rooms;
mod session;
mod settings;

use message::{Event, Refused, Request as Asking};
use name::{LOBBY, Name};
use plugin_api::prelude::*;
use rate::Verdict;
use refusal::Refusal;
use room::Room;
use rooms::{Rooms, lock};
use session::{Asked, Seat, Session};
use settings::Settings;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The close code for an address that names an impossible room.
const NO_SUCH_ROOM: u16 = 4000;
/// The close code for a client that does not stop to flood.
const FLOODING: u16 = 4001;

/// How often rooms are looked at that nobody is in.
const SWEEP: Duration = Duration::from_secs(30);

struct Chat {
    host: Host,
    settings: Settings,
    rooms: Arc<Rooms>,
}

impl Engine for Chat {
    type Session = Session;

    // A phone without a network keeps its name until it is missed, and may want to come back with it.
    const PING_AFTER: Option<Duration> = Some(Duration::from_secs(30));
    const CLOSE_AFTER_NO_PONG: Option<Duration> = Some(Duration::from_secs(15));

    fn new(host: Host, config: &Config) -> Result<Self> {
        let settings: Settings = config.parse()?;
        let rooms = Arc::new(Rooms::new(&settings));
        let swept = Arc::clone(&rooms);
        // Ends with the engine.
        drop(host.every(SWEEP, move || swept.sweep(Instant::now())));
        Ok(Chat { host, settings, rooms })
    }

    fn authenticate(&self, request: &Request) -> Result<Accept<Session>, Reject> {
        Ok(Accept::new(Session { asked: Asked::by(request), ..Session::default() }))
    }

    fn on_open(&self, client: &Client, session: &mut Session) -> Option<Box<dyn Job>> {
        let room = match room_of(session, None) {
            Ok(room) => room,
            // A browser is not told why a handshake fails, but it is told of a close code.
            Err(refusal) => {
                client.close(NO_SUCH_ROOM, &refusal.to_string());
                return None;
            }
        };
        let hello = Event::Hello {
            room: &room.shown,
            people: self.rooms.people(&room),
            max_name: self.settings.max_name.get(),
            max_message: self.settings.max_message.get(),
        };
        client.send_text(&hello.to_json());
        if let Some(name) = session.asked.name.take()
            && let Err(refusal) = self.join(client, session, &name, None)
        {
            client.send_text(&Refused { refusal, tag: None }.to_json());
        }
        None
    }

    fn on_text(&self, client: &Client, session: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        let asked = Asking::read(text);
        let refused = |refusal, tag| {
            client.send_text(&Refused { refusal, tag }.to_json());
            None
        };
        match session.rate.judge(Instant::now(), &self.settings.rate) {
            Verdict::Pass => {}
            Verdict::Wait(wait) => return refused(Refusal::TooFast(wait), tag_of(&asked)),
            Verdict::Enough => {
                client.close(FLOODING, "too many messages");
                return None;
            }
        }
        match asked {
            Ok(Asking::Join { name, room }) => match self.join(client, session, &name, room.as_deref()) {
                Ok(()) => None,
                Err(refusal) => refused(refusal, None),
            },
            Ok(Asking::Say { text, tag }) => match self.say(client, session, &text, tag) {
                Ok(job) => Some(job),
                Err(refusal) => refused(refusal, tag),
            },
            Ok(Asking::Who) => match &session.seat {
                Some(seat) => {
                    let room = lock(&seat.room);
                    client.send_text(&Event::People { room: &seat.room_name.shown, people: room.people() }.to_json());
                    None
                }
                None => refused(Refusal::NotJoined, None),
            },
            Err(Refused { refusal, tag }) => refused(refusal, tag),
        }
    }

    fn on_binary(&self, client: &Client, _: &mut Session, _: &[u8]) -> Option<Box<dyn Job>> {
        client.close(close_code::UNSUPPORTED, "this chat takes text only");
        None
    }

    fn on_closed(&self, client: &Client, session: Session, _code: u16) {
        if let Some(seat) = session.seat {
            self.leave(client, &seat);
        }
    }
}

impl Chat {
    /// Lets a client into a room; out of the one it was in, or under another name in the same.
    fn join(&self, client: &Client, session: &mut Session, name: &str, room: Option<&str>) -> Result<(), Refusal> {
        let person = Name::person(name, self.settings.max_name.get())?;
        let room = match (&session.seat, room) {
            (Some(seat), None) => seat.room_name.clone(),
            _ => room_of(session, room)?,
        };
        if let Some(seat) = session.seat.as_mut().filter(|seat| seat.room_name == room) {
            return self.rename(seat, person);
        }
        let entered = self.rooms.enter(&room, &person, Instant::now(), |inside| {
            self.welcome(client, &room, &person, inside);
        })?;
        let left = session.seat.replace(Seat { room: entered, room_name: room, person });
        if let Some(left) = left {
            client.leave(&left.room_name.key);
            self.leave(client, &left);
        }
        Ok(())
    }

    /// Tells a newcomer what is in the room, and the room that somebody came. The room is locked: nothing is said
    /// between the history and the first message that comes by the group.
    fn welcome(&self, client: &Client, room: &Name, person: &Name, inside: &Room) {
        client.join(&room.key);
        let (people, history) = (inside.people(), inside.history());
        let joined = Event::Joined { room: &room.shown, name: &person.shown, people, history };
        client.send_text(&joined.to_json());
        let came = Event::Came { name: &person.shown, time: now_ms() };
        self.host.group(&room.key).except(client).send_text(&came.to_json());
    }

    fn rename(&self, seat: &mut Seat, person: Name) -> Result<(), Refusal> {
        let mut room = lock(&seat.room);
        room.rename(&seat.person, &person)?;
        let renamed = Event::Renamed { from: &seat.person.shown, name: &person.shown, time: now_ms() };
        self.host.group(&seat.room_name.key).send_text(&renamed.to_json());
        drop(room);
        seat.person = person;
        Ok(())
    }

    /// The job that says something. Who leaves behind their words is still heard.
    fn say(&self, client: &Client, session: &Session, text: &str, tag: Option<u64>) -> Result<Box<dyn Job>, Refusal> {
        let seat = session.seat.as_ref().ok_or(Refusal::NotJoined)?.clone();
        let text = text.trim_end();
        if text.trim_start().is_empty() {
            return Err(Refusal::MessageEmpty);
        }
        let longest = self.settings.max_message.get();
        if text.chars().nth(longest).is_some() {
            return Err(Refusal::MessageTooLong(longest));
        }
        let (host, client, keep, text) = (self.host.clone(), client.clone(), self.settings.history, text.to_owned());
        Ok(Box::new(move || {
            // Held while it is sent, so that all see a room's messages in the same order.
            let mut room = lock(&seat.room);
            let line = room.say(&seat.person, text, now_ms(), keep);
            let to_others = Event::Message { line: &line, tag: None }.to_json();
            host.group(&seat.room_name.key).except(&client).send_text(&to_others);
            client.send_text(&Event::Message { line: &line, tag }.to_json());
        }))
    }

    /// Gives up a seat. The host ends the membership in the group where the connection ends.
    fn leave(&self, client: &Client, seat: &Seat) {
        let mut room = lock(&seat.room);
        room.leave(&seat.person, Instant::now());
        let left = Event::Left { name: &seat.person.shown, time: now_ms() };
        self.host.group(&seat.room_name.key).except(client).send_text(&left.to_json());
    }
}

/// The room that a client means: the one it names, or else the one of its address, or else the lobby.
fn room_of(session: &Session, named: Option<&str>) -> Result<Name, Refusal> {
    Name::room(named.or(session.asked.room.as_deref()).unwrap_or(LOBBY))
}

fn tag_of(asked: &Result<Asking, Refused>) -> Option<u64> {
    match asked {
        Ok(Asking::Say { tag, .. }) | Err(Refused { tag, .. }) => *tag,
        Ok(_) => None,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

export_engine!(Chat);

#[cfg(test)]
mod tests;
