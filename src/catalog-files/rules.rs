//! What a schema cannot say: ids that stand twice, paths that leave their root, fields that nothing gives.

use std::collections::{BTreeSet, HashMap};

use globset::GlobBuilder;
use regex::Regex;

use crate::node::{Fault, Node};

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
        }
    }
    for (number, family) in node.get("families").map(Node::items).unwrap_or_default().iter().enumerate() {
        fields(family, &format!("families[{number}]"), &mut faults);
    }
    if let Some(defaults) = node.get("defaults") {
        attributes(defaults, "defaults", &mut faults);
    }
    faults
}

/// Ids of a file with their lines.
pub(crate) fn ids_of(node: &Node) -> Vec<(String, usize)> {
    ["datasets", "families", "harvest"]
        .iter()
        .flat_map(|section| node.get(section).map(Node::items).unwrap_or_default())
        .filter_map(|item| Some((item.text_of("id")?.to_owned(), item.line_of("id"))))
        .collect()
}

fn ids(node: &Node, faults: &mut Vec<Fault>) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (id, line) in ids_of(node) {
        match seen.get(&id) {
            Some(first) => {
                faults.push(Fault::new(line, "", format!("the id {id:?} stands on line {first} already")));
            }
            None => {
                seen.insert(id, line);
            }
        }
    }
}

fn source_paths(source: &Node, path: &str, is_family: bool, faults: &mut Vec<Fault>) {
    for (number, item) in source.get("paths").map(Node::items).unwrap_or_default().iter().enumerate() {
        let Some(text) = item.text() else { continue };
        let at = format!("{path}.paths[{number}]");
        below_root(text, item.line, &at, faults);
        let pattern = if is_family { without_fields(text) } else { text.to_owned() };
        if let Err(error) = GlobBuilder::new(&pattern).literal_separator(true).build() {
            faults.push(Fault::new(item.line, at, format!("not a pattern: {}", error.kind())));
        }
    }
    for key in ["prefix", "references", "store", "list"] {
        if let Some(text) = source.text_of(key).filter(|text| !text.contains("://")) {
            below_root(text, source.line_of(key), &format!("{path}.{key}"), faults);
        }
    }
}

fn below_root(text: &str, line: usize, path: &str, faults: &mut Vec<Fault>) {
    if text.starts_with('/') || text.starts_with('~') {
        faults.push(Fault::new(
            line,
            path,
            format!("{text:?} is absolute; paths are below a configured root"),
        ));
    } else if text.contains("://") {
        faults.push(Fault::new(line, path, format!("{text:?} is a URL; those stand under `urls`")));
    } else if text.split(['/', '\\']).any(|part| part == "..") {
        faults.push(Fault::new(line, path, format!("{text:?} leaves its root by \"..\"")));
    } else if text.contains('\0') {
        faults.push(Fault::new(line, path, "a path holds no NUL"));
    }
}

/// Names in braces, as families use them.
fn field_names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        if is_field(name) {
            names.insert(name.to_owned());
        }
        rest = after;
    }
    names
}

fn is_field(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn without_fields(text: &str) -> String {
    let names = field_names(text);
    names.iter().fold(text.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), "*"))
}

fn fields(family: &Node, path: &str, faults: &mut Vec<Fault>) {
    let given: BTreeSet<String> = family
        .get("source")
        .and_then(|source| source.get("paths"))
        .map(Node::texts)
        .unwrap_or_default()
        .iter()
        .flat_map(|text| field_names(text))
        .collect();
    let has_paths = family.get("source").is_some_and(|source| source.get("paths").is_some());
    for name in family.text_of("id").map(field_names).unwrap_or_default() {
        if has_paths && !given.contains(&name) {
            let message = format!("the field {{{name}}} is in no path; there are: {given:?}");
            faults.push(Fault::new(family.line_of("id"), format!("{path}.id"), message));
        }
    }
    for entry in family.get("fields").map(Node::entries).unwrap_or_default() {
        if let Err(error) = Regex::new(entry.node.text().unwrap_or_default()) {
            let at = format!("{path}.fields.{}", entry.key);
            let last = error.to_string().lines().last().unwrap_or_default().to_owned();
            faults.push(Fault::new(entry.line, at, format!("not a regular expression: {last}")));
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
            if crate::declare::attribute(&entry.node).is_none() {
                let at = format!("{path}.attributes.{place}.{}", entry.key);
                faults.push(Fault::new(entry.line, at, "a list holds either texts or numbers"));
            }
        }
    }
}
