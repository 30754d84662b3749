//! What a schema cannot say: ids that stand twice, paths that leave their root, fields that nothing gives.

use std::collections::{BTreeSet, HashMap};

use globset::GlobBuilder;

use crate::extents;
use crate::node::{Fault, Node};
use crate::{declare, find, pattern, template};

/// Mistakes of a file that follows the schema.
pub(crate) fn faults(node: &Node) -> Vec<Fault> {
    let mut faults = Vec::new();
    ids(node, &mut faults);
    for section in ["datasets", "families", "harvest"] {
        for (number, item) in node.get(section).map(Node::items).unwrap_or_default().iter().enumerate() {
            let path = format!("{section}[{number}]");
            if let Some(source) = item.get("source") {
                source_paths(source, &format!("{path}.source"), section == "families", &mut faults);
            }
            attributes(item, &path, &mut faults);
            extents::faults(item, &path, &mut faults);
        }
    }
    for (number, harvest) in node.get("harvest").map(Node::items).unwrap_or_default().iter().enumerate() {
        expressions(harvest, &format!("harvest[{number}]"), &mut faults);
    }
    for (number, family) in node.get("families").map(Node::items).unwrap_or_default().iter().enumerate() {
        fields(family, &format!("families[{number}]"), &mut faults);
    }
    if let Some(defaults) = node.get("defaults") {
        attributes(defaults, "defaults", &mut faults);
        extents::faults(defaults, "defaults", &mut faults);
    }
    faults
}

fn ids(node: &Node, faults: &mut Vec<Fault>) {
    let sections = [&["datasets", "families", "harvest"] as &[&str], &["collections"]];
    for (sections, what) in sections.into_iter().zip(["id", "collection"]) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let items =
            sections.iter().flat_map(|section| node.get(section).map(Node::items).unwrap_or_default());
        for (id, line) in items.filter_map(|item| Some((item.text_of("id")?, item.line_of("id")))) {
            match seen.get(id) {
                Some(first) => {
                    let message = format!("the {what} {id:?} stands on line {first} already");
                    faults.push(Fault::new(line, "", message));
                }
                None => {
                    seen.insert(id, line);
                }
            }
        }
    }
}

fn source_paths(source: &Node, path: &str, is_family: bool, faults: &mut Vec<Fault>) {
    for (number, item) in source.get("paths").map(Node::items).unwrap_or_default().iter().enumerate() {
        let Some(text) = item.text() else { continue };
        let at = format!("{path}.paths[{number}]");
        below_root(text, item.line, &at, faults);
        if !is_family {
            glob(text, item.line, &at, faults);
        }
    }
    for key in ["include", "exclude"] {
        for (number, item) in source.get(key).map(Node::items).unwrap_or_default().iter().enumerate() {
            glob(item.text().unwrap_or_default(), item.line, &format!("{path}.{key}[{number}]"), faults);
        }
    }
    for key in ["prefix", "references", "store", "list"] {
        if let Some(text) = source.text_of(key).filter(|text| !text.contains("://")) {
            below_root(text, source.line_of(key), &format!("{path}.{key}"), faults);
        }
    }
}

fn glob(text: &str, line: usize, path: &str, faults: &mut Vec<Fault>) {
    if let Err(error) = GlobBuilder::new(text).literal_separator(true).build() {
        faults.push(Fault::new(line, path, format!("not a pattern: {}", error.kind())));
    }
}

fn below_root(text: &str, line: usize, path: &str, faults: &mut Vec<Fault>) {
    faults.extend(find::leaves_root(text).map(|reason| Fault::new(line, path, reason)));
}

/// Every path of a family gives all fields of its id, and its patterns can be matched.
fn fields(family: &Node, path: &str, faults: &mut Vec<Fault>) {
    let paths =
        family.get("source").and_then(|source| source.get("paths")).map(Node::items).unwrap_or_default();
    let of_id: BTreeSet<&str> = template::fields(family.text_of("id").unwrap_or_default()).collect();
    let mut given = BTreeSet::new();
    for text in paths.iter().filter_map(Node::text) {
        let of_path: BTreeSet<&str> = template::fields(text).collect();
        if let Some(name) = of_id.difference(&of_path).next() {
            let message = format!("the field {{{name}}} is not in the path {text:?}; there are: {of_path:?}");
            faults.push(Fault::new(family.line_of("id"), format!("{path}.id"), message));
        }
        given.extend(of_path);
    }
    let n_before = faults.len();
    for entry in family.get("fields").map(Node::entries).unwrap_or_default() {
        let at = format!("{path}.fields.{}", entry.key);
        if let Err(reason) = pattern::check_expression(entry.node.text().unwrap_or_default()) {
            faults.push(Fault::new(entry.line, at, format!("not a regular expression: {reason}")));
        } else if !paths.is_empty() && !given.contains(entry.key.as_str()) {
            let message = format!("the field {{{}}} is in no path; there are: {given:?}", entry.key);
            faults.push(Fault::new(entry.line, at, message));
        }
    }
    if let Some((number, reason)) = declare::mistake(family).filter(|_| faults.len() == n_before) {
        let line = paths.get(number).map_or(family.line, |path| path.line);
        let at = format!("{path}.source.paths[{number}]");
        faults.push(Fault::new(line, at, format!("not a pattern: {reason}")));
    }
}

/// Expressions of a harvest are regular ones.
fn expressions(harvest: &Node, path: &str, faults: &mut Vec<Fault>) {
    for entry in harvest.get("fields").map(Node::entries).unwrap_or_default() {
        if let Err(reason) = pattern::check_expression(entry.node.text().unwrap_or_default()) {
            let at = format!("{path}.fields.{}", entry.key);
            faults.push(Fault::new(entry.line, at, format!("not a regular expression: {reason}")));
        }
    }
}

/// A list of attribute values has one kind.
fn attributes(item: &Node, path: &str, faults: &mut Vec<Fault>) {
    let Some(attributes) = item.get("attributes") else { return };
    let global = attributes.get("global").into_iter().map(|node| ("global".to_owned(), node));
    let variables = attributes.get("variables").map(Node::entries).unwrap_or_default();
    let variables = variables.iter().map(|entry| (format!("variables.{}", entry.key), &entry.node));
    for (place, node) in global.chain(variables) {
        for entry in node.entries() {
            if declare::attribute(&entry.node).is_none() {
                let at = format!("{path}.attributes.{place}.{}", entry.key);
                faults.push(Fault::new(entry.line, at, "a list holds either texts or numbers"));
            }
        }
    }
}
