//! Lines of a file and its uses of `unsafe`, tests apart.

use crate::arrows::attributes;
use crate::house::tests_only;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeSet;
use std::ops::AddAssign;
use syn::spanned::Spanned;
use syn::{File, Item};

/// What a file, or several, come to.
#[derive(Default, Clone, Copy)]
pub struct Measure {
    /// All lines that are not of tests.
    pub lines: usize,
    /// Those among them that are neither empty nor comments.
    pub code: usize,
    /// The lines of tests.
    pub tests: usize,
    /// `unsafe { }`.
    pub unsafe_blocks: usize,
    /// Functions, impls, traits and attributes that are `unsafe`, and blocks of foreign functions.
    pub unsafe_items: usize,
}

impl Measure {
    /// Whether the file needs leave to use `unsafe`.
    pub fn uses_unsafe(&self) -> bool {
        self.unsafe_blocks + self.unsafe_items > 0
    }
}

impl AddAssign for Measure {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.code += other.code;
        self.tests += other.tests;
        self.unsafe_blocks += other.unsafe_blocks;
        self.unsafe_items += other.unsafe_items;
    }
}

pub(crate) fn of(text: &str, file: &File, test: bool) -> Measure {
    let mut measure = Measure::default();
    let mut of_tests = BTreeSet::new();
    if test {
        of_tests.extend(1..=text.lines().count());
    } else {
        items(&file.items, &mut of_tests, &mut measure);
    }
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if of_tests.contains(&(index + 1)) {
            measure.tests += 1;
        } else {
            measure.lines += 1;
            measure.code += usize::from(!line.is_empty() && !line.starts_with("//"));
        }
    }
    measure
}

fn items(items: &[Item], of_tests: &mut BTreeSet<usize>, measure: &mut Measure) {
    for item in items {
        if tests_only(attributes(item)) {
            of_tests.extend(item.span().start().line..=item.span().end().line);
        } else {
            match item {
                Item::Mod(module) if let Some((_, inside)) = &module.content => self::items(inside, of_tests, measure),
                item => count(item.to_token_stream(), measure),
            }
        }
    }
}

fn count(tokens: TokenStream, measure: &mut Measure) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => count(group.stream(), measure),
            TokenTree::Ident(ident) if ident == "unsafe" => match tokens.get(at + 1) {
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => measure.unsafe_blocks += 1,
                // `#[unsafe(no_mangle)]`
                Some(TokenTree::Group(_)) => measure.unsafe_items += 1,
                Some(TokenTree::Ident(next)) if is_item(next, &tokens[at + 1..]) => measure.unsafe_items += 1,
                _ => {}
            },
            _ => {}
        }
    }
}

/// Tells `unsafe fn name` from the type `unsafe fn(u8)`, which calls nothing.
fn is_item(next: &proc_macro2::Ident, tokens: &[TokenTree]) -> bool {
    if next == "impl" || next == "trait" {
        return true;
    }
    let function = tokens.iter().take(4).position(|token| matches!(token, TokenTree::Ident(ident) if ident == "fn"));
    match function {
        Some(at) => matches!(tokens.get(at + 1), Some(TokenTree::Ident(_) | TokenTree::Punct(_))),
        None => next == "extern",
    }
}
