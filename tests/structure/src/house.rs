//! Crates and the trees of their modules.

use crate::arrows::{self, Arrow};
use crate::measure::{self, Measure};
use crate::names::{self, Names};
use crate::sources::Sources;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Attribute, Item, ItemMod, Meta, Token};

/// The index of a module in [`House::modules`].
pub type ModuleId = usize;

/// All crates of the product.
pub struct House {
    /// The crates, in the order of the workspace's members.
    pub crates: Vec<Crate>,
    /// The modules of all crates. Modules of tests are none of them.
    pub modules: Vec<Module>,
    /// What each module knows.
    pub arrows: Vec<Arrow>,
}

/// A package.
pub struct Crate {
    /// The package's name.
    pub package: String,
    /// The name that Rust code uses for its library.
    pub ident: String,
    /// Its folder, from the root of the workspace.
    pub folder: String,
    /// The packages that it depends on. Those of tests are left out.
    pub dependencies: BTreeMap<String, Dependency>,
    /// Lines and uses of `unsafe`, by file.
    pub files: BTreeMap<String, Measure>,
    /// Files that no module leads to.
    pub orphans: Vec<String>,
    /// The root of the library.
    pub(crate) library: Option<ModuleId>,
}

/// A package that a crate depends on.
#[derive(Default)]
pub struct Dependency {
    /// The name that the crate's code uses for it.
    pub ident: String,
    /// The features that the crate asks for.
    pub features: BTreeSet<String>,
    /// Whether only the build script has it.
    pub build_only: bool,
}

/// A module that is not a test.
pub struct Module {
    /// Its crate's index.
    pub of: usize,
    /// Its name; `lib` or `main` for a root.
    pub name: String,
    /// The file that its text stands in.
    pub file: String,
    pub(crate) parent: Option<ModuleId>,
    /// Whether it stands in its parent's file.
    pub(crate) inline: bool,
    pub(crate) private: bool,
    pub(crate) children: BTreeMap<String, ModuleId>,
    pub(crate) names: Names,
    items: Vec<Item>,
}

impl House {
    /// Parses all files and follows all paths.
    pub fn read(sources: &Sources) -> Result<Self> {
        let mut house = Self { crates: Vec::new(), modules: Vec::new(), arrows: Vec::new() };
        let workspace: toml::Table = sources.text("Cargo.toml").context("there is no Cargo.toml")?.parse()?;
        for folder in sources.product()? {
            house.read_crate(sources, &workspace, folder)?;
        }
        for id in 0..house.modules.len() {
            let items = std::mem::take(&mut house.modules[id].items);
            house.modules[id].names = names::of(&items);
            house.modules[id].items = items;
        }
        house.lift_exported_macros();
        house.arrows =
            (0..house.modules.len()).flat_map(|id| arrows::of(&house, id, &house.modules[id].items)).collect();
        Ok(house)
    }

    /// The module of the crate's root that `id` lies in: a file or a folder at the top of `src`.
    pub fn top(&self, id: ModuleId) -> &str {
        let mut top = id;
        while let Some(parent) = self.modules[top].parent {
            if self.modules[parent].parent.is_none() && !self.modules[top].inline {
                break;
            }
            top = parent;
        }
        &self.modules[top].name
    }

    /// The path of a module, from its crate's name on.
    pub fn path(&self, id: ModuleId) -> String {
        let module = &self.modules[id];
        match module.parent {
            Some(parent) => format!("{}::{}", self.path(parent), module.name),
            None => self.crates[module.of].ident.clone(),
        }
    }

    /// The folders and files at the top of the crate's `src`, roots included.
    pub fn tops(&self, of: usize) -> BTreeSet<&str> {
        (0..self.modules.len()).filter(|&id| self.modules[id].of == of).map(|id| self.top(id)).collect()
    }

    pub(crate) fn root(&self, mut id: ModuleId) -> ModuleId {
        while let Some(parent) = self.modules[id].parent {
            id = parent;
        }
        id
    }

    /// Whether `id` is `ancestor` or lies in it.
    pub(crate) fn within(&self, mut id: ModuleId, ancestor: ModuleId) -> bool {
        loop {
            if id == ancestor {
                return true;
            }
            match self.modules[id].parent {
                Some(parent) => id = parent,
                None => return false,
            }
        }
    }

    fn read_crate(&mut self, sources: &Sources, workspace: &toml::Table, folder: String) -> Result<()> {
        let path = format!("{folder}/Cargo.toml");
        let manifest = sources.text(&path).with_context(|| format!("there is no {path}"))?;
        let manifest: toml::Table = manifest.parse().with_context(|| path.clone())?;
        let package = text(&manifest, "package", "name").with_context(|| format!("{path} names no package"))?;
        let ident = text(&manifest, "lib", "name").unwrap_or_else(|| package.replace('-', "_"));
        let dependencies = dependencies(&manifest, workspace);
        let of = self.crates.len();
        self.crates.push(Crate {
            package,
            ident,
            folder: folder.clone(),
            dependencies,
            files: BTreeMap::new(),
            orphans: Vec::new(),
            library: None,
        });
        let mut reader = Reader { house: self, sources, of, reached: BTreeSet::new() };
        for root in ["lib", "main"] {
            let file = format!("{folder}/src/{root}.rs");
            if sources.text(&file).is_some() {
                let id = reader.file_module(root, &file, &format!("{folder}/src"), None, false)?;
                if root == "lib" {
                    reader.house.crates[of].library = id;
                }
            }
        }
        let reached = reader.reached;
        let folder = format!("{folder}/src");
        let all = sources.rust_files(&folder).map(|(path, _)| path);
        self.crates[of].orphans = all.filter(|path| !reached.contains(*path)).map(str::to_owned).collect();
        Ok(())
    }

