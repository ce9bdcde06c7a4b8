//! What an operator can set, with `--engine-config`.

use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// The chat's settings. Its memory is at most `rooms` times `history` messages, and the names of who is connected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Messages that a room remembers for newcomers. Default: 50. Each takes up to four bytes per character.
    pub history: usize,
    /// Characters of a message at most. Default: 2000.
    pub max_message: NonZeroUsize,
    /// Characters of a person's name at most. Default: 32.
    pub max_name: NonZeroUsize,
    /// People in a room at most. Default: 500. Each who comes is told to all others, and is told of them.
    pub max_people: NonZeroUsize,
    /// Rooms at most, those included that are empty and not yet forgotten. Default: 200.
    pub max_rooms: NonZeroUsize,
    /// Seconds for which an empty room keeps its history. Default: 600.
    pub keep_empty_seconds: u32,
    /// How much one person may send.
    pub rate: RateLimit,
}

/// So many messages in so many seconds, of whatever kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Default: 10. Each connection remembers when as many were sent.
    pub messages: NonZeroU32,
    /// Default: 10.
    pub seconds: NonZeroU32,
}

impl Settings {
    /// For how long an empty room keeps its history.
    pub fn keep_empty(&self) -> Duration {
        Duration::from_secs(self.keep_empty_seconds.into())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            history: 50,
            max_message: const { NonZeroUsize::new(2000).unwrap() },
            max_name: const { NonZeroUsize::new(32).unwrap() },
            max_people: const { NonZeroUsize::new(500).unwrap() },
            max_rooms: const { NonZeroUsize::new(200).unwrap() },
            keep_empty_seconds: 600,
            rate: RateLimit::default(),
        }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        let ten = const { NonZeroU32::new(10).unwrap() };
        RateLimit { messages: ten, seconds: ten }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_every_setting_with_its_default() {
        let (_, rest) = include_str!("../README.md").split_once("```toml\n").unwrap();
        let shown: toml::Table = toml::from_str(rest.split_once("```").unwrap().0).unwrap();
        assert_eq!((shown.len(), shown["rate"].as_table().unwrap().len()), (7, 2), "as many as there are fields");
        assert_eq!(shown.try_into::<Settings>().unwrap(), Settings::default());
    }
}
