//! `--watch`: which plugin's file has changed, and when it has stopped changing.

pub mod plugin_watch;
mod settling;
