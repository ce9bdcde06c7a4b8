//! Each rule can be broken, and each way of naming a thing is seen: small workspaces with one thing wrong.

use structure::{Graph, House, Sources, broken};

/// Two crates that keep all rules. In `low`, `ground` stands below `roof`; `high` uses `low`.
fn workspace() -> Sources {
    let mut sources = Sources::default();
    sources.add(
        "Cargo.toml",
        "[workspace]\nmembers = [\"low\", \"high\", \"plugins/*\", \"tests\"]\n\
         [workspace.dependencies]\nlow = { path = \"low\" }\ntokio = { version = \"1\", features = [\"net\"] }\nhyper = \"1\"\n",
    );
    sources.add("low/Cargo.toml", "[package]\nname = \"low\"\n");
    sources.add("low/src/lib.rs", "pub mod ground;\npub mod roof;\n");
    sources.add("low/src/ground/mod.rs", "pub mod floor;\nmod cellar;\npub use floor::Floor;\n");
    sources
        .add("low/src/ground/floor.rs", "pub struct Floor;\nimpl Floor { pub const OLD: u8 = 1; }\npub fn lay() {}\n");
    sources.add("low/src/ground/cellar.rs", "pub struct Barrel;\n");
    sources.add("low/src/roof.rs", "use crate::ground::Floor;\npub struct Tile(Floor);\npub fn cover() {}\n");
    sources.add("high/Cargo.toml", "[package]\nname = \"high\"\n[dependencies]\nlow.workspace = true\n");
    sources.add("high/src/main.rs", "mod guests;\nfn main() { guests::come(); }\n");
    sources.add("high/src/guests.rs", "pub fn come() { low::roof::cover(); }\n");
    sources.add("ARCHITECTURE.md", RULES);
    sources
}

const RULES: &str = "\
# Rules
| crate | what it owns | must not know | `unsafe` in |
|---|---|---|---|
| `low` | the building | `tokio` | |
| `high` | the people | `tokio/net` | |

### `low/src/`
| folder | what it owns | must not know |
|---|---|---|
| `ground/` | what all stands on | the weather |
| `roof` | what keeps off the rain | `std::net` |

### `high`
| folder | what it owns | must not know |
|---|---|---|
| `guests` | who comes | `low::ground` |
| `main` | the door | |
";

fn what_is_broken(sources: &Sources) -> Vec<String> {
    let house = House::read(sources).expect("the planted workspace is read");
    broken(&house, sources).expect("its rules are read")
}

/// What is broken if `path` has this text.
fn with(path: &str, text: &str) -> Vec<String> {
    let mut sources = workspace();
    sources.add(path, text);
    what_is_broken(&sources)
}

/// What is broken if `old` is `new` in the rules.
fn with_rule(old: &str, new: &str) -> Vec<String> {
    assert!(RULES.contains(old), "{old}");
    with("ARCHITECTURE.md", &RULES.replace(old, new))
}

/// Whether `ground`, with this text in a file of its own, is seen to know `roof` in that line.
#[track_caller]
fn assert_knows_roof(text: &str, line: usize) {
    let found = with("low/src/ground/cellar.rs", text);
    let expected = format!("low/src/ground/cellar.rs:{line}");
    let up = found.iter().find(|what| what.contains("`ground` knows `roof`, whose row"));
    assert!(up.is_some_and(|what| what.contains(&expected)), "{text}\n{found:#?}");
    let circle = "a circle in `low`: `ground` knows `roof` at ";
    assert!(found.iter().any(|what| what.starts_with(circle)), "{text}\n{found:#?}");
    assert_eq!(found.len(), 2, "{text}\n{found:#?}");
}

#[track_caller]
fn assert_one(found: &[String], expected: &str) {
    assert_eq!(found, [expected], "{found:#?}");
}

#[test]
fn a_workspace_that_keeps_the_rules() {
    assert_eq!(what_is_broken(&workspace()), [""; 0]);
}

// Every way to name a thing.

