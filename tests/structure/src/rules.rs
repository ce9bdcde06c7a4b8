//! The rules, and what breaks them.

use crate::graph::Graph;
use crate::house::{Crate, House, ModuleId};
use crate::sources::Sources;
use crate::table::{CrateRow, FolderRow, Tables, UnsafeIn, tables};
use anyhow::{Context, Result};
use std::collections::BTreeSet;

/// What is wrong, one sentence each, with what to do about it. Empty if all rules hold.
pub fn broken(house: &House, sources: &Sources) -> Result<Vec<String>> {
    let text = sources.text("ARCHITECTURE.md").context("there is no ARCHITECTURE.md")?;
    let mut rules =
        Rules { house, tables: tables(text, house)?, packages: packages(house, sources)?, broken: Vec::new() };
    rules.every_crate_has_a_row();
    for (of, each) in house.crates.iter().enumerate() {
        rules.every_file_is_reached(each);
        rules.every_dependency_is_used(of);
        rules.every_folder_has_a_row(of);
        rules.nothing_forbidden_is_known(of);
        rules.no_arrow_runs_down_the_table(of);
        rules.no_circles(of);
    }
    Ok(rules.broken)
}

struct Rules<'a> {
    house: &'a House,
    tables: Tables,
    /// All packages that a rule may name, as Rust code names them.
    packages: BTreeSet<String>,
    broken: Vec<String>,
}

