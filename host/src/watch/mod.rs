//! `--watch`: which plugin's file has changed, and when it has stopped changing. What the system tells of folders is a
//! reason to look, no more (`plugin_watch`). A file is loaded if its fingerprint is neither that of the plugin that
//! runs nor that of one that was refused, once it has stayed the same for a while and is a whole library (`settling`).
//! Knows neither clients nor connections.

pub(crate) mod plugin_watch;
mod settling;
