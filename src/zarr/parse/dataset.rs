//! Builds a dataset of the nodes of a store and their chunk tables.

use std::collections::HashMap;

use thermocline_core::names::reserved;
use thermocline_model::{
    Attributes, Codec, DataType, Dataset, Dimension, Encoding, Group, Note, Refusal, Storage, Variable,
    Verification,
};

use super::array::{ArrayMetadata, Elements, Member};
use super::hierarchy::{NodeMetadata, StoreMetadata};

/// Why a path cannot be served: a name on it cannot.
fn reason_of_path(path: &str) -> &'static str {
    path.split('/').find_map(reserved).unwrap_or("a name on the path cannot be served")
}

/// Puts the tree of a dataset together.
#[derive(Debug, Default)]
pub struct DatasetBuilder {
    dataset: Dataset,
}

impl DatasetBuilder {
    /// A dataset with the groups, refusals and notes of a store; its arrays are to be added.
    pub fn new(store: &StoreMetadata) -> Self {
        let mut builder = Self::default();
        builder.dataset.refusals.clone_from(&store.refusals);
        builder.dataset.notes.clone_from(&store.notes);
        for (path, node) in &store.nodes {
            let NodeMetadata::Group(attrs) = node else {
                continue;
            };
            if let Some(group) = builder.group(path) {
                group.attrs = attrs.clone();
            } else {
                builder.note(path, format!("is left out: {}", reason_of_path(path)));
            }
        }
        builder
    }

    /// Adds the variables that an array makes: one, or one of each member of its records.
    ///
    /// `table` is the number of its chunk table.
    pub fn array(&mut self, path: &str, array: &ArrayMetadata, table: u32) {
        match &array.elements {
            Elements::Plain { dtype, fill } => {
                let variable = variable(path, array, dtype.clone(), array.codecs.clone(), table);
                self.add(path, Variable { fill: fill.clone(), ..variable });
            }
            Elements::Ucs4 { fill, .. } => {
                let variable = variable(path, array, DataType::String, vec![Codec::VlenUtf8], table);
                let fill = fill.clone().map(|text| thermocline_model::ArrayBytes::Texts(vec![text]));
                self.add(path, Variable { fill, ..variable });
            }
            Elements::Record { size, members } => {
                for member in members {
                    self.member(path, array, *size, member, table);
                }
            }
        }
    }

    fn member(&mut self, path: &str, array: &ArrayMetadata, record_size: usize, member: &Member, table: u32) {
        let member_path = format!("{path}.{}", member.name);
        let Some((dtype, size)) =
            member.dtype.clone().and_then(|dtype| Some((dtype.clone(), dtype.len_bytes()?)))
        else {
            self.refuse(&member_path, array, format!("member {:?} is no plain number", member.name));
            return;
        };
        let mut codecs = vec![Codec::Member { record_size, offset: member.offset, size }];
        codecs.extend(array.codecs.iter().cloned());
        let mut variable = variable(&member_path, array, dtype, codecs, table);
        path.clone_into(&mut variable.storage.source_path);
        self.add(&member_path, Variable { fill: member.fill.clone(), ..variable });
    }

    /// Leaves an array out, with the reason.
    pub fn refuse(&mut self, path: &str, array: &ArrayMetadata, reason: impl Into<String>) {
        self.dataset.refusals.push(Refusal {
            path: path.to_owned(),
            reason: reason.into(),
            dtype: array.type_name.clone(),
            shape: array.shape.clone(),
        });
    }

    /// Records that something was left out or changed.
    pub fn note(&mut self, path: &str, note: impl Into<String>) {
        self.dataset.notes.push(Note { path: path.to_owned(), note: note.into() });
    }

    /// The dataset, with the dimensions that its variables name.
    pub fn build(mut self) -> Dataset {
        let mut notes = Vec::new();
        define_dims(&mut self.dataset.root, "", &mut Vec::new(), &mut notes);
        self.dataset.notes.append(&mut notes);
        self.dataset
    }

    /// Adds a variable; its dimensions may still lack names.
    fn add(&mut self, path: &str, variable: Variable) {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_servable = reserved(&variable.name).is_none();
        match self.group(parent).filter(|_| is_servable) {
            Some(group) => group.variables.push(variable),
            None => self.dataset.refusals.push(Refusal {
                path: path.to_owned(),
                reason: reason_of_path(path).to_owned(),
                dtype: format!("{:?}", variable.dtype),
                shape: variable.shape,
            }),
        }
    }

