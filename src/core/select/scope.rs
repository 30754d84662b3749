//! What the variables of a group see by name: their own group and those above it.

use std::collections::HashMap;

use thermocline_model::{DataType, Group, Variable};

/// A group with the groups above it.
#[derive(Debug)]
pub(super) struct Scope<'m> {
    variables: HashMap<&'m str, &'m Variable>,
    /// In the order of the file, the innermost group first.
    in_order: Vec<&'m Variable>,
}

impl<'m> Scope<'m> {
    /// The group at a path below `root`; `None` if there is none.
    pub(super) fn at(root: &'m Group, path: &str) -> Option<Self> {
        let mut groups = vec![root];
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let child = groups.last()?.groups.iter().find(|child| child.name == name)?;
            groups.push(child);
        }
        let in_order: Vec<&'m Variable> = groups.iter().rev().flat_map(|group| &group.variables).collect();
        let by_name = in_order.iter().rev().map(|variable| (variable.name.as_str(), *variable));
        Some(Self { variables: by_name.collect(), in_order })
    }

    /// The variable of a name, that of the innermost group if several have it.
    pub(super) fn variable(&self, name: &str) -> Option<&'m Variable> {
        self.variables.get(name).copied()
    }

    /// All variables, those of the innermost group first.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'m Variable> + '_ {
        self.in_order.iter().copied()
    }

    /// The coordinate of a dimension: the variable of its name along it alone.
    pub(super) fn index_of(&self, dim: &str) -> Option<&'m Variable> {
        self.variable(dim).filter(|variable| matches!(along(variable), [only] if only == dim))
    }
}

/// The dimensions of a variable as xarray has them: that of the characters of texts is none.
pub(super) fn along(variable: &Variable) -> &[String] {
    match (&variable.dtype, variable.dims.as_slice()) {
        (DataType::Char, [dims @ .., _]) => dims,
        (_, dims) => dims,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_not_there_has_no_scope() {
        let child = Group { name: "a".into(), ..Group::default() };
        let root = Group { groups: vec![child], ..Group::default() };
        assert!(Scope::at(&root, "/a/").is_some() && Scope::at(&root, "").is_some());
        assert!(Scope::at(&root, "a/b").is_none());
    }
}
