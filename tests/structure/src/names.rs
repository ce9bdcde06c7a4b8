//! What names mean: the items and imports of a module, and how a path is followed through them.

use crate::house::{House, ModuleId, tests_only};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use syn::{Item, ItemUse, UseTree, Visibility};

/// The names that a module or a block brings into scope, apart from its child modules.
#[derive(Default, Clone)]
pub(crate) struct Names {
    entries: BTreeMap<String, Vec<Entry>>,
    globs: Vec<(Path, bool)>,
    pub(crate) exported_macros: BTreeSet<String>,
}

#[derive(Clone)]
struct Entry {
    private: bool,
    means: Means,
}

#[derive(Clone)]
enum Means {
    /// An item that stands here.
    Item,
    /// An item of another module, which the compiler knows here, too.
    ItemOf(ModuleId),
    Import(Path),
}

/// A path as it is written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    /// Whether it begins with `::`, and so with a crate.
    pub(crate) absolute: bool,
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Module(ModuleId),
    /// An item, in the module that defines it.
    Item(ModuleId, String),
    /// Something of a crate that is none of ours.
    External(Vec<String>),
}

/// One path of a `use` item.
pub(crate) struct Import {
    pub(crate) path: Path,
    pub(crate) line: usize,
    pub(crate) glob: bool,
    /// The name that it gets here.
    name: Option<String>,
}

/// Where a path stands: in a module, and in blocks of its functions.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) module: ModuleId,
    pub(crate) blocks: &'a [Names],
}

/// Where a path leads.
#[derive(Default)]
pub(crate) struct Found {
    /// Modules that the path names on its way.
    pub(crate) through: Vec<ModuleId>,
    pub(crate) targets: Vec<Target>,
}

/// Names already looked up for one path: imports may go in circles.
type Seen = HashSet<(ModuleId, usize, String)>;

/// The names that the items of a module or a block bring into scope.
pub(crate) fn of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Names {
    let mut names = Names::default();
    for item in items {
        names.add(item);
    }
    names
}

/// All paths of a `use` item.
pub(crate) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut imports = Vec::new();
    let start = Path { segments: Vec::new(), absolute: item.leading_colon.is_some() };
    flatten(&item.tree, &start, &mut imports);
    imports
}

impl Names {
    pub(crate) fn add_item_of(&mut self, module: ModuleId, name: String) {
        self.entries.entry(name).or_default().push(Entry { private: false, means: Means::ItemOf(module) });
    }

    fn add(&mut self, item: &Item) {
        let (name, vis) = match item {
            Item::Const(item) if tests_only(&item.attrs) => return,
            Item::Const(item) => (&item.ident, Some(&item.vis)),
            Item::Enum(item) if tests_only(&item.attrs) => return,
            Item::Enum(item) => (&item.ident, Some(&item.vis)),
            Item::Fn(item) if tests_only(&item.attrs) => return,
            Item::Fn(item) => (&item.sig.ident, Some(&item.vis)),
            Item::Static(item) => (&item.ident, Some(&item.vis)),
            Item::Struct(item) if tests_only(&item.attrs) => return,
            Item::Struct(item) => (&item.ident, Some(&item.vis)),
            Item::Trait(item) if tests_only(&item.attrs) => return,
            Item::Trait(item) => (&item.ident, Some(&item.vis)),
            Item::Type(item) => (&item.ident, Some(&item.vis)),
            Item::Union(item) => (&item.ident, Some(&item.vis)),
            Item::Macro(item) => {
                let Some(ident) = &item.ident else { return };
                if item.attrs.iter().any(|attr| attr.path().is_ident("macro_export")) {
                    self.exported_macros.insert(ident.to_string());
                }
                (ident, None)
            }
            Item::ExternCrate(item) => {
                let path = Path { segments: vec![item.ident.to_string()], absolute: true };
                let name = item.rename.as_ref().map_or(&item.ident, |(_, rename)| rename);
                let private = matches!(item.vis, Visibility::Inherited);
                let entry = Entry { private, means: Means::Import(path) };
                self.entries.entry(name.to_string()).or_default().push(entry);
                return;
            }
            Item::Use(item) if tests_only(&item.attrs) => return,
            Item::Use(item) => {
                let private = matches!(item.vis, Visibility::Inherited);
                for import in imports(item) {
                    if import.glob {
                        self.globs.push((import.path, private));
                    } else if let Some(name) = import.name {
                        let entry = Entry { private, means: Means::Import(import.path) };
                        self.entries.entry(name).or_default().push(entry);
                    }
                }
                return;
            }
            _ => return,
        };
        let private = matches!(vis, Some(Visibility::Inherited));
        self.entries.entry(name.to_string()).or_default().push(Entry { private, means: Means::Item });
    }
}

