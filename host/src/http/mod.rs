//! HTTP in front of every connection: the upgrade to WebSocket (RFC 6455 section 4.2), and pages and files for browsers.
//!
//! Owns what is HTTP. Knows neither engines nor frames: who may connect is decided by the caller.

mod deadline;
mod decision;
mod file;
mod file_body;
mod folder;
mod host;
mod limits;
mod page;
mod path;
mod request;
mod response;
mod site;
mod upgrade;

pub(crate) use decision::{Decision, HttpError};
pub(crate) use folder::Folder;
pub(crate) use limits::HttpLimits;
pub(crate) use path::{Segments, are_same, without_slashes_behind};
pub(crate) use site::{Site, SiteEngine};
pub(crate) use upgrade::{Upgraded, upgrade};
