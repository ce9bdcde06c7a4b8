//! What the peers share: a stream that collects what is written to it.

pub mod coalesce;
