//! Reads the structure of the product's crates: which module knows which, and whether the tables in ARCHITECTURE.md
//! agree. Nothing is compiled: every file is parsed, and each path in it is followed to the module that defines what
//! it names.
//!
//! `cargo run -p structure` prints what was found; `cargo test -p structure` fails if a rule is broken.
//!
//! Method calls are not seen, since their types are not known here. A module that calls a method has the value from
//! somewhere, and that somewhere is seen.

mod arrows;
mod graph;
mod house;
mod measure;
mod names;
mod report;
mod rules;
mod sources;
mod table;

pub use arrows::Arrow;
pub use graph::Graph;
pub use house::{Crate, Dependency, House, Module, ModuleId};
pub use measure::Measure;
pub use report::report;
pub use rules::broken;
pub use sources::Sources;
