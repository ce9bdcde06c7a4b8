//! HTTP in front of every connection: the upgrade to WebSocket (RFC 6455 section 4.2), and pages and files for
//! browsers.
//!
//! It owns HTTP, and knows neither engines nor frames: the caller decides which clients may connect. A connection that
//! does not become a WebSocket ends after one answer, with `Connection: close`. Nothing outside the folder of
//! `--static` is served.
//!
//! | file | subject |
//! |---|---|
//! | `upgrade`, `deadline` | hyper in front, until a connection speaks WebSocket; by when that must be over |
//! | `decision`, `limits` | the outcome of a handshake, and its limits |
//! | `request`, `host` | checks whether a request is a valid handshake; the host that a request names |
//! | `response` | responses, each checked before it is sent |
//! | `site`, `path` | which engine serves a path; how paths are compared |
//! | `page` | the page for browsers |
//! | `folder`, `file`, `file_body` | which file of `--static` a path means; the answer with it; its bytes |

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
