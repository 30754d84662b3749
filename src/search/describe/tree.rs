//! The variables of a dataset's groups, each with what it is for the others.

use std::rc::Rc;

use thermocline_model::cf::{Grid, Horizontal, Role, Roles, Scope};
use thermocline_model::{Group, Variable};

use super::{MAX_GROUPS, MAX_VARIABLES};

/// Most variables that those of all groups see together: each group sees those above it too.
const MAX_SEEN: usize = 200_000;

/// Most variables of a group that say themselves to be times.
const MAX_TIMES: usize = 64;

/// A variable in its group.
pub(super) struct Placed<'m> {
    /// Its path.
    pub(super) path: String,
    /// The variable.
    pub(super) variable: &'m Variable,
    /// What it sees by name.
    pub(super) scope: Rc<Scope<'m>>,
    /// What it sees that says itself to be times.
    pub(super) times: Rc<Vec<&'m Variable>>,
}

impl Placed<'_> {
    /// The name of one of its dimensions, with the path of the group that defines it.
    pub(super) fn dim_path(&self, dim: &str) -> String {
        joined(self.scope.group_of_dim(dim), dim)
    }
}

/// A data variable with what says where its cells lie.
pub(super) struct DataVariable<'m> {
    /// The variable.
    pub(super) placed: Placed<'m>,
    /// Where its cells lie.
    pub(super) grid: Grid<'m>,
    /// True if the dataset says that it holds points, profiles or trajectories, which have no cells.
    pub(super) is_of_features: bool,
}

/// The variables of a dataset by what they are for.
#[derive(Default)]
pub(super) struct Tree<'m> {
    /// Data.
    pub(super) data: Vec<DataVariable<'m>>,
    /// What describes them, without the coordinates that have the name of their dimension.
    pub(super) auxiliary: Vec<Placed<'m>>,
    /// True if there are more variables or groups than are told of.
    pub(super) is_cut: bool,
}

/// All variables of a tree of groups, within bounds.
pub(super) fn variables(root: &Group) -> Tree<'_> {
    let mut tree = Tree::default();
    let mut groups: Vec<(String, &Group)> = Vec::new();
    root.visit(&mut |path, group| {
        if group.variables.is_empty() {
        } else if groups.len() < MAX_GROUPS {
            groups.push((path.to_owned(), group));
        } else {
            tree.is_cut = true;
        }
    });
    let is_of_features = root.attrs.text("featureType").is_some();
    let (mut n_left, mut n_seen) = (MAX_VARIABLES, 0);
    for (path, group) in groups {
        let Some(scope) = Scope::at(root, &path).map(Rc::new) else { continue };
        n_seen += scope.variables().count();
        if n_seen > MAX_SEEN {
            tree.is_cut = true;
            break;
        }
        let is_time = |variable: &&Variable| variable.attrs.text("standard_name") == Some("time");
        let times = Rc::new(scope.variables().filter(is_time).take(MAX_TIMES).collect());
        let (roles, others) = (Roles::of(&scope), Horizontal::candidates(&scope));
        for variable in group.variables.iter().take(n_left) {
            let (scope, times) = (Rc::clone(&scope), Rc::clone(&times));
            let placed = Placed { path: joined(&path, &variable.name), variable, scope, times };
            match roles.role(variable) {
                Role::Index => {}
                Role::Auxiliary => tree.auxiliary.push(placed),
                Role::Data => {
                    let grid = Grid::of(variable, &placed.scope, &others);
                    tree.data.push(DataVariable { placed, grid, is_of_features });
                }
            }
        }
        tree.is_cut |= group.variables.len() > n_left;
        n_left = n_left.saturating_sub(group.variables.len());
    }
    if tree.is_cut {
        tracing::debug!(max_variables = MAX_VARIABLES, "a summary does not tell of all variables");
    }
    tree
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}