#[test]
fn a_use_item() {
    assert_knows_roof("\nuse crate::roof::Tile;\n", 2);
    assert_knows_roof("use crate::{\n    ground::floor,\n    roof::{self, Tile},\n};\n", 3);
    assert_knows_roof("pub(crate) use crate::roof;\n", 1);
}

#[test]
fn a_use_item_within_a_function() {
    assert_knows_roof("fn f() {\n    use crate::roof::cover;\n    cover();\n}\n", 2);
    assert_knows_roof("fn f() {\n    use crate as root;\n    if true { root::roof::cover(); }\n}\n", 3);
}

#[test]
fn an_inline_path() {
    assert_knows_roof("fn f() {\n    crate::roof::cover();\n}\n", 2);
    assert_knows_roof("fn f(\n    _: &crate::roof::Tile,\n) {}\n", 2);
    assert_knows_roof("struct Vault<T = crate::roof::Tile>(T);\n", 1);
    assert_knows_roof("impl AsRef<crate::roof::Tile> for super::Floor {}\n", 1);
    assert_knows_roof("fn f(t: u8) {\n    match t { crate::roof::HIGH => {}, _ => {} }\n}\n", 2);
    assert_knows_roof("type T = <crate::roof::Tile as Clone>::Owned;\n", 1);
}

#[test]
fn a_path_through_parents() {
    assert_knows_roof("use super::super::roof::Tile;\n", 1);
    assert_knows_roof("mod inside { fn f() { super::super::super::roof::cover() } }\n", 1);
    assert_knows_roof("fn f() { self::super::super::roof::cover() }\n", 1);
}

#[test]
fn a_renamed_import() {
    assert_knows_roof("use crate::roof as cellar;\n", 1);
    assert_knows_roof("use crate as all;\nfn f() { all::roof::cover() }\n", 2);
    assert_knows_roof("use super::super as up;\nuse up::roof::Tile as Stone;\n", 2);
}

#[test]
fn a_glob() {
    assert_knows_roof("use crate::roof::*;\n", 1);
    assert_knows_roof("use crate::*;\nfn f() { roof::cover() }\n", 2);
    assert_knows_roof("fn f() {\n    use super::super::*;\n    roof::cover()\n}\n", 3);
}

#[test]
fn a_path_among_tokens() {
    assert_knows_roof("fn f() {\n    println!(\"{}\",\n        crate::roof::cover());\n}\n", 3);
    assert_knows_roof("use super::super as up;\nfn f() { vec![(1, [up::roof::cover()])]; }\n", 2);
    assert_knows_roof("macro_rules! m { () => { $crate::roof::cover() } }\n", 1);
    assert_knows_roof("fn f() { m! { use crate::{ground, roof as r}; } }\n", 1);
    assert_knows_roof("#[serde(with = \"crate::roof\")]\nstruct S;\n", 1);
    assert_knows_roof("struct S {\n    #[arg(value_parser = crate::roof::cover)]\n    s: u8,\n}\n", 2);
}

#[test]
fn the_name_of_a_macro() {
    let mut sources = workspace();
    sources.add("low/src/roof.rs", "#[macro_export]\nmacro_rules! thatch { () => {} }\n");
    sources.add("low/src/ground/cellar.rs", "fn f() { crate::thatch!(); }\n");
    let found = what_is_broken(&sources);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("low/src/ground/cellar.rs:1: `ground` knows `roof`"), "{found:#?}");
}

#[test]
fn an_export_hides_nothing() {
    // By the library's root, and by a module that stands between.
    for (path, text) in [
        ("low/src/lib.rs", "pub mod ground;\npub mod roof;\npub use roof::Tile as Shingle;\n"),
        ("low/src/lib.rs", "pub mod ground;\npub mod roof;\npub use roof::*;\npub type Shingle = u8;\n"),
        (
            "low/src/lib.rs",
            "pub mod ground;\npub mod roof;\npub mod prelude { pub use crate::roof::Tile as Shingle; }\n",
        ),
    ] {
        let mut sources = workspace();
        sources.add(path, text);
        let named = if text.contains("prelude") { "prelude::Shingle" } else { "Shingle" };
        let named = if text.contains('*') { "Tile" } else { named };
        sources.add("low/src/ground/cellar.rs", &format!("fn f(_: crate::{named}) {{}}\n"));
        let found = what_is_broken(&sources);
        let up = found.iter().any(|what| what.starts_with("low/src/ground/cellar.rs:1: `ground` knows `roof`"));
        assert!(up, "{text}\n{found:#?}");
    }
}

