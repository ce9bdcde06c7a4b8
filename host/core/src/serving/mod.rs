//! Engines under paths, and how one generation of an engine follows on another.

pub mod admission;
pub mod mount;
pub mod newborn;
pub mod swap;
