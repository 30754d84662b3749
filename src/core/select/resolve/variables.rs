//! Which variables a selection is of.

use std::collections::{BTreeMap, HashSet};

use thermocline_model::{Group, Variable};

use super::super::Selection;
use crate::manifest::Manifest;
use crate::{Error, Result};

/// A variable that is selected of.
#[derive(Debug)]
pub(super) struct Chosen<'m> {
    /// Its path.
    pub(super) path: String,
    /// The variable.
    pub(super) variable: &'m Variable,
    group: String,
}

/// The variables that are selected of.
#[derive(Debug)]
pub(super) struct ChosenVariables<'m> {
    /// The variables, each once.
    pub(super) variables: Vec<Chosen<'m>>,
    /// True if the request names them.
    pub(super) are_named: bool,
}

impl<'m> ChosenVariables<'m> {
    /// The variables by the paths of their groups.
    pub(super) fn by_group(&self) -> BTreeMap<&str, Vec<&Chosen<'m>>> {
        let mut groups: BTreeMap<&str, Vec<&Chosen<'m>>> = BTreeMap::new();
        for chosen in &self.variables {
            groups.entry(&chosen.group).or_default().push(chosen);
        }
        groups
    }
}

/// The variables of a selection: those that are named, else all of its group, else those of the whole dataset when
/// nothing at all is selected.
pub(super) fn choose<'m>(
    manifest: &'m Manifest,
    selection: &Selection,
    names: &[String],
) -> Result<ChosenVariables<'m>> {
    let root = &manifest.dataset.root;
    let path = selection.group.as_deref().unwrap_or_default();
    let group = root.group(path).ok_or_else(|| no_group(root, path))?;
    let mut variables: Vec<Chosen<'m>> = Vec::new();
    let mut known = HashSet::new();
    for name in names {
        let chosen = named(manifest, path, name)?;
        if known.insert(chosen.path.clone()) {
            variables.push(chosen);
        }
    }
    let are_named = !names.is_empty();
    if are_named {
        return Ok(ChosenVariables { variables, are_named });
    }
    if selection.terms.is_empty() && selection.bounding_box.is_none() {
        group.visit(&mut |below, group| variables.extend(all_of(group, &join(path, below))));
    } else {
        variables.extend(all_of(group, path));
        if variables.is_empty() {
            return Err(Error::invalid_input(format!(
                "/{path} has no variables{}",
                groups_with_variables(root)
            )));
        }
    }
    Ok(ChosenVariables { variables, are_named })
}

fn all_of<'m>(group: &'m Group, path: &str) -> impl Iterator<Item = Chosen<'m>> {
    group.variables.iter().map(move |variable| Chosen {
        path: join(path, &variable.name),
        variable,
        group: path.to_owned(),
    })
}

fn named<'m>(manifest: &'m Manifest, group: &str, name: &str) -> Result<Chosen<'m>> {
    let path = match name.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => join(group, name),
    };
    if let Some(refusal) =
        manifest.dataset.refusals.iter().find(|refusal| refusal.path.trim_matches('/') == path)
    {
        return Err(Error::not_found(format!("Variable '{name}' is not served: {}", refusal.reason)));
    }
    let variable = manifest.dataset.root.variable(&path);
    let variable =
        variable.ok_or_else(|| Error::not_found(format!("Variable '{name}' not found in dataset")))?;
    let group = path.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    Ok(Chosen { path, variable, group })
}

fn no_group(root: &Group, path: &str) -> Error {
    Error::invalid_input(format!("there is no group /{path}{}", groups_with_variables(root)))
}

/// Most groups that a message names.
const MAX_NAMED: usize = 10;

fn groups_with_variables(root: &Group) -> String {
    let mut paths = Vec::new();
    root.visit(&mut |path, group| {
        if !group.variables.is_empty() && paths.len() <= MAX_NAMED {
            paths.push(format!("/{path}"));
        }
    });
    let more = if paths.len() > MAX_NAMED { ", …" } else { "" };
    paths.truncate(MAX_NAMED);
    if paths.is_empty() {
        String::new()
    } else {
        format!("; groups with variables are {}{more}", paths.join(", "))
    }
}

fn join(path: &str, name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => path.to_owned(),
        _ => format!("{path}/{name}"),
    }
}
