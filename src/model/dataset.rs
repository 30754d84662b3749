//! Datasets, groups and variables.

use crate::{ArrayBytes, Attributes, ChunkGrid, Codec, DataType};

/// A named axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// Name of the axis.
    pub name: String,
    /// Present length.
    pub len: u64,
    /// True if the file lets it grow.
    pub is_unlimited: bool,
}

/// How the bytes of some chunks of a variable are to be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// Type of the elements that decoding gives.
    pub dtype: DataType,
    /// Steps in the order of writing.
    pub codecs: Vec<Codec>,
}

/// What comparison with the reference library said of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Every compared chunk was equal bit for bit.
    Verified {
        /// How many chunks were compared.
        n_chunks: u64,
    },
    /// Not compared, with the reason.
    Unverified {
        /// Why not.
        reason: String,
    },
}

/// How the values of a variable are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// Lengths of the axes of a stored chunk; the rank is that of the variable.
    pub chunk_shape: Vec<u64>,
    /// Lengths of the axes of a chunk as it is served: `chunk_shape`, or a multiple of it.
    pub served_chunk_shape: Vec<u64>,
    /// The encodings that occur. The first is the declared one.
    pub encodings: Vec<Encoding>,
    /// Number of the variable's chunk table in the dataset.
    pub table: u32,
    /// The variable's path inside its object, for what only the format can decode.
    pub source_path: String,
}

/// An array with named axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Name without the group.
    pub name: String,
    /// Names of the axes, outermost first.
    pub dims: Vec<String>,
    /// Lengths of the axes.
    pub shape: Vec<u64>,
    /// Type of the elements as they are stored.
    pub dtype: DataType,
    /// One element ([`ArrayBytes`] of length 1) as never-written parts read; `None` reads as zeros or empty texts.
    pub fill: Option<ArrayBytes>,
    /// Attributes, encoding attributes (`_FillValue`, `scale_factor`, `units` …) included.
    pub attrs: Attributes,
    /// How the values are stored.
    pub storage: Storage,
    /// What comparison with the reference library said.
    pub verification: Verification,
}

impl Variable {
    /// The grid of stored chunks; `None` if the file's numbers make none.
    pub fn stored_grid(&self) -> Option<ChunkGrid> {
        ChunkGrid::new(self.shape.clone(), self.storage.chunk_shape.clone())
    }

    /// The grid of chunks as served.
    pub fn served_grid(&self) -> Option<ChunkGrid> {
        ChunkGrid::new(self.shape.clone(), self.storage.served_chunk_shape.clone())
    }

    /// Number of elements; `None` beyond `u64`.
    pub fn n_elements(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length))
    }
}

/// A group of variables and groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Name without the parent's; empty for the root.
    pub name: String,
    /// Attributes.
    pub attrs: Attributes,
    /// Dimensions that this group defines.
    pub dims: Vec<Dimension>,
    /// Variables in the order of the file.
    pub variables: Vec<Variable>,
    /// Subgroups in the order of the file.
    pub groups: Vec<Group>,
}

impl Group {
    /// The subgroup at a path like `ocean/deep`; the group itself for an empty path.
    pub fn group(&self, path: &str) -> Option<&Self> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(self, |group, name| group.groups.iter().find(|child| child.name == name))
    }

    /// The variable at a path like `ocean/deep/temp`.
    pub fn variable(&self, path: &str) -> Option<&Variable> {
        let (group, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.group(group)?.variables.iter().find(|variable| variable.name == name)
    }

    /// Calls `visit` with the path of every group and the group, parents first; the root's path is empty.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&str, &'a Self)) {
        self.visit_below("", visit);
    }

    fn visit_below<'a>(&'a self, path: &str, visit: &mut dyn FnMut(&str, &'a Self)) {
        visit(path, self);
        for child in &self.groups {
            child.visit_below(&join_path(path, &child.name), visit);
        }
    }

    /// Every variable with its path, groups in depth-first order.
    pub fn variables_below(&self) -> Vec<(String, &Variable)> {
        let mut found = Vec::new();
        self.visit(&mut |path, group| {
            for variable in &group.variables {
                found.push((join_path(path, &variable.name), variable));
            }
        });
        found
    }
}

fn join_path(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}

/// What tells one state of an object from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ObjectIdentity {
    /// A file: its time of modification in nanoseconds since 1970.
    Modified {
        /// Nanoseconds since 1970-01-01T00:00:00Z.
        mtime_ns: i64,
        /// Number of the file in its file system: a replaced file has another.
        inode: u64,
    },
    /// An object in a store: its entity tag.
    ETag(String),
}

/// A source object that holds bytes of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Absolute path, or URL (`s3://`, `https://`).
    pub href: String,
    /// Size in bytes.
    pub len_bytes: u64,
    /// The state that was indexed.
    pub identity: ObjectIdentity,
}

/// Something that was left out or changed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Path of the group, link, variable or attribute (`group/variable@attribute`).
    pub path: String,
    /// What happened to it.
    pub note: String,
}

/// A variable that is not served, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Path of the variable.
    pub path: String,
    /// Why it is refused, naming the type, filter or number that is the cause.
    pub reason: String,
    /// Its type, in the words of its format.
    pub dtype: String,
    /// Its shape, if known.
    pub shape: Vec<u64>,
}

/// Everything known of a dataset without reading its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The tree of groups.
    pub root: Group,
    /// The objects that hold its bytes; chunks name them by number.
    pub objects: Vec<Object>,
    /// Variables that are not served.
    pub refusals: Vec<Refusal>,
    /// What else was left out or changed.
    pub notes: Vec<Note>,
}
