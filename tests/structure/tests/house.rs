//! The rules of ARCHITECTURE.md, held by the code of this workspace.

use structure::{House, Sources, broken};

#[test]
fn the_code_keeps_the_rules() {
    let sources = Sources::of_this_workspace().unwrap();
    let broken = broken(&House::read(&sources).unwrap(), &sources).unwrap();
    assert!(broken.is_empty(), "{} rules are broken:\n- {}\n", broken.len(), broken.join("\n- "));
}
