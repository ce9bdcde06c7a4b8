//! All rooms: made when somebody comes, forgotten when nobody has been there for a while, and never more than allowed.
//!
//! Locks are taken in one order, the map and then a room, and nothing that waits is done under them.

use crate::name::Name;
use crate::refusal::Refusal;
use crate::room::Room;
use crate::settings::Settings;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A room, shared by those who are in it.
pub type SharedRoom = Arc<Mutex<Room>>;

/// The rooms by key.
#[derive(Debug)]
pub struct Rooms {
    rooms: Mutex<HashMap<String, SharedRoom>>,
    max_rooms: usize,
    max_people: usize,
    keep_empty: Duration,
}

/// Locks. A panic elsewhere has been reported, and at worst left a name behind: no reason to stop the chat.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rooms {
    /// No rooms.
    pub fn new(settings: &Settings) -> Self {
        Rooms {
            rooms: Mutex::default(),
            max_rooms: settings.max_rooms.get(),
            max_people: settings.max_people.get(),
            keep_empty: settings.keep_empty(),
        }
    }

    /// Lets a person into a room, and calls `then` before anybody else comes, leaves or says something there.
    ///
    /// # Errors
    ///
    /// The name is taken there, the room is full, or there can be no more rooms.
    pub fn enter(
        &self,
        room: &Name,
        person: &Name,
        now: Instant,
        then: impl FnOnce(&Room),
    ) -> Result<SharedRoom, Refusal> {
        let mut rooms = lock(&self.rooms);
        let shared = match rooms.get(&room.key).filter(|shared| !self.is_over(&lock(shared), now)) {
            Some(shared) => Arc::clone(shared),
            None => {
                rooms.remove(&room.key);
                if rooms.len() >= self.max_rooms {
                    forget_one(&mut rooms, now)?;
                }
                let shared = Arc::new(Mutex::new(Room::new(now)));
                rooms.insert(room.key.clone(), Arc::clone(&shared));
                shared
            }
        };
        let mut locked = lock(&shared);
        drop(rooms);
        locked.enter(person, self.max_people)?;
        then(&locked);
        drop(locked);
        Ok(shared)
    }

    /// How many people are in a room.
    pub fn people(&self, room: &Name) -> usize {
        let shared = lock(&self.rooms).get(&room.key).map(Arc::clone);
        shared.map_or(0, |shared| lock(&shared).people().len())
    }

    /// Forgets the rooms that have been empty for long enough.
    pub fn sweep(&self, now: Instant) {
        lock(&self.rooms).retain(|_, shared| !self.is_over(&lock(shared), now));
    }

    fn is_over(&self, room: &Room, now: Instant) -> bool {
        room.empty_for(now).is_some_and(|empty| empty >= self.keep_empty)
    }
}

/// Makes place for a room: the one that has been empty for longest goes.
fn forget_one(rooms: &mut HashMap<String, SharedRoom>, now: Instant) -> Result<(), Refusal> {
    let empty = rooms.iter().filter_map(|(key, shared)| Some((lock(shared).empty_for(now)?, key)));
    let Some(key) = empty.max().map(|(_, key)| key.clone()) else { return Err(Refusal::TooManyRooms) };
    rooms.remove(&key);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    fn rooms() -> Rooms {
        let max_rooms = NonZeroUsize::new(2).unwrap();
        Rooms::new(&Settings { max_rooms, keep_empty_seconds: 60, ..Settings::default() })
    }

    fn name(name: &str) -> Name {
        Name::room(name).unwrap()
    }

    fn count(rooms: &Rooms) -> usize {
        lock(&rooms.rooms).len()
    }

    #[test]
    fn people_in_a_room_share_it() {
        let (rooms, now) = (rooms(), Instant::now());
        let first = rooms.enter(&name("lobby"), &name("ann"), now, |room| assert_eq!(room.people(), ["ann"])).unwrap();
        let second = rooms.enter(&name("lobby"), &name("bob"), now, |_| ()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!((rooms.people(&name("lobby")), rooms.people(&name("other"))), (2, 0));
        let refused = rooms.enter(&name("lobby"), &name("ann"), now, |_| panic!("not in")).unwrap_err();
        assert_eq!(refused, Refusal::NameTaken("ann".into()));
    }

    #[test]
    fn an_empty_room_is_kept_for_a_while() {
        let (rooms, now) = (rooms(), Instant::now());
        let room = rooms.enter(&name("lobby"), &name("ann"), now, |_| ()).unwrap();
        lock(&room).say(&name("ann"), "hi".into(), 1, 50);
        rooms.sweep(now + Duration::from_secs(1000));
        assert_eq!(count(&rooms), 1, "somebody is there");
        lock(&room).leave(&name("ann"), now);
        rooms.sweep(now + Duration::from_secs(59));
        assert_eq!(count(&rooms), 1);
        let later = now + Duration::from_secs(60);
        let again = rooms.enter(&name("lobby"), &name("ann"), later, |room| assert!(room.history().is_empty()));
        assert!(!Arc::ptr_eq(&room, &again.unwrap()), "not swept yet, but over");
    }

    #[test]
    fn there_are_never_more_rooms_than_allowed() {
        let (rooms, now) = (rooms(), Instant::now());
        let later = now + Duration::from_secs(1);
        for (room, left) in [("a", later), ("b", now)] {
            let shared = rooms.enter(&name(room), &name("ann"), now, |_| ()).unwrap();
            lock(&shared).leave(&name("ann"), left);
        }
        rooms.enter(&name("c"), &name("ann"), later, |_| ()).unwrap();
        assert!(!lock(&rooms.rooms).contains_key("b"), "empty for longest");
        rooms.enter(&name("a"), &name("ann"), later, |_| ()).unwrap();
        assert_eq!(rooms.enter(&name("d"), &name("ann"), later, |_| ()).unwrap_err(), Refusal::TooManyRooms);
        assert_eq!(count(&rooms), 2);
    }
}
