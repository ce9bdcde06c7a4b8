//! The in-memory host for the tests of engines.