impl House {
    /// Follows `path` from `place` to what it names.
    pub(crate) fn follow(&self, place: Place<'_>, path: &Path) -> Found {
        self.resolve(place, path, &mut Seen::new())
    }

    /// The module whose `macro_rules!` a plain `name!` means if nothing of that name was imported.
    pub(crate) fn macro_above(&self, module: ModuleId, name: &str) -> Option<ModuleId> {
        let mut at = Some(module);
        while let Some(id) = at {
            let entries = self.modules[id].names.entries.get(name);
            if entries.into_iter().flatten().any(|entry| matches!(entry.means, Means::Item)) {
                return Some(id);
            }
            at = self.modules[id].parent;
        }
        None
    }

    fn resolve(&self, place: Place<'_>, path: &Path, seen: &mut Seen) -> Found {
        let mut found = Found::default();
        let Some(first) = path.segments.first() else { return found };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(self.root(place.module))],
            "self" => vec![Target::Module(place.module)],
            "super" => self.modules[place.module].parent.map(Target::Module).into_iter().collect(),
            name if path.absolute => self.crate_named(place.module, name),
            name => self.name_at(place, name, seen),
        };
        let by_name = !matches!(first.as_str(), "crate" | "self" | "super");
        for (index, segment) in path.segments.iter().enumerate().skip(1) {
            if targets.iter().any(|target| matches!(target, Target::Module(_))) {
                // A function or macro may have its module's name; what has a `::` behind it is the module.
                targets.retain(|target| !matches!(target, Target::Item(..)));
            }
            if by_name || index > 1 {
                found.note_modules(&targets, self);
            }
            targets = targets.into_iter().flat_map(|target| self.step(target, segment, place.module, seen)).collect();
        }
        found.targets = targets;
        found
    }

    fn step(&self, target: Target, segment: &str, asker: ModuleId, seen: &mut Seen) -> Vec<Target> {
        match target {
            Target::Module(id) if segment == "super" => {
                self.modules[id].parent.map(Target::Module).into_iter().collect()
            }
            Target::Module(id) if segment == "self" => vec![Target::Module(id)],
            Target::Module(id) => {
                let found = self.name_in(id, segment, asker, seen);
                // What is not found is made by a macro.
                if found.is_empty() { vec![Target::Item(id, segment.to_owned())] } else { found }
            }
            // What follows a type is its own: a variant, a function, a constant.
            Target::Item(..) => vec![target],
            Target::External(mut path) => {
                path.push(segment.to_owned());
                vec![Target::External(path)]
            }
        }
    }

    /// What a name means without a path before it.
    fn name_at(&self, place: Place<'_>, name: &str, seen: &mut Seen) -> Vec<Target> {
        for (depth, names) in place.blocks.iter().enumerate().rev() {
            if !seen.insert((place.module, depth + 1, name.to_owned())) {
                continue;
            }
            let outer = Place { blocks: &place.blocks[..=depth], ..place };
            if let Some(entries) = names.entries.get(name) {
                return entries.iter().flat_map(|entry| self.meaning(entry, name, outer, seen)).collect();
            }
            let found = self.name_in_globs(&names.globs, name, outer, place.module, seen);
            if !found.is_empty() {
                return found;
            }
        }
        let found = self.name_in(place.module, name, place.module, seen);
        if found.is_empty() { self.crate_named(place.module, name) } else { found }
    }

    /// What `name` means in `module` for code in `asker`.
    fn name_in(&self, module: ModuleId, name: &str, asker: ModuleId, seen: &mut Seen) -> Vec<Target> {
        if !seen.insert((module, 0, name.to_owned())) {
            return Vec::new();
        }
        let of = &self.modules[module];
        let inside = self.within(asker, module);
        let place = Place { module, blocks: &[] };
        let mut found = Vec::new();
        if let Some(&child) = of.children.get(name)
            && (inside || !self.modules[child].private)
        {
            found.push(Target::Module(child));
        }
        for entry in of.names.entries.get(name).into_iter().flatten() {
            if inside || !entry.private {
                found.extend(self.meaning(entry, name, place, seen));
            }
        }
        if found.is_empty() {
            let globs: Vec<_> = of.names.globs.iter().filter(|(_, private)| inside || !private).cloned().collect();
            found = self.name_in_globs(&globs, name, place, module, seen);
        }
        found
    }

    fn name_in_globs(
        &self,
        globs: &[(Path, bool)],
        name: &str,
        place: Place<'_>,
        asker: ModuleId,
        seen: &mut Seen,
    ) -> Vec<Target> {
        let mut found = Vec::new();
        for (path, _) in globs {
            // A copy: the paths of two globs may begin with the same name.
            for target in self.resolve(place, path, &mut seen.clone()).targets {
                if let Target::Module(id) = target {
                    found.extend(self.name_in(id, name, asker, seen));
                }
            }
        }
        found
    }

    fn meaning(&self, entry: &Entry, name: &str, place: Place<'_>, seen: &mut Seen) -> Vec<Target> {
        match &entry.means {
            Means::Item if place.blocks.is_empty() => vec![Target::Item(place.module, name.to_owned())],
            // An item of a function's body is known to nobody else.
            Means::Item => Vec::new(),
            Means::ItemOf(module) => vec![Target::Item(*module, name.to_owned())],
            Means::Import(path) => self.resolve(place, path, seen).targets,
        }
    }

    fn crate_named(&self, from: ModuleId, name: &str) -> Vec<Target> {
        if let Some(library) = self.crates.iter().find(|of| of.ident == name).and_then(|of| of.library) {
            return vec![Target::Module(library)];
        }
        let known = &self.crates[self.modules[from].of].dependencies;
        let package = known.iter().find(|(_, of)| of.ident == name && !of.build_only);
        match package {
            Some((package, _)) => vec![Target::External(vec![package.replace('-', "_")])],
            None if ["std", "core", "alloc"].contains(&name) => vec![Target::External(vec![name.to_owned()])],
            None => Vec::new(),
        }
    }
}