#[test]
fn an_export_of_another_crate_hides_nothing() {
    let mut sources = workspace();
    sources.add("low/src/lib.rs", "pub mod ground;\npub mod roof;\npub use ground::Floor;\n");
    sources.add("high/src/guests.rs", "pub fn come() {}\nuse low::Floor;\n");
    let expected = "high/src/guests.rs:2: `guests` knows `low::ground`, which its row in ARCHITECTURE.md forbids: move the code that needs it to a folder that may";
    assert_one(&what_is_broken(&sources), expected);
    sources.add("high/src/guests.rs", "\npub fn come() { low::roof::ground(); }\n");
    sources.add("low/src/roof.rs", "pub use crate::ground::floor::lay as ground;\n");
    assert_one(&what_is_broken(&sources), expected);
}

// What is no knowledge.

#[test]
fn tests_may_know_everything() {
    let text = "#[cfg(test)]\nuse crate::roof::Tile;\n\
                #[cfg(test)]\nmod tests { use crate::roof::Tile; fn f() { crate::roof::cover() } }\n\
                #[cfg(all(test, unix))]\nfn f() { crate::roof::cover() }\n\
                struct S;\nimpl S { #[cfg(test)] fn f() { crate::roof::cover() } }\n\
                fn g() { #[cfg(test)] let x = crate::roof::cover(); }\n";
    assert_eq!(with("low/src/ground/cellar.rs", text), [""; 0]);
    assert_knows_roof("#[cfg(not(test))]\nuse crate::roof::Tile;\n", 2);
}

#[test]
fn files_of_tests_may_know_everything() {
    let mut sources = workspace();
    sources.add("low/src/ground/cellar.rs", "#[cfg(test)]\nmod tests;\n");
    sources.add("low/src/ground/cellar/tests.rs", "use crate::roof;\nmod more;\nfn f() { unsafe { g() } }\n");
    sources.add("low/src/ground/cellar/tests/more.rs", "use crate::roof;\n");
    assert_eq!(what_is_broken(&sources), [""; 0]);
}

#[test]
fn names_that_only_look_alike() {
    for text in [
        "use super::super::*;\nfn f(roof: u8) -> u8 { roof + 1 }\n",
        "use super::super::*;\nfn f(s: S) { println!(\"{}\", s.roof()); }\n",
        "mod roof { pub fn cover() {} }\nfn f() { roof::cover() }\n",
        "/// See [`crate::roof`].\nfn f() {}\n",
        "pub(in crate::ground) fn f() {}\n",
        "fn f() { print(\"crate::roof::cover\") }\n",
    ] {
        assert_eq!(with("low/src/ground/cellar.rs", text), [""; 0], "{text}");
    }
}

// Every rule.

#[test]
fn what_a_row_forbids() {
    assert_one(
        &with("low/src/roof.rs", "use std::net;\nfn f(_: net::TcpStream) {}\n"),
        "low/src/roof.rs:1, low/src/roof.rs:2: `roof` knows `std::net`, which its row in ARCHITECTURE.md forbids: move the \
         code that needs it to a folder that may",
    );
    assert_eq!(with("low/src/roof.rs", "use std::network;\n"), [""; 0]);
    assert_one(
        &with_rule("`std::net`", "`ground`"),
        "low/src/roof.rs:1, low/src/roof.rs:2: `roof` knows `ground`, which its row in ARCHITECTURE.md forbids: move the code that needs it to a folder that may",
    );
    assert_one(
        &with_rule("`std::net`", "`ground::floor::Floor`"),
        "low/src/roof.rs:1, low/src/roof.rs:2: `roof` knows `ground::floor::Floor`, which its row in ARCHITECTURE.md forbids: move the code that needs it to a folder that may",
    );
    assert_eq!(with_rule("`std::net`", "`ground::floor::lay`"), [""; 0]);
}

