//! What the variables of a group see by name: their own group and those above it.

use thermocline_model::{Group, Variable};

/// A group with the groups above it, the innermost first.
#[derive(Debug, Clone)]
pub(super) struct Scope<'m> {
    groups: Vec<&'m Group>,
}

impl<'m> Scope<'m> {
    /// The group at a path below `root`; `None` if there is none.
    pub(super) fn at(root: &'m Group, path: &str) -> Option<Self> {
        let mut groups = vec![root];
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let child = groups.last()?.groups.iter().find(|child| child.name == name)?;
            groups.push(child);
        }
        groups.reverse();
        Some(Self { groups })
    }

    /// The variable of a name, that of the innermost group if several have it.
    pub(super) fn variable(&self, name: &str) -> Option<&'m Variable> {
        self.variables().find(|variable| variable.name == name)
    }

    /// All variables, those of the innermost group first.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'m Variable> + '_ {
        self.groups.iter().flat_map(|group| &group.variables)
    }

    /// The coordinate of a dimension: the variable of its name along it alone.
    pub(super) fn index_of(&self, dim: &str) -> Option<&'m Variable> {
        let is_index = |variable: &&'m Variable| {
            variable.name == dim
                && along(variable).first().is_some_and(|first| first == dim)
                && along(variable).len() == 1
        };
        self.variables().find(is_index)
    }
}

/// The dimensions of a variable as xarray has them: that of the characters of texts is none.
pub(super) fn along(variable: &Variable) -> &[String] {
    match (&variable.dtype, variable.dims.as_slice()) {
        (thermocline_model::DataType::Char, [dims @ .., _]) => dims,
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