impl Found {
    /// Roots are on the way to everything.
    fn note_modules(&mut self, targets: &[Target], house: &House) {
        for target in targets {
            if let Target::Module(id) = target
                && house.modules[*id].parent.is_some()
            {
                self.through.push(*id);
            }
        }
    }
}

fn flatten(tree: &UseTree, before: &Path, imports: &mut Vec<Import>) {
    let with = |ident: &proc_macro2::Ident| {
        let mut path = before.clone();
        // `a::{self}` is `a`.
        if ident != "self" || path.segments.is_empty() {
            path.segments.push(ident.to_string());
        }
        path
    };
    match tree {
        UseTree::Path(tree) => flatten(&tree.tree, &with(&tree.ident), imports),
        UseTree::Name(tree) => {
            let path = with(&tree.ident);
            let name = path.segments.last().cloned();
            imports.push(Import { path, line: tree.ident.span().start().line, glob: false, name });
        }
        UseTree::Rename(tree) => {
            let name = Some(tree.rename.to_string()).filter(|name| name != "_");
            imports.push(Import { path: with(&tree.ident), line: tree.ident.span().start().line, glob: false, name });
        }
        UseTree::Glob(tree) => imports.push(Import {
            path: before.clone(),
            line: tree.star_token.spans[0].start().line,
            glob: true,
            name: None,
        }),
        UseTree::Group(tree) => tree.items.iter().for_each(|tree| flatten(tree, before, imports)),
    }
}
