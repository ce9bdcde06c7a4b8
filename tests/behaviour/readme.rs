//! What the README shows is what is built and tested.

use crate::common::workspace;
use std::fs;

#[test]
fn the_readmes_first_engine_is_examples_hello() {
    let read = |file: &str| fs::read_to_string(workspace().join(file)).expect(file);
    let engine = read("examples/hello/src/lib.rs");
    assert!(read("README.md").contains(&format!("```rust\n{engine}```")), "README.md shows another engine");
}
