//! All nodes of a view, found by path.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_model::{Dataset, Group};

use crate::View;
use crate::array::{Position, ZarrArray, group_at};

/// A group or an array of a view.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A group: numbers of the groups on the way to it, outermost first.
    Group(Vec<usize>),
    /// An array.
    Array(Box<ZarrArray>),
}

/// All nodes of a dataset in one view: made once, so that a chunk request costs a hash look-up.
#[derive(Debug, Clone, PartialEq)]
pub struct Hierarchy {
    view: View,
    /// Paths and nodes, parents first, in the order of the file.
    nodes: Vec<(String, Node)>,
    by_path: HashMap<String, usize>,
    /// Numbers of the nodes whose paths clients cut: those with `#` or `?`.
    cut: Vec<usize>,
}

struct V2(Arc<Hierarchy>);
struct V3(Arc<Hierarchy>);
struct Core(Arc<Hierarchy>);

impl Hierarchy {
    /// The nodes of `dataset` in `view`.
    pub fn new(dataset: &Dataset, view: View) -> Self {
        let mut hierarchy = Self { view, nodes: Vec::new(), by_path: HashMap::new(), cut: Vec::new() };
        hierarchy.add_group("", &dataset.root, &mut Vec::new());
        hierarchy
    }

    /// The nodes of a manifest's dataset in `view`, made on first use and kept with it.
    pub fn of(manifest: &Manifest, view: View) -> Arc<Self> {
        let make = |manifest: &Manifest| Arc::new(Self::new(&manifest.dataset, view));
        match view {
            View::V2 => Arc::clone(&manifest.derived(|manifest| V2(make(manifest))).0),
            View::V3 => Arc::clone(&manifest.derived(|manifest| V3(make(manifest))).0),
            View::Core => Arc::clone(&manifest.derived(|manifest| Core(make(manifest))).0),
        }
    }

    fn add_group(&mut self, path: &str, group: &Group, numbers: &mut Vec<usize>) {
        self.add(path.to_owned(), Node::Group(numbers.clone()));
        for (number, variable) in group.variables.iter().enumerate() {
            let position = Position { groups: numbers.clone(), variable: number };
            let path = join(path, &variable.name);
            if let Some(array) = ZarrArray::new(self.view, path.clone(), group, variable, position) {
                self.add(path, Node::Array(Box::new(array)));
            }
        }
        for (number, child) in group.groups.iter().enumerate() {
            numbers.push(number);
            self.add_group(&join(path, &child.name), child, numbers);
            numbers.pop();
        }
    }

    /// Of two nodes of one path the first stays.
    fn add(&mut self, path: String, node: Node) {
        if !self.by_path.contains_key(&path) {
            self.by_path.insert(path.clone(), self.nodes.len());
            if path.contains(['#', '?']) {
                self.cut.push(self.nodes.len());
            }
            self.nodes.push((path, node));
        }
    }

    /// The view that it shows.
    pub fn view(&self) -> View {
        self.view
    }

    /// The node at a path without slashes at its ends; the root group for the empty path.
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.by_path.get(path).and_then(|number| self.nodes.get(*number)).map(|(_, node)| node)
    }

    /// The array at a path.
    pub fn array(&self, path: &str) -> Option<&ZarrArray> {
        match self.node(path)? {
            Node::Array(array) => Some(array),
            Node::Group(_) => None,
        }
    }

    /// Every node with its path, parents first.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Every array, in the order of the file.
    pub fn arrays(&self) -> impl Iterator<Item = &ZarrArray> {
        self.nodes.iter().filter_map(|(_, node)| match node {
            Node::Array(array) => Some(array.as_ref()),
            Node::Group(_) => None,
        })
    }

    /// The nodes with `#` or `?` in their paths that begin so, in the order of the file.
    pub fn nodes_beginning<'a>(&'a self, beginning: &str) -> impl Iterator<Item = &'a Node> {
        let cut = self.cut.iter().filter_map(|number| self.nodes.get(*number));
        cut.filter_map(move |(path, node)| path.starts_with(beginning).then_some(node))
    }

    /// Nodes below a group, with their paths relative to it.
    pub fn below<'a>(&'a self, group: &'a str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.nodes().filter_map(move |(path, node)| {
            let relative =
                if group.is_empty() { path } else { path.strip_prefix(group)?.strip_prefix('/')? };
            (!relative.is_empty()).then_some((relative, node))
        })
    }

    /// The group of the dataset that a node is.
    pub(crate) fn group<'a>(dataset: &'a Dataset, numbers: &[usize]) -> Option<&'a Group> {
        group_at(&dataset.root, numbers)
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}