#[test]
fn what_a_crate_forbids_everywhere() {
    let mut sources = workspace();
    sources.add(
        "ARCHITECTURE.md",
        &RULES.replace("| `low` | the building | `tokio` |", "| `low` | the building | `std::fs` |"),
    );
    assert_eq!(what_is_broken(&sources), [""; 0]);
    sources.add("low/src/ground/cellar.rs", "\nfn f() { std::fs::read(\"\"); }\n");
    assert_one(
        &what_is_broken(&sources),
        "low/src/ground/cellar.rs:2: `std::fs`, which the table of crates in ARCHITECTURE.md forbids for all of `low`",
    );
    sources.add(
        "ARCHITECTURE.md",
        &RULES.replace("| `low` | the building | `tokio` |", "| `low` | the building | `sdt::fs` |"),
    );
    let mistyped = "ARCHITECTURE.md forbids `sdt` for `low`, which is no folder, crate or dependency of the workspace: mend the \
                    name, or write it without backticks";
    assert_one(&what_is_broken(&sources), mistyped);
}

#[test]
fn a_function_of_a_type_is_forbidden_by_its_path() {
    let mut sources = workspace();
    sources.add("ARCHITECTURE.md", &RULES.replace("`std::net`", "`std::time::Instant::now`"));
    sources.add("low/src/roof.rs", "use std::time::Instant as Moment;\nfn f() -> Moment { Moment::now() }\n");
    assert_one(
        &what_is_broken(&sources),
        "low/src/roof.rs:2: `roof` knows `std::time::Instant::now`, which its row in ARCHITECTURE.md forbids: move the code that needs it to a folder that may",
    );
}

#[test]
fn a_forbidden_name_that_nothing_has() {
    assert_one(
        &with_rule("`std::net`", "`sockets`"),
        "ARCHITECTURE.md forbids `sockets` for `roof`, which is no folder, crate or dependency of the workspace: mend the \
         name, or write it without backticks",
    );
    assert_eq!(with_rule("`std::net`", "`hyper`"), [""; 0]);
}

#[test]
fn rows_and_folders_agree() {
    assert_one(
        &with_rule("| `ground/` | what all stands on | the weather |\n", ""),
        "`ground` has no row in the table of `low` in ARCHITECTURE.md: add one, below all that it knows",
    );
    assert_one(
        &with_rule("| `roof` |", "| `roof`, `attic` |"),
        "the table of `low` in ARCHITECTURE.md has a row for `attic`, and src has neither a folder nor a file of that name: \
         remove the row",
    );
    assert_one(
        &with_rule("| `roof` |", "| `ground`, `roof` |"),
        "the table of `low` in ARCHITECTURE.md has two rows for `ground`: remove one",
    );
    assert_one(
        &with("low/src/lib.rs", "pub mod ground;\npub mod roof;\npub struct Plan;\nfn f(_: roof::Tile) {}\n"),
        "`lib` has no row in the table of `low` in ARCHITECTURE.md: add one, below all that it knows",
    );
}

#[test]
fn crates_and_rows_agree() {
    assert_one(
        &with_rule("| `high` | the people | `tokio/net` | |\n", ""),
        "the crate `high` has no row in the table of crates in ARCHITECTURE.md: add one",
    );
    assert_one(
        &with_rule("| `high` | the people", "| `high`, `stable` | the people"),
        "ARCHITECTURE.md has a row for the crate `stable`, which is none of the product's: remove the row",
    );
}

#[test]
fn a_file_of_no_module() {
    assert_one(
        &with("low/src/ground/well.rs", "use crate::roof;\n"),
        "low/src/ground/well.rs belongs to no module: name it in a `mod` item, or remove it",
    );
}

#[test]
fn an_arrow_that_runs_down_the_table() {
    let rows = "| `ground/` | what all stands on | the weather |\n| `roof` | what keeps off the rain | `std::net` |\n";
    let (ground, roof) = rows.split_once('\n').unwrap();
    assert_one(
        &with_rule(rows, &format!("{roof}{ground}\n")),
        "low/src/roof.rs:1, low/src/roof.rs:2: `roof` knows `ground`, whose row in ARCHITECTURE.md stands below its own: let \
         `ground` know `roof` instead, move what both need to a folder above them, or move the row",
    );
}

