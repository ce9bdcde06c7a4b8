//! Runs wshost engines in their own tests: the real core, without sockets, in a time that the test moves.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[doc(hidden)]
pub mod rig;
