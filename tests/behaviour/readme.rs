//! The documents agree with the code that is built and tested.

use crate::common::workspace;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

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

#[test]
fn the_documents_name_the_oldest_rust_that_is_checked() {
    let manifest = read("Cargo.toml");
    let version = manifest.split_once("rust-version = \"").expect("a version").1.split('"').next().expect("a version");
    for file in ["README.md", "CONTRIBUTING.md", "tests/tools/runner.py"] {
        assert!(read(file).contains(&format!("Rust {version} or newer")), "{file} names another Rust than {version}");
    }
}

#[test]
fn every_fault_has_a_row_and_every_test_in_a_row_is_there() {
    let mut sources = Vec::new();
    for folder in ["host", "plugin-api", "plugins", "examples", "tests"] {
        collect(&workspace().join(folder), "rs", &mut sources);
    }

    let table = read("docs/faults.md");
    let mut labels = HashSet::new();
    for row in table.lines() {
        let [_, label, .., shown_by, _] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else { continue };
        if !is_fault_label(label) {
            continue;
        }
        assert!(labels.insert(label), "{label} has two rows");
        let tests: Vec<_> = shown_by.split('`').filter_map(|name| name.split_once("::")).collect();
        assert!(!tests.is_empty() || shown_by.starts_with("none: "), "{label} names no test and does not say why");
        for (file, test) in tests {
            assert!(sources.iter().any(|source| source.has_test(file, test)), "{label}: {file}::{test} is no test");
        }
    }
    assert!(labels.len() > 40, "only {} faults are described", labels.len());

    for source in &sources {
        for comment in source.text.lines().filter_map(|line| line.split_once("//")).map(|(_, comment)| comment) {
            for word in comment.split(|letter: char| !letter.is_alphanumeric()).filter(|word| is_fault_label(word)) {
                assert!(labels.contains(word), "{}: docs/faults.md has no row {word}", source.path.display());
            }
        }
    }
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let mut documents = Vec::new();
    collect(&workspace(), "md", &mut documents);
    let mut links = 0;
    for Source { path, text } in &documents {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = target.split('#').next().expect("a file");
            assert!(path.with_file_name(file).exists(), "{}: {target} is not there", path.display());
            links += 1;
        }
    }
    assert!(links > 20, "only {links} links are found");
}

#[test]
fn every_decision_is_in_their_index() {
    let index = read("docs/decisions/README.md");
    for entry in fs::read_dir(workspace().join("docs/decisions")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "{name} is not in the index");
    }
}

/// One of the letters that head the sections of docs/faults.md, and a number.
fn is_fault_label(word: &str) -> bool {
    let Some(number) = word.strip_prefix(['H', 'F', 'D', 'L', 'E', 'P', 'K', 'S']) else { return false };
    (1..=2).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// A file's text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Whether this is the file or folder `name`, and has that test, or any if `test` is `*`.
    fn has_test(&self, name: &str, test: &str) -> bool {
        let folder = self.path.parent().expect("a folder");
        let has = |part: &str| self.text.contains(part);
        [self.path.file_stem(), folder.file_name()].into_iter().flatten().any(|part| part == name)
            && if test == "*" { has("#[test]") || has("#[tokio::test") } else { has(&format!("fn {test}(")) }
    }
}

/// Finds all files with that extension in a folder and below it, but for what builds have left.
fn collect(folder: &Path, extension: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && ![".git", ".tools", "target"].iter().any(|left_out| entry.ends_with(left_out)) {
            collect(&entry, extension, found);
        } else if entry.extension().is_some_and(|its| its == extension) {
            let text = fs::read_to_string(&entry).expect("a text file");
            found.push(Source { path: entry, text });
        }
    }
}