#[test]
fn a_circle_of_three() {
    let mut sources = workspace();
    sources.add("low/src/lib.rs", "mod ground;\nmod roof;\nmod wall;\n");
    sources.add("low/src/ground/cellar.rs", "use crate::wall;\n");
    sources.add("low/src/wall.rs", "use crate::roof;\n");
    let house = House::read(&sources).unwrap();
    let graph = Graph::of_crate(&house, 0);
    assert_eq!(graph.circles(), [["ground", "roof", "wall"].into()]);
    let found = what_is_broken(&sources);
    let circle = "a circle in `low`: `ground` knows `wall` at low/src/ground/cellar.rs:1, `wall` knows `roof` at \
                  low/src/wall.rs:1, `roof` knows `ground` at low/src/roof.rs:1, low/src/roof.rs:2: turn one of these arrows \
                  round";
    assert!(found.iter().any(|what| what == circle), "{found:#?}");
}

#[test]
fn modules_within_a_folder() {
    let mut sources = workspace();
    sources.add("low/src/ground/cellar.rs", "use super::{Floor, floor::lay};\nstruct Barrel;\n");
    sources.add("low/src/ground/floor.rs", "pub struct Floor;\nfn f(_: super::cellar::Barrel) {}\n");
    let house = House::read(&sources).unwrap();
    let ground = house.modules.iter().position(|module| module.name == "ground").unwrap();
    let graph = Graph::of_folder(&house, ground);
    let arrows: Vec<_> = graph.arrows.keys().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(arrows, [("cellar", "floor"), ("floor", "cellar"), ("mod", "floor")]);
    assert_eq!(graph.circles(), [["cellar", "floor"].into()]);
}

#[test]
fn a_dependency_that_nothing_names() {
    let with_code = |dependencies: &str, code: &str| {
        let mut sources = workspace();
        sources.add("low/Cargo.toml", &format!("[package]\nname = \"low\"\n{dependencies}\n"));
        sources.add("low/src/ground/cellar.rs", code);
        what_is_broken(&sources)
    };
    let unused = "low/Cargo.toml depends on `hyper`, and no code but perhaps a test names it: take it out, or make it a \
                  dependency of tests";
    let hyper = "[dependencies]\nhyper.workspace = true";
    assert_one(&with_code(hyper, ""), unused);
    assert_one(&with_code(hyper, "#[cfg(test)]\nuse hyper::Error;\nfn f() { hyper2::f() }\n"), unused);
    assert_eq!(with_code(hyper, "fn f() { hyper::f() }\n"), [""; 0]);
    assert_eq!(with_code("[dev-dependencies]\nhyper.workspace = true", ""), [""; 0]);
    assert_eq!(with_code("[build-dependencies]\nhyper.workspace = true", ""), [""; 0]);
    let renamed = "[dependencies]\nweb = { package = \"hyper\", version = \"1\" }";
    assert_one(&with_code(renamed, "fn f() { hyper::f() }\n"), unused);
    assert_eq!(with_code(renamed, "fn f() { web::f() }\n"), [""; 0]);
    let mut sources = workspace();
    sources.add("high/src/guests.rs", "pub fn come() {}\n");
    assert_one(&what_is_broken(&sources), &unused.replace("low/", "high/").replace("hyper", "low"));
}

#[test]
fn a_forbidden_dependency() {
    let manifest = "[package]\nname = \"low\"\n[dependencies]\nruntime = { package = \"tokio\", version = \"1\" }\n";
    let mut sources = workspace();
    sources.add("low/Cargo.toml", manifest);
    sources.add("low/src/ground/cellar.rs", "fn f() { runtime::spawn() }\n");
    assert_one(
        &what_is_broken(&sources),
        "low/Cargo.toml depends on `tokio`, which the table of crates in ARCHITECTURE.md forbids for `low`: move the code \
         that needs it to another crate",
    );
    let manifest = "[package]\nname = \"low\"\n[dev-dependencies]\ntokio.workspace = true\n";
    assert_eq!(with("low/Cargo.toml", manifest), [""; 0]);
}