impl Rules<'_> {
    fn every_crate_has_a_row(&mut self) {
        let house = self.house;
        let rows = std::mem::take(&mut self.tables.crates);
        for (index, of) in house.crates.iter().enumerate() {
            match rows.iter().find(|row| row.package == of.package) {
                Some(row) => {
                    self.no_forbidden_dependency(of, row);
                    self.no_forbidden_path(index, row);
                    self.unsafe_is_where_it_may_be(of, row);
                }
                None => self.say(format!(
                    "the crate `{}` has no row in the table of crates in ARCHITECTURE.md: add one",
                    of.package
                )),
            }
        }
        for row in rows {
            if !house.crates.iter().any(|of| of.package == row.package) {
                self.say(format!(
                    "ARCHITECTURE.md has a row for the crate `{}`, which is none of the product's: remove the row",
                    row.package
                ));
            }
        }
    }

    fn no_forbidden_dependency(&mut self, of: &Crate, row: &CrateRow) {
        for forbidden in row.forbidden.iter().filter(|forbidden| !forbidden.contains("::")) {
            let (name, feature) = match forbidden.split_once('/') {
                Some((name, feature)) => (name, Some(feature)),
                None => (forbidden.as_str(), None),
            };
            self.check_name(name, &of.package);
            for (through, features) in self.dependencies(of, name) {
                if feature.is_none_or(|feature| features.contains(feature)) {
                    self.say(format!(
                        "{through}/Cargo.toml depends on `{forbidden}`, which the table of crates in ARCHITECTURE.md forbids \
                         for `{}`: move the code that needs it to another crate",
                        of.package
                    ));
                }
            }
        }
    }

    fn no_forbidden_path(&mut self, of: usize, row: &CrateRow) {
        let house = self.house;
        for forbidden in row.forbidden.iter().filter(|forbidden| forbidden.contains("::")) {
            let path = forbidden.replace('-', "_");
            self.check_name(path.split("::").next().unwrap_or_default(), &row.package);
            let lines = self.lines_that_know(&path, |id| house.modules[id].of == of);
            if !lines.is_empty() {
                self.say(format!(
                    "{}: `{forbidden}`, which the table of crates in ARCHITECTURE.md forbids for all of `{}`",
                    places(&lines),
                    row.package
                ));
            }
        }
    }

    /// Where the modules that are `asked` about name `path`, or something in it.
    fn lines_that_know(&self, path: &str, asked: impl Fn(ModuleId) -> bool) -> BTreeSet<(String, usize)> {
        let inside = format!("{path}::");
        let arrows = self.house.arrows.iter().filter(|arrow| !arrow.face && asked(arrow.from));
        arrows
            .filter(|arrow| arrow.things.iter().any(|thing| *thing == path || thing.starts_with(&inside)))
            .map(|arrow| (self.house.modules[arrow.from].file.clone(), arrow.line))
            .collect()
    }

    /// The crates through which `of` depends on `name`, itself included, and the features that they ask for.
    fn dependencies(&self, of: &Crate, name: &str) -> Vec<(String, BTreeSet<String>)> {
        let mut through: Vec<&Crate> = vec![of];
        let mut found = Vec::new();
        let mut at = 0;
        while at < through.len() {
            let dependent = through[at];
            at += 1;
            if let Some(dependency) = dependent.dependencies.get(name) {
                found.push((dependent.folder.clone(), dependency.features.clone()));
            }
            let known = self.house.crates.iter().filter(|other| dependent.dependencies.contains_key(&other.package));
            let new: Vec<_> = known.filter(|other| !through.iter().any(|of| of.package == other.package)).collect();
            through.extend(new);
        }
        found
    }

    fn unsafe_is_where_it_may_be(&mut self, of: &Crate, row: &CrateRow) {
        let UnsafeIn::These(allowed) = &row.may_be_unsafe else { return };
        let users: Vec<&String> =
            of.files.iter().filter(|(_, file)| file.uses_unsafe()).map(|(path, _)| path).collect();
        let covers = |allowed: &String, path: &str| {
            let inside = path.strip_prefix(&format!("{}/src/{allowed}", of.folder));
            inside.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        for path in &users {
            if !allowed.iter().any(|allowed| covers(allowed, path)) {
                self.say(format!(
                    "{path} uses `unsafe`, and the table of crates in ARCHITECTURE.md does not name it for `{}`: call a safe \
                     function of a file that it names",
                    of.package
                ));
            }
        }
        for allowed in allowed {
            if !users.iter().any(|path| covers(allowed, path)) {
                self.say(format!(
                    "ARCHITECTURE.md lets `{allowed}` of `{}` use `unsafe`, which it does not do any more: take the name out",
                    of.package
                ));
            }
        }
    }

    fn every_file_is_reached(&mut self, of: &Crate) {
        for path in &of.orphans {
            self.say(format!("{path} belongs to no module: name it in a `mod` item, or remove it"));
        }
    }

    fn every_dependency_is_used(&mut self, of: usize) {
        let house = self.house;
        let Crate { folder, dependencies, .. } = &house.crates[of];
        for (package, _) in dependencies.iter().filter(|(_, dependency)| !dependency.build_only) {
            let ours = house.crates.iter().find(|of| of.package == *package);
            let path = ours.map_or_else(|| package.replace('-', "_"), |of| of.ident.clone());
            let inside = format!("{path}::");
            let mut arrows = house.arrows.iter().filter(|arrow| house.modules[arrow.from].of == of);
            let known = |thing: &String| *thing == path || thing.starts_with(&inside);
            if !arrows.any(|arrow| arrow.things.iter().any(known)) {
                self.say(format!(
                    "{folder}/Cargo.toml depends on `{package}`, and no code but perhaps a test names it: take it out, or make \
                     it a dependency of tests"
                ));
            }
        }
    }

    fn every_folder_has_a_row(&mut self, of: usize) {
        let package = self.house.crates[of].package.clone();
        let tops = self.house.tops(of);
        let graph = Graph::of_crate(self.house, of);
        // A list of modules needs no row.
        let only_lists = |top: &str| top == "lib" && !graph.arrows.keys().any(|(from, to)| from == top || to == top);
        let mut seen = BTreeSet::new();
        let rows: Vec<String> = self.tables.folders[of].iter().map(|row| row.folder.clone()).collect();
        for row in &rows {
            if !tops.contains(row.as_str()) {
                self.say(format!(
                    "the table of `{package}` in ARCHITECTURE.md has a row for `{row}`, and src has neither a folder nor a \
                     file of that name: remove the row"
                ));
            }
            if !seen.insert(row.as_str()) {
                self.say(format!("the table of `{package}` in ARCHITECTURE.md has two rows for `{row}`: remove one"));
            }
        }
        for top in tops {
            if !seen.contains(top) && !only_lists(top) {
                self.say(format!(
                    "`{top}` has no row in the table of `{package}` in ARCHITECTURE.md: add one, below all that it knows"
                ));
            }
        }
    }

    fn nothing_forbidden_is_known(&mut self, of: usize) {
        let house = self.house;
        let ident = &house.crates[of].ident;
        let tops = house.tops(of);
        let rows = std::mem::take(&mut self.tables.folders[of]);
        for FolderRow { folder, forbidden } in &rows {
            for forbidden in forbidden {
                let path = forbidden.replace('-', "_");
                let first = path.split("::").next().unwrap_or_default();
                let own = tops.contains(first);
                if !own {
                    self.check_name(first, folder);
                }
                let path = if own { format!("{ident}::{path}") } else { path.clone() };
                let lines = self.lines_that_know(&path, |id| house.modules[id].of == of && house.top(id) == folder);
                if lines.is_empty() {
                    continue;
                }
                self.say(format!(
                    "{}: `{folder}` knows `{forbidden}`, which its row in ARCHITECTURE.md forbids: move the code that needs it \
                     to a folder that may",
                    places(&lines)
                ));
            }
        }
        self.tables.folders[of] = rows;
    }

    fn no_arrow_runs_down_the_table(&mut self, of: usize) {
        let order: Vec<String> = self.tables.folders[of].iter().map(|row| row.folder.clone()).collect();
        let place = |name: &str| order.iter().position(|folder| folder == name);
        for ((from, to), lines) in Graph::of_crate(self.house, of).arrows {
            let (Some(low), Some(high)) = (place(&from), place(&to)) else { continue };
            if low < high {
                self.say(format!(
                    "{}: `{from}` knows `{to}`, whose row in ARCHITECTURE.md stands below its own: let `{to}` know `{from}` \
                     instead, move what both need to a folder above them, or move the row",
                    places(&lines)
                ));
            }
        }
    }

    fn no_circles(&mut self, of: usize) {
        let package = &self.house.crates[of].package;
        let graph = Graph::of_crate(self.house, of);
        for circle in graph.circles() {
            let shortest = graph.shortest_circle(&circle);
            let arrows = shortest.iter().map(|(from, to)| {
                let lines = &graph.arrows[&(from.to_string(), to.to_string())];
                format!("`{from}` knows `{to}` at {}", places(lines))
            });
            let arrows = arrows.collect::<Vec<_>>().join(", ");
            let others = match circle.len() - shortest.len() {
                0 => String::new(),
                others => format!(" ({others} more folders hang on it)"),
            };
            self.broken.push(format!("a circle in `{package}`: {arrows}{others}: turn one of these arrows round"));
        }
    }

    /// A rule with a name that nothing has could never be broken.
    fn check_name(&mut self, name: &str, row: &str) {
        if !self.packages.contains(&name.replace('-', "_")) {
            self.say(format!(
                "ARCHITECTURE.md forbids `{name}` for `{row}`, which is no folder, crate or dependency of the workspace: mend \
                 the name, or write it without backticks"
            ));
        }
    }

    fn say(&mut self, what: String) {
        self.broken.push(what);
    }
}

/// The first lines of those that make an arrow.
fn places(lines: &BTreeSet<(String, usize)>) -> String {
    let shown: Vec<_> = lines.iter().take(3).map(|(file, line)| format!("{file}:{line}")).collect();
    match lines.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn packages(house: &House, sources: &Sources) -> Result<BTreeSet<String>> {
    let workspace: toml::Table = sources.text("Cargo.toml").context("there is no Cargo.toml")?.parse()?;
    let shared = workspace.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let shared = shared.and_then(toml::Value::as_table).into_iter().flatten().map(|(name, _)| name);
    let own = house.crates.iter().flat_map(|of| of.dependencies.keys().chain([&of.package, &of.ident]));
    let named = ["std", "core", "alloc"].map(str::to_owned);
    Ok(shared.chain(own).map(|name| name.replace('-', "_")).chain(named).collect())
}
