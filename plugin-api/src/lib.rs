//! The crate engines build against.
