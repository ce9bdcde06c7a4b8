//! `--watch`: which plugin's file has changed, and when it has stopped changing.

pub(crate) mod plugin_watch;
mod settling;