    /// The group at a path, made if it has no document; `None` if a name on the way is reserved.
    fn group(&mut self, path: &str) -> Option<&mut Group> {
        let mut group = &mut self.dataset.root;
        for name in path.split('/').filter(|_| !path.is_empty()) {
            if reserved(name).is_some() {
                return None;
            }
            let position = group.groups.iter().position(|child| child.name == name);
            let position = position.unwrap_or_else(|| {
                group.groups.push(Group { name: name.to_owned(), ..Group::default() });
                group.groups.len() - 1
            });
            group = group.groups.get_mut(position)?;
        }
        Some(group)
    }
}

/// A variable of an array; an empty text stands for an axis without a name.
fn variable(path: &str, array: &ArrayMetadata, dtype: DataType, codecs: Vec<Codec>, table: u32) -> Variable {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    // The root of a store can be an array itself.
    let name = if name.is_empty() { "array" } else { name };
    Variable {
        name: name.to_owned(),
        dims: array.dims.iter().map(|name| name.clone().unwrap_or_default()).collect(),
        shape: array.shape.clone(),
        fill: None,
        attrs: variable_attributes(array, &dtype),
        storage: Storage {
            chunk_shape: array.chunk_shape.clone(),
            served_chunk_shape: array.chunk_shape.clone(),
            encodings: vec![Encoding { dtype: dtype.clone(), codecs }],
            table,
            source_path: path.to_owned(),
        },
        dtype,
        verification: Verification::Unverified { reason: "Zarr has no reference library here".to_owned() },
    }
}

fn variable_attributes(array: &ArrayMetadata, dtype: &DataType) -> Attributes {
    let mut attrs = array.attrs.clone();
    let is_member = matches!(array.elements, Elements::Record { .. });
    // `_FillValue` of a record is none of any member's type.
    if is_member && dtype.is_number() {
        attrs.remove("_FillValue");
    }
    attrs
}

/// Names the axes that have no name and defines the dimensions of a group and those below.
fn define_dims(group: &mut Group, path: &str, inherited: &mut Vec<Dimension>, notes: &mut Vec<Note>) {
    let mut phony = PhonyDims::default();
    for variable in &mut group.variables {
        phony.begin();
        for (dim, len) in variable.dims.iter_mut().zip(&variable.shape) {
            if dim.is_empty() {
                *dim = phony.name(*len);
            }
            let own = group.dims.iter().find(|known| known.name == *dim);
            let known =
                own.or_else(|| inherited.iter().rev().find(|known| known.name == *dim && known.len == *len));
            match known {
                Some(known) if known.len == *len => {}
                Some(known) => notes.push(Note {
                    path: if path.is_empty() {
                        variable.name.clone()
                    } else {
                        format!("{path}/{}", variable.name)
                    },
                    note: format!(
                        "dimension {dim:?} has length {len} here and {} elsewhere in its group",
                        known.len
                    ),
                }),
                None => group.dims.push(Dimension { name: dim.clone(), len: *len, is_unlimited: false }),
            }
        }
    }
    let n_inherited = inherited.len();
    inherited.extend(group.dims.iter().cloned());
    for child in &mut group.groups {
        let child_path = if path.is_empty() { child.name.clone() } else { format!("{path}/{}", child.name) };
        define_dims(child, &child_path, inherited, notes);
    }
    inherited.truncate(n_inherited);
}

/// Names for axes without one: one per length in a group, and another where an array has a length twice.
#[derive(Debug, Default)]
struct PhonyDims {
    names: HashMap<(u64, usize), String>,
    seen: HashMap<u64, usize>,
}

impl PhonyDims {
    fn begin(&mut self) {
        self.seen.clear();
    }

    fn name(&mut self, len: u64) -> String {
        let occurrence = self.seen.entry(len).or_insert(0);
        let key = (len, *occurrence);
        *occurrence += 1;
        let number = self.names.len();
        self.names.entry(key).or_insert_with(|| format!("phony_dim_{number}")).clone()
    }
}

#[cfg(test)]
mod tests;
