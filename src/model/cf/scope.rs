//! What the variables of a group see by name: their own group and those above it.

use std::collections::HashMap;

use crate::{DataType, Group, Variable};

/// A group with the groups above it.
///
/// ```
/// use thermocline_model::Group;
/// use thermocline_model::cf::Scope;
///
/// let ocean = Group { name: "ocean".into(), ..Group::default() };
/// let root = Group { groups: vec![ocean], ..Group::default() };
/// assert!(Scope::at(&root, "ocean").is_some());
/// assert!(Scope::at(&root, "ocean/deep").is_none());
/// ```
///
/// # Source
/// CF Conventions 1.11, section 2.7.
#[derive(Debug)]
pub struct Scope<'m> {
    variables: HashMap<&'m str, &'m Variable>,
    /// In the order of the file, the innermost group first.
    in_order: Vec<&'m Variable>,
    /// The innermost group first, with its path.
    groups: Vec<(String, &'m Group)>,
}

impl<'m> Scope<'m> {
    /// The group at a path below `root`; `None` if there is none.
    pub fn at(root: &'m Group, path: &str) -> Option<Self> {
        let mut groups = vec![(String::new(), root)];
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let (parent, group) = groups.last()?;
            let child = group.groups.iter().find(|child| child.name == name)?;
            let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
            groups.push((path, child));
        }
        groups.reverse();
        let in_order: Vec<&'m Variable> = groups.iter().flat_map(|(_, group)| &group.variables).collect();
        let by_name = in_order.iter().rev().map(|variable| (variable.name.as_str(), *variable));
        Some(Self { variables: by_name.collect(), in_order, groups })
    }

    /// The variable of a name, that of the innermost group if several have it.
    pub fn variable(&self, name: &str) -> Option<&'m Variable> {
        self.variables.get(name).copied()
    }

    /// The variable that an attribute names: by its name, or by a path from this group, from one above it or, if it
    /// begins with `/`, from the root.
    pub fn named(&self, name: &str) -> Option<&'m Variable> {
        if !name.contains('/') {
            return self.variable(name);
        }
        if name.starts_with('/') {
            return self.groups.last().and_then(|(_, root)| root.variable(name.trim_start_matches('/')));
        }
        self.groups.iter().find_map(|(_, group)| group.variable(name))
    }

    /// All variables, those of the innermost group first.
    pub fn variables(&self) -> impl Iterator<Item = &'m Variable> + '_ {
        self.in_order.iter().copied()
    }

    /// The coordinate of a dimension: the variable of its name along it alone.
    pub fn index_of(&self, dim: &str) -> Option<&'m Variable> {
        self.variable(dim).filter(|variable| matches!(along(variable), [only] if only == dim))
    }

    /// The path of the group that defines a dimension; the innermost group if none does.
    pub fn group_of_dim(&self, dim: &str) -> &str {
        let defines = |group: &Group| group.dims.iter().any(|dimension| dimension.name == dim);
        let found = self.groups.iter().find(|(_, group)| defines(group)).or_else(|| self.groups.first());
        found.map(|(path, _)| path.as_str()).unwrap_or_default()
    }
}

/// The dimensions of a variable as xarray has them: that of the characters of texts is none.
pub fn along(variable: &Variable) -> &[String] {
    match (&variable.dtype, variable.dims.as_slice()) {
        (DataType::Char, [dims @ .., _]) => dims,
        (_, dims) => dims,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::variable;
    use super::*;

    #[test]
    fn a_group_that_is_not_there_has_no_scope() {
        let child = Group { name: "a".into(), ..Group::default() };
        let root = Group { groups: vec![child], ..Group::default() };
        assert!(Scope::at(&root, "/a/").is_some() && Scope::at(&root, "").is_some());
        assert!(Scope::at(&root, "a/b").is_none());
    }

    #[test]
    fn names_are_found_in_the_group_and_above_and_by_path() {
        let deep =
            Group { name: "deep".into(), variables: vec![variable("x", &["x"], &[])], ..Group::default() };
        let shallow =
            Group { name: "shallow".into(), variables: vec![variable("y", &[], &[])], ..Group::default() };
        let root = Group {
            variables: vec![variable("x", &[], &[])],
            groups: vec![deep, shallow],
            ..Group::default()
        };
        let scope = Scope::at(&root, "deep").unwrap();
        assert_eq!(scope.named("x").unwrap().dims, ["x"]);
        assert_eq!(scope.named("/x").unwrap().dims.len(), 0);
        assert_eq!(scope.named("shallow/y").unwrap().name, "y");
        assert!(scope.named("y").is_none());
    }
}
