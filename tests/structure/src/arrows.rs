//! Finds every path in a module's text, and makes arrows of what they lead to.

use crate::house::{House, ModuleId, tests_only};
use crate::names::{self, Found, Names, Path, Place, Target};
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::parse::Parser;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItem, Item, Macro, Meta, Stmt, TraitItem, Visibility};

/// A module knows something: another module, or a thing of another crate.
pub struct Arrow {
    /// The module that knows.
    pub from: ModuleId,
    /// The line in that module's file.
    pub line: usize,
    /// The modules that are known.
    pub to: BTreeSet<ModuleId>,
    /// What is known, with full paths that begin with a crate.
    pub things: BTreeSet<String>,
    /// Whether this only makes the item part of the library's face: `pub use` in `lib.rs`. Those who use the item know
    /// the module that defines it.
    pub face: bool,
}

/// The arrows of a module with these items.
pub(crate) fn of(house: &House, module: ModuleId, items: &[Item]) -> Vec<Arrow> {
    let mut finder = Finder { house, module, blocks: Vec::new(), arrows: Vec::new() };
    items.iter().for_each(|item| finder.visit_item(item));
    finder.arrows
}

struct Finder<'a> {
    house: &'a House,
    module: ModuleId,
    blocks: Vec<Names>,
    arrows: Vec<Arrow>,
}

impl Finder<'_> {
    fn follow(&self, path: &Path) -> Found {
        self.house.follow(Place { module: self.module, blocks: &self.blocks }, path)
    }

    fn note(&mut self, line: usize, found: Found, face: bool) {
        let mut to: BTreeSet<ModuleId> = found.through.into_iter().collect();
        let mut things = BTreeSet::new();
        for target in found.targets {
            match target {
                // A root is on the way to everything: only items of its own make it known.
                Target::Module(id) if self.house.modules[id].parent.is_none() => {
                    things.insert(self.house.path(id));
                }
                Target::Module(id) => {
                    to.insert(id);
                }
                Target::Item(id, name) => {
                    things.insert(format!("{}::{name}", self.house.path(id)));
                    to.insert(id);
                }
                Target::External(path) => {
                    things.insert(path.join("::"));
                }
            }
        }
        to.remove(&self.module);
        things.extend(to.iter().map(|&id| self.house.path(id)));
        if !things.is_empty() {
            self.arrows.push(Arrow { from: self.module, line, to, things, face });
        }
    }

    /// A path in code.
    fn inline(&mut self, line: usize, path: &Path) {
        let mut found = self.follow(path);
        if path.segments.len() == 1 {
            // A variable may have a module's name. A module alone means nothing in code.
            found.targets.retain(|target| !matches!(target, Target::Module(_)));
        }
        self.note(line, found, false);
    }

    fn import(&mut self, item: &syn::ItemUse) {
        let id = self.module;
        let in_library_root = self.house.crates[self.house.modules[id].of].library == Some(self.house.root(id));
        let at_root = self.house.modules[id].parent.is_none() || self.house.top(id) == "lib";
        let face = in_library_root && at_root && !matches!(item.vis, Visibility::Inherited);
        for import in names::imports(item) {
            let found = self.follow(&import.path);
            self.note(import.line, found, face);
        }
    }

    fn block(&mut self, statements: &[Stmt], inside: impl FnOnce(&mut Self)) {
        let items = statements.iter().filter_map(|statement| match statement {
            Stmt::Item(item) => Some(item),
            _ => None,
        });
        self.blocks.push(names::of(items));
        inside(self);
        self.blocks.pop();
    }

    /// Looks for paths in what a macro is given, or in what it is made of.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    at += 1;
                }
                TokenTree::Ident(ident) if ident == "use" => at = self.use_in_tokens(&tokens, at),
                TokenTree::Ident(ident) => at = self.path_in_tokens(&tokens, at, ident),
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// A `use` item among tokens. Returns where to go on.
    fn use_in_tokens(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let end = tokens[at..].iter().position(|token| is(token, ';')).map(|length| at + length + 1);
        if let Some(end) = end {
            let without_dollar = tokens[at..end].iter().filter(|token| !is(token, '$')).cloned().collect();
            if let Ok(item) = syn::parse2::<syn::ItemUse>(without_dollar) {
                self.import(&item);
                return end;
            }
        }
        at + 1
    }

    /// A path that begins with `ident`, as it may stand anywhere among tokens. Returns where to go on.
    fn path_in_tokens(&mut self, tokens: &[TokenTree], at: usize, ident: &Ident) -> usize {
        let before = |back: usize, sign| at >= back && is(&tokens[at - back], sign);
        let mut segments = vec![ident.to_string()];
        let mut next = at + 1;
        while next + 2 < tokens.len() && is(&tokens[next], ':') && is(&tokens[next + 1], ':') {
            let TokenTree::Ident(segment) = &tokens[next + 2] else { break };
            segments.push(segment.to_string());
            next += 3;
        }
        // A field or a method, a lifetime, a macro's variable; the rest of a path behind a generic type.
        let rest = (before(1, '.') && !before(2, '.')) || before(1, '\'') || (before(1, '$') && ident != "crate");
        let behind_type = before(1, ':') && before(2, ':') && at >= 3 && !matches!(tokens[at - 3], TokenTree::Group(_));
        let behind_generic = behind_type && is(&tokens[at - 3], '>');
        let called = matches!(tokens.get(next), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
            || tokens.get(next).is_some_and(|token| is(token, '!'));
        let alone = segments.len() == 1;
        let may_be_item = called || segments[0].starts_with(|first: char| first.is_uppercase());
        if rest || behind_generic || (alone && !may_be_item) {
            return next;
        }
        self.inline(ident.span().start().line, &Path { segments, absolute: before(1, ':') && before(2, ':') });
        next
    }

    /// Texts such as `#[serde(with = "crate::module")]`.
    fn texts_in_attribute(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.texts_in_attribute(group.stream()),
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else { continue };
                    if let Ok(path) = syn::Path::parse_mod_style.parse_str(&text.value())
                        && path.segments.len() > 1
                    {
                        self.inline(line, &written(&path));
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            // Each module is looked at by itself.
            Item::Mod(_) => {}
            Item::Use(item) if !tests_only(&item.attrs) => self.import(item),
            item if tests_only(attributes(item)) => {}
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attrs: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !tests_only(attrs) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attrs: &[Attribute] = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !tests_only(attrs) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !tests_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !tests_only(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !tests_only(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !tests_only(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.block(&block.stmts, |finder| visit::visit_block(finder, block));
    }

    /// `pub(in crate::module)` says who may see an item, and knows nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            self.inline(first.ident.span().start().line, &written(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        if let Some(name) = called.path.get_ident()
            && self.follow(&written(&called.path)).targets.is_empty()
            && let Some(module) = self.house.macro_above(self.module, &name.to_string())
        {
            let targets = vec![Target::Item(module, name.to_string())];
            self.note(name.span().start().line, Found { through: Vec::new(), targets }, false);
        }
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        match &attribute.meta {
            Meta::List(list) => {
                self.tokens(list.tokens.clone());
                self.texts_in_attribute(list.tokens.clone());
            }
            meta => visit::visit_meta(self, meta),
        }
    }
}

fn written(path: &syn::Path) -> Path {
    Path {
        segments: path.segments.iter().map(|segment| segment.ident.to_string()).collect(),
        absolute: path.leading_colon.is_some(),
    }
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
