//! The variable of a request, and the names that it selects by.

use thermocline_core::Error;
use thermocline_core::manifest::Manifest;
use thermocline_model::cf::{Scope, along};
use thermocline_model::{Group, Variable};

use crate::{Failure, Options, Request};

/// Most characters of a name in a message.
const MAX_SHOWN: usize = 200;

/// The path from the root of a variable that is named in a group.
///
/// # Errors
/// [`thermocline_core::ErrorKind::NotFound`] with Cloudify's text, or with the reason why it is not served.
pub(super) fn variable(manifest: &Manifest, group: &str, name: &str) -> Result<String, Failure> {
    let path = match name.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => join(group, name),
    };
    let refusal = manifest.dataset.refusals.iter().find(|refusal| refusal.path.trim_matches('/') == path);
    if let Some(refusal) = refusal {
        return Err(Error::not_found(format!("Variable '{name}' is not served: {}", refusal.reason)).into());
    }
    match manifest.dataset.root.variable(&path) {
        Some(_) => Ok(path),
        None => Err(Error::not_found(format!("Variable '{}' not found in dataset", shown(name))).into()),
    }
}

/// Refuses names that the variable cannot be selected by.
///
/// # Errors
/// [`Failure::Mistake`] with the options and dimensions that there are.
pub(super) fn check_selecting(manifest: &Manifest, request: &Request, path: &str) -> Result<(), Failure> {
    let root = &manifest.dataset.root;
    let Some(variable) = root.variable(path) else { return Ok(()) };
    let scope = Scope::at(root, group_of(path));
    let dims = along(variable);
    for (word, value) in &request.selecting {
        let name = match word.as_str() {
            "bbox" | "group" => continue,
            "sel" | "isel" => value.split_once('=').map_or(value.as_str(), |(dim, _)| dim),
            dim => dim,
        };
        let is_coordinate = || scope.as_ref().is_some_and(|scope| scope.named(name).is_some());
        if dims.iter().any(|dim| dim == name) || is_coordinate() {
            continue;
        }
        let mut allowed: Vec<String> = Vec::new();
        if word == name {
            allowed.extend(Options::names().map(str::to_owned));
            allowed.extend(Request::selecting_words().iter().map(|(word, _)| (*word).to_owned()));
        }
        allowed.extend(dims.iter().cloned());
        let detail = format!("{:?} is neither an option nor a dimension of {path:?}", shown(name));
        return Err(Failure::mistake_among(detail, allowed));
    }
    Ok(())
}

/// The variable that a name in an attribute or option means in a group, with its path from the root: that of the group,
/// else of the nearest group above it; a name may be a path.
pub(crate) fn find<'m>(root: &'m Group, group: &str, name: &str) -> Option<(String, &'m Variable)> {
    if let Some(absolute) = name.strip_prefix('/') {
        return root.variable(absolute).map(|variable| (absolute.to_owned(), variable));
    }
    let mut group = group;
    loop {
        let path = join(group, name);
        if let Some(variable) = root.variable(&path) {
            return Some((path, variable));
        }
        if group.is_empty() {
            return None;
        }
        group = group_of(group);
    }
}

/// The path of the group that a variable lies in; empty for the root.
pub(crate) fn group_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(group, _)| group)
}

fn join(group: &str, name: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") }
}

/// The beginning of a name, for messages.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN).collect()
}
