//! Who knows whom, among the modules of one level.

use crate::house::{House, ModuleId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The modules of one level, and the arrows between them.
#[derive(Default)]
pub struct Graph {
    /// All modules of the level.
    pub nodes: BTreeSet<String>,
    /// Each arrow, from the module that knows to the known one, with the lines that make it.
    pub arrows: BTreeMap<(String, String), BTreeSet<(String, usize)>>,
}

impl Graph {
    /// The folders and files at the top of a crate.
    pub fn of_crate(house: &House, of: usize) -> Self {
        let nodes = house.tops(of).into_iter().map(str::to_owned).collect();
        Self::new(house, nodes, |id| (house.modules[id].of == of).then(|| house.top(id).to_owned()))
    }

    /// The modules in a folder. Its own text, in `mod.rs`, is `mod`.
    pub fn of_folder(house: &House, folder: ModuleId) -> Self {
        let node = |id: ModuleId| {
            let mut at = id;
            while let Some(parent) = house.modules[at].parent {
                if parent == folder && !house.modules[at].inline {
                    return Some(house.modules[at].name.clone());
                }
                at = parent;
            }
            house.within(id, folder).then(|| "mod".to_owned())
        };
        let nodes = (0..house.modules.len()).filter_map(node).collect();
        Self::new(house, nodes, node)
    }

    /// The modules that `from` knows.
    pub fn known_to<'a>(&'a self, from: &'a str) -> impl Iterator<Item = &'a str> {
        self.arrows.keys().filter(move |(knows, _)| knows == from).map(|(_, known)| known.as_str())
    }

    /// Modules that know each other, directly or through others: each circle once, with all that belong to it.
    pub fn circles(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.nodes.iter().map(|node| (node.as_str(), self.reached_from(node))).collect();
        let mut circles: Vec<BTreeSet<&str>> = Vec::new();
        for (&node, known) in &reached {
            if known.contains(node) && !circles.iter().any(|circle| circle.contains(node)) {
                circles.push(known.iter().filter(|other| reached[*other].contains(node)).copied().collect());
            }
        }
        circles
    }

    /// The arrows of the shortest way round through modules of `circle`.
    pub fn shortest_circle<'a>(&'a self, circle: &BTreeSet<&'a str>) -> Vec<(&'a str, &'a str)> {
        circle.iter().filter_map(|start| self.way_back(start)).min_by_key(Vec::len).unwrap_or_default()
    }

    /// The arrows of the shortest way from `start` to `start`.
    fn way_back<'a>(&'a self, start: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(at) = waiting.pop_front() {
            for known in self.known_to(at) {
                if known == start {
                    let mut way = vec![(at, start)];
                    while let Some(before) = came_from.get(way[0].0) {
                        way.insert(0, (before, way[0].0));
                    }
                    return Some(way);
                }
                came_from.entry(known).or_insert_with(|| {
                    waiting.push_back(known);
                    at
                });
            }
        }
        None
    }

    fn new(house: &House, nodes: BTreeSet<String>, node: impl Fn(ModuleId) -> Option<String>) -> Self {
        let mut graph = Self { nodes, arrows: BTreeMap::new() };
        for arrow in house.arrows.iter().filter(|arrow| !arrow.face) {
            let Some(from) = node(arrow.from) else { continue };
            for known in arrow.to.iter().filter_map(|&id| node(id)).filter(|known| *known != from) {
                let line = (house.modules[arrow.from].file.clone(), arrow.line);
                graph.arrows.entry((from.clone(), known)).or_default().insert(line);
            }
        }
        graph
    }

    fn reached_from<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(at) = waiting.pop() {
            waiting.extend(self.known_to(at).filter(|known| reached.insert(*known)));
        }
        reached
    }
}