#[test]
fn a_forbidden_dependency_of_another_crate() {
    assert_one(
        &with_rule("`tokio/net` | |", "`low` | |"),
        "high/Cargo.toml depends on `low`, which the table of crates in ARCHITECTURE.md forbids for `high`: move the code that \
         needs it to another crate",
    );
    let mut sources = workspace();
    sources.add("ARCHITECTURE.md", &RULES.replace("`tokio/net`", "`hyper`"));
    sources.add("low/Cargo.toml", "[package]\nname = \"low\"\n[target.'cfg(unix)'.dependencies]\nhyper = \"1\"\n");
    sources.add("low/src/ground/cellar.rs", "fn f() { hyper::f() }\n");
    assert_one(
        &what_is_broken(&sources),
        "low/Cargo.toml depends on `hyper`, which the table of crates in ARCHITECTURE.md forbids for `high`: move the code \
         that needs it to another crate",
    );
}

#[test]
fn a_forbidden_feature() {
    let with_tokio = |tokio: &str| {
        let manifest = format!("[package]\nname = \"high\"\n[dependencies]\nlow.workspace = true\n{tokio}\n");
        let mut sources = workspace();
        sources.add("high/Cargo.toml", &manifest);
        sources.add("high/src/guests.rs", "pub fn come() { low::roof::cover(); tokio::spawn(); }\n");
        what_is_broken(&sources)
    };
    let expected = "high/Cargo.toml depends on `tokio/net`, which the table of crates in ARCHITECTURE.md forbids for `high`: \
                    move the code that needs it to another crate";
    assert_eq!(with_tokio("tokio = \"1\""), [""; 0]);
    assert_one(&with_tokio("tokio = { version = \"1\", features = [\"net\"] }"), expected);
    assert_one(&with_tokio("tokio.workspace = true"), expected);
}

#[test]
fn unsafe_elsewhere() {
    let expected = "low/src/roof.rs uses `unsafe`, and the table of crates in ARCHITECTURE.md does not name it for `low`: call \
                    a safe function of a file that it names";
    for text in [
        "fn f() { unsafe { g() } }\n",
        "unsafe fn f() {}\n",
        "unsafe impl Send for Tile {}\n",
        "struct Tile;\nimpl Tile { unsafe extern \"C\" fn f() {} }\n",
        "unsafe extern \"C\" { fn f(); }\n",
        "#[unsafe(no_mangle)]\nfn f() {}\n",
        "macro_rules! m { () => { unsafe { g() } } }\n",
        "fn f() { assert!(unsafe { g() }) }\n",
    ] {
        let mut sources = workspace();
        sources.add("low/src/roof.rs", text);
        assert_one(&what_is_broken(&sources), expected);
        let named = "| `low` | the building | `tokio` | `roof` |";
        sources.add("ARCHITECTURE.md", &RULES.replace("| `low` | the building | `tokio` | |", named));
        assert_eq!(what_is_broken(&sources), [""; 0], "{text}");
    }
    for text in ["// unsafe\nfn f() { g(\"unsafe\") }\n", "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }\n"] {
        assert_eq!(with("low/src/roof.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn leave_for_unsafe_that_nobody_takes() {
    assert_one(
        &with_rule("| `low` | the building | `tokio` | |", "| `low` | the building | `tokio` | `ground/` |"),
        "ARCHITECTURE.md lets `ground` of `low` use `unsafe`, which it does not do any more: take the name out",
    );
    assert_eq!(with_rule("`tokio` | |", "`tokio` | anywhere |"), [""; 0]);
}

#[test]
fn lines_of_tests_are_counted_apart() {
    let mut sources = workspace();
    let text = "//! Words.\n\nfn f() {}\n\n/// More.\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n";
    sources.add("low/src/roof.rs", text);
    let house = House::read(&sources).unwrap();
    let roof = house.crates[0].files["low/src/roof.rs"];
    assert_eq!((roof.lines, roof.code, roof.tests), (4, 1, 5));
}
