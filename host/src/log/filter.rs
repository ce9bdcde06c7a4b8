//! `WSHOST_LOG`: which lines are kept.

use crate::exit::{BAD_CONFIGURATION, NotDone};
use std::env;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

const VARIABLE: &str = "WSHOST_LOG";

/// The filter in the environment; `info` if there is none.
pub(super) fn from_environment() -> Result<Targets, NotDone> {
    let text = match env::var(VARIABLE) {
        Ok(text) => text,
        Err(env::VarError::NotPresent) => String::new(),
        Err(env::VarError::NotUnicode(text)) => text.to_string_lossy().into_owned(),
    };
    parse(&text).map_err(|part| {
        let why = format!(
            "{VARIABLE}={text:?} is no filter: {part:?} is neither a level (off, error, warn, info, debug, trace) nor a \
             level for a part of the program, such as engine=debug or wshost::server=trace; several are separated by commas"
        );
        NotDone::new(BAD_CONFIGURATION, why)
    })
}

/// Parses a filter. Returns the invalid part as the error.
fn parse(text: &str) -> Result<Targets, &str> {
    if text.trim().is_empty() {
        return Ok(Targets::new().with_default(Level::INFO));
    }
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).try_fold(Targets::new(), |targets, part| {
        let level = |level: &str| level.trim().parse::<LevelFilter>().map_err(|_| part);
        match part.split_once('=') {
            Some((target, named)) if is_target(target.trim()) => Ok(targets.with_target(target.trim(), level(named)?)),
            Some(_) => Err(part),
            None => Ok(targets.with_default(level(part)?)),
        }
    })
}

/// Whether it can be the path of a module.
fn is_target(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(filter: &str, target: &str, level: Level) -> bool {
        parse(filter).unwrap().would_enable(target, &level)
    }

    #[test]
    fn a_level_is_for_all_and_a_part_may_have_its_own() {
        assert!(keeps("", "wshost", Level::INFO) && !keeps("", "wshost", Level::DEBUG));
        assert!(keeps("debug", "hyper", Level::DEBUG) && keeps("DEBUG", "engine", Level::DEBUG));
        assert!(!keeps("off", "wshost", Level::ERROR));
        assert!(keeps("warn, engine=trace", "engine", Level::TRACE));
        assert!(!keeps("warn,engine=trace", "wshost::server", Level::INFO));
        assert!(keeps("info,wshost::server=debug", "wshost::server::reload", Level::DEBUG));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_part_that_is_none() {
        let wrong = [
            ("verbose", "verbose"),
            ("info,loud", "loud"),
            ("engine=loud", "engine=loud"),
            ("a=b=c", "a=b=c"),
            ("=info", "=info"),
            ("[span]=info", "[span]=info"),
        ];
        for (text, part) in wrong {
            assert_eq!(parse(text).unwrap_err(), part);
        }
    }
}
