//! The tables in ARCHITECTURE.md that hold the rules.
//!
//! A table of rules is known by its first line: `| crate | ...` is about crates, `| folder | ...` about the folders and
//! files at the top of a crate's `src`. The crate is the one that the last heading names in backticks, by its package or
//! its folder. In the first cell, and in those of what is forbidden and of `unsafe`, only what stands in backticks counts;
//! other words are for the reader.

use crate::house::House;
use anyhow::{Result, bail};

/// All tables of rules.
pub(crate) struct Tables {
    pub(crate) crates: Vec<CrateRow>,
    /// By the crate's index.
    pub(crate) folders: Vec<Vec<FolderRow>>,
}

pub(crate) struct CrateRow {
    pub(crate) package: String,
    pub(crate) forbidden: Vec<String>,
    pub(crate) may_be_unsafe: UnsafeIn,
}

/// Which files may use `unsafe`.
pub(crate) enum UnsafeIn {
    Anywhere,
    /// Folders and files in `src`, without `.rs`.
    These(Vec<String>),
}

pub(crate) struct FolderRow {
    pub(crate) folder: String,
    pub(crate) forbidden: Vec<String>,
}

/// Reads the tables of ARCHITECTURE.md.
pub(crate) fn tables(text: &str, house: &House) -> Result<Tables> {
    let mut tables = Tables { crates: Vec::new(), folders: house.crates.iter().map(|_| Vec::new()).collect() };
    let mut heading = None;
    let mut table = Kind::Other;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') {
            heading = quoted(line).iter().find_map(|name| crate_named(house, name));
        }
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            table = Kind::None;
            continue;
        };
        let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        match table {
            Kind::None => {
                table = match (cell(0), heading) {
                    ("crate", _) => Kind::Crates,
                    ("folder", Some(of)) => Kind::Folders(of),
                    ("folder", None) => bail!(
                        "ARCHITECTURE.md:{}: the heading above this table names no crate: put its package or folder into \
                         backticks",
                        index + 1
                    ),
                    _ => Kind::Other,
                };
            }
            _ if cell(0).chars().all(|sign| "-: ".contains(sign)) => {}
            Kind::Crates => {
                for package in quoted(cell(0)) {
                    let forbidden = quoted(cell(2));
                    let may_be_unsafe = match cell(3) {
                        "anywhere" => UnsafeIn::Anywhere,
                        named => UnsafeIn::These(quoted(named)),
                    };
                    tables.crates.push(CrateRow { package, forbidden, may_be_unsafe });
                }
            }
            Kind::Folders(of) => {
                for folder in quoted(cell(0)) {
                    tables.folders[of].push(FolderRow { folder, forbidden: quoted(cell(2)) });
                }
            }
            Kind::Other => {}
        }
    }
    Ok(tables)
}

enum Kind {
    /// The line before was of no table.
    None,
    Crates,
    Folders(usize),
    Other,
}

/// What stands in backticks, without a `/` at its end.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches('/').to_owned()).collect()
}

fn crate_named(house: &House, name: &str) -> Option<usize> {
    let folder = name.strip_suffix("/src").unwrap_or(name);
    house.crates.iter().position(|of| of.package == folder || of.folder == folder)
}
