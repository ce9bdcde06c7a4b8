//! The wshost server: everything behind the command line.

pub mod http;
pub mod protocol;