    /// `#[macro_export]` puts a macro's name at the root of its crate.
    fn lift_exported_macros(&mut self) {
        for id in 0..self.modules.len() {
            let root = self.root(id);
            for name in self.modules[id].names.exported_macros.clone() {
                self.modules[root].names.add_item_of(id, name);
            }
        }
    }
}

/// Builds the modules of one crate.
struct Reader<'a> {
    house: &'a mut House,
    sources: &'a Sources,
    of: usize,
    reached: BTreeSet<String>,
}

impl Reader<'_> {
    /// A module with a file of its own; `folder` is where its children lie. `None` if it is a test.
    fn file_module(
        &mut self,
        name: &str,
        file: &str,
        folder: &str,
        parent: Option<(ModuleId, bool)>,
        test: bool,
    ) -> Result<Option<ModuleId>> {
        let text = self.sources.text(file).with_context(|| format!("there is no {file}"))?;
        let parsed = syn::parse_file(text).with_context(|| format!("cannot parse {file}"))?;
        let test = test || tests_only(&parsed.attrs);
        self.reached.insert(file.to_owned());
        let measure = measure::of(text, &parsed, test);
        self.house.crates[self.of].files.insert(file.to_owned(), measure);
        self.module(name, file, folder, parent, parsed.items, false, test)
    }

    #[expect(clippy::too_many_arguments, reason = "each is one fact of a module")]
    fn module(
        &mut self,
        name: &str,
        file: &str,
        folder: &str,
        parent: Option<(ModuleId, bool)>,
        items: Vec<Item>,
        inline: bool,
        test: bool,
    ) -> Result<Option<ModuleId>> {
        let (items, modules) = split(items);
        let id = (!test).then(|| {
            self.house.modules.push(Module {
                of: self.of,
                name: name.to_owned(),
                file: file.to_owned(),
                parent: parent.map(|(parent, _)| parent),
                inline,
                private: parent.is_some_and(|(_, private)| private),
                children: BTreeMap::new(),
                names: Names::default(),
                items,
            });
            self.house.modules.len() - 1
        });
        for module in modules {
            let child = module.ident.to_string();
            let test = test || tests_only(&module.attrs);
            let inside = format!("{folder}/{child}");
            let parent = id.map(|id| (id, matches!(module.vis, syn::Visibility::Inherited)));
            let made = match module.content {
                Some((_, items)) => self.module(&child, file, &inside, parent, items, true, test)?,
                None => {
                    let file = self.file_of(&child, folder, &module.attrs, file)?;
                    self.file_module(&child, &file, &inside, parent, test)?
                }
            };
            if let (Some(id), Some(made)) = (id, made) {
                self.house.modules[id].children.insert(child, made);
            }
        }
        Ok(id)
    }

    fn file_of(&self, child: &str, folder: &str, attrs: &[Attribute], from: &str) -> Result<String> {
        if attrs.iter().any(|attr| attr.path().is_ident("path")) {
            bail!("{from} gives the module `{child}` a path of its own: let its file have the module's name");
        }
        let choices = [format!("{folder}/{child}.rs"), format!("{folder}/{child}/mod.rs")];
        let found = choices.iter().find(|path| self.sources.text(path).is_some());
        found.cloned().with_context(|| format!("{from} has `mod {child};`, but there is no {}", choices[0]))
    }
}

/// Modules apart from all other items.
fn split(items: Vec<Item>) -> (Vec<Item>, Vec<ItemMod>) {
    let (mut others, mut modules) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Mod(module) => modules.push(module),
            other => others.push(other),
        }
    }
    (others, modules)
}

/// Whether the code under these attributes is compiled for tests and for nothing else.
pub(crate) fn tests_only(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("test")
            || (attr.path().is_ident("cfg") && attr.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta)))
    })
}

fn needs_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        _ => false,
    }
}

fn text(manifest: &toml::Table, section: &str, key: &str) -> Option<String> {
    manifest.get(section)?.get(key)?.as_str().map(str::to_owned)
}

/// What is linked into the crate, or built for it.
fn dependencies(manifest: &toml::Table, workspace: &toml::Table) -> BTreeMap<String, Dependency> {
    let shared = workspace.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = std::iter::once(manifest).chain(targets.into_iter().flatten().filter_map(|(_, of)| of.as_table()));
    let mut all: BTreeMap<String, Dependency> = BTreeMap::new();
    for (table, section) in tables.flat_map(|table| [(table, "dependencies"), (table, "build-dependencies")]) {
        for (name, own) in table.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            let of_workspace = own.get("workspace").and_then(toml::Value::as_bool).unwrap_or(false);
            let shared = shared.filter(|_| of_workspace).and_then(|shared| shared.get(name));
            let of_both = || shared.into_iter().chain([own]);
            let package = of_both().find_map(|of| of.get("package")?.as_str()).unwrap_or(name);
            let features = of_both().filter_map(|of| of.get("features")?.as_array()).flatten();
            let features = features.filter_map(|feature| feature.as_str().map(str::to_owned));
            let new = || Dependency { ident: name.replace('-', "_"), build_only: true, ..Dependency::default() };
            let dependency = all.entry(package.to_owned()).or_insert_with(new);
            dependency.features.extend(features);
            dependency.build_only &= section == "build-dependencies";
        }
    }
    all
}
