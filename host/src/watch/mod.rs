//! `--watch`: finds the plugins' files that have changed, and that have stopped changing. A report of the system about
//! a folder is only a reason to look (`plugin_watch`). A file is loaded if its fingerprint is neither that of the
//! plugin that runs nor that of one that was refused, once it has stayed the same for a while and is a whole library
//! (`settling`). Knows neither clients nor connections.

pub(crate) mod plugin_watch;
mod settling;
