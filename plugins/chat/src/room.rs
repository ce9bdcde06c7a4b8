//! One room: who is in it, and what was said there of late. Knows no clients: names and words only.

use crate::message::Line;
use crate::name::Name;
use crate::refusal::Refusal;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A room.
#[derive(Debug)]
pub struct Room {
    /// By key, so that they are listed in order and no two have the same name.
    people: BTreeMap<String, String>,
    /// The oldest first.
    history: VecDeque<Line>,
    last_id: u64,
    empty_since: Instant,
}

impl Room {
    /// An empty room.
    pub fn new(now: Instant) -> Self {
        Room { people: BTreeMap::new(), history: VecDeque::new(), last_id: 0, empty_since: now }
    }

    /// Lets somebody in.
    ///
    /// # Errors
    ///
    /// The name is taken, or `max_people` are here.
    pub fn enter(&mut self, person: &Name, max_people: usize) -> Result<(), Refusal> {
        self.check_free(person)?;
        if self.people.len() >= max_people {
            return Err(Refusal::RoomFull(self.people.len()));
        }
        self.people.insert(person.key.clone(), person.shown.clone());
        Ok(())
    }

    /// Gives somebody who is here another name.
    ///
    /// # Errors
    ///
    /// It is somebody else's.
    pub fn rename(&mut self, from: &Name, to: &Name) -> Result<(), Refusal> {
        if from.key != to.key {
            self.check_free(to)?;
        }
        self.people.remove(&from.key);
        self.people.insert(to.key.clone(), to.shown.clone());
        Ok(())
    }

    fn check_free(&self, person: &Name) -> Result<(), Refusal> {
        match self.people.get(&person.key) {
            Some(other) => Err(Refusal::NameTaken(other.clone())),
            None => Ok(()),
        }
    }

    /// Lets somebody out.
    pub fn leave(&mut self, person: &Name, now: Instant) {
        self.people.remove(&person.key);
        self.empty_since = now;
    }

    /// Remembers what somebody says, and as many of the latest messages as `keep`. `time` is in milliseconds since 1970.
    pub fn say(&mut self, person: &Name, text: String, time: u64, keep: usize) -> Line {
        // The time makes it grow across restarts; within one millisecond, or when a clock is set back, counting does.
        self.last_id = time.max(self.last_id + 1);
        let line = Line { id: self.last_id, time, name: person.shown.clone(), text };
        self.history.push_back(line.clone());
        while self.history.len() > keep {
            self.history.pop_front();
        }
        line
    }

    /// The names of who is here, in order.
    pub fn people(&self) -> Vec<&str> {
        self.people.values().map(String::as_str).collect()
    }

    /// What was said of late, the oldest first.
    pub fn history(&self) -> Vec<&Line> {
        self.history.iter().collect()
    }

    /// How long nobody has been here.
    pub fn empty_for(&self, now: Instant) -> Option<Duration> {
        self.people.is_empty().then(|| now.saturating_duration_since(self.empty_since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        Name::person(name, 32).unwrap()
    }

    #[test]
    fn a_name_is_taken_until_its_owner_leaves() {
        let mut room = Room::new(Instant::now());
        room.enter(&name("Ann"), 9).unwrap();
        assert_eq!(room.enter(&name("ANN"), 9), Err(Refusal::NameTaken("Ann".into())));
        room.enter(&name("Bob"), 9).unwrap();
        assert_eq!(room.people(), ["Ann", "Bob"]);
        room.leave(&name("Ann"), Instant::now());
        room.enter(&name("ann"), 9).unwrap();
        assert_eq!(room.people(), ["ann", "Bob"]);
    }

    #[test]
    fn a_name_can_be_changed_to_one_that_is_free() {
        let mut room = Room::new(Instant::now());
        room.enter(&name("Ann"), 9).unwrap();
        room.enter(&name("Bob"), 9).unwrap();
        assert_eq!(room.rename(&name("Ann"), &name("bob")), Err(Refusal::NameTaken("Bob".into())));
        assert_eq!(room.people(), ["Ann", "Bob"], "a refusal changes nothing");
        room.rename(&name("Ann"), &name("ANN")).unwrap();
        room.rename(&name("Bob"), &name("Zoe")).unwrap();
        assert_eq!(room.people(), ["ANN", "Zoe"]);
    }

    #[test]
    fn a_room_has_an_end() {
        let mut room = Room::new(Instant::now());
        room.enter(&name("Ann"), 1).unwrap();
        assert_eq!(room.enter(&name("Bob"), 1), Err(Refusal::RoomFull(1)));
    }

    #[test]
    fn the_latest_messages_are_kept_and_their_ids_grow() {
        let mut room = Room::new(Instant::now());
        for (number, time) in [100, 100, 90, 105].into_iter().enumerate() {
            room.say(&name("Ann"), number.to_string(), time, 3);
        }
        let kept: Vec<_> = room.history().iter().map(|line| (line.id, line.time, line.text.as_str())).collect();
        assert_eq!(kept, [(101, 100, "1"), (102, 90, "2"), (105, 105, "3")]);
        room.say(&name("Ann"), "none".into(), 200, 0);
        assert!(room.history().is_empty());
    }

    #[test]
    fn a_room_knows_for_how_long_it_is_empty() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut room = Room::new(start);
        assert_eq!(room.empty_for(later(5)), Some(Duration::from_secs(5)));
        room.enter(&name("Ann"), 9).unwrap();
        assert_eq!(room.empty_for(later(5)), None);
        room.leave(&name("Ann"), later(7));
        assert_eq!(room.empty_for(later(8)), Some(Duration::from_secs(1)));
    }
}
