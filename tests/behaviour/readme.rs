//! What the documents say is what is built and tested.

use crate::common::workspace;
use std::fs;

fn read(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).expect(file)
}

#[test]
fn the_readmes_first_engine_is_examples_hello() {
    let engine = read("examples/hello/src/lib.rs");
    assert!(read("README.md").contains(&format!("```rust\n{engine}```")), "README.md shows another engine");
}

#[test]
fn every_test_that_the_table_of_the_original_names_is_there() {
    let table = read("docs/from-the-original.md");
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| original"));
    let mut named = 0;
    for row in rows {
        let shown_by = row.trim_end_matches(" |").rsplit_once("| ").expect("cells").1;
        for (file, test) in shown_by.split('`').filter_map(|name| name.split_once("::")) {
            let source = read(&format!("tests/behaviour/{file}.rs"));
            assert!(source.contains(&format!("fn {test}()")), "{file}::{test} is no test");
            named += 1;
        }
    }
    assert!(named > 40, "only {named} tests are named");
}
