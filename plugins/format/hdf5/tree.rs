//! The tree of groups and arrays as it lies in the file: links are listed and their targets opened one
//! by one, so that a member that cannot be read loses only itself.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_core::names::reserved;
use thermocline_core::{Error, Result};
use thermocline_model::{Note, Refusal};

use crate::array::{Array, is_array};
use crate::attributes::{RawAttribute, read_attributes};
use crate::file::File;
use crate::files::{Files, Identity, Located, MAX_LINK_DEPTH, join};
use crate::header::{ObjectHeader, kind};
use crate::links::{Link, Members, Target, is_group, members};
use crate::messages::Layout;
use crate::opened::Opened;
use crate::storage::is_fault_of_file;

/// Groups and arrays that are shown again under a second name.
const MAX_REPEATED: usize = 10_000;

/// A group.
#[derive(Debug)]
pub(crate) struct GroupNode {
    pub(crate) name: String,
    /// Path in the dataset, without a leading slash.
    pub(crate) path: String,
    pub(crate) file: usize,
    pub(crate) attributes: Vec<RawAttribute>,
    pub(crate) arrays: Vec<ArrayNode>,
    pub(crate) groups: Vec<GroupNode>,
}

impl GroupNode {
    fn has_arrays(&self) -> bool {
        !self.arrays.is_empty() || self.groups.iter().any(Self::has_arrays)
    }
}

/// An array.
#[derive(Debug)]
pub(crate) struct ArrayNode {
    pub(crate) name: String,
    /// Path in the dataset, without a leading slash.
    pub(crate) path: String,
    /// Path in its own file.
    pub(crate) source_path: String,
    pub(crate) file: usize,
    pub(crate) attributes: Vec<RawAttribute>,
    pub(crate) array: Array,
}

impl ArrayNode {
    /// True if its values may lie in other files.
    pub(crate) fn names_files(&self) -> bool {
        !self.array.external.is_empty() || matches!(self.array.layout, Layout::Virtual { .. })
    }
}

/// Walks the tree of a file.
pub(crate) struct Walk<'f, 'a> {
    pub(crate) files: &'f mut Files<'a>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) notes: Vec<Note>,
    /// Names under which groups and arrays were shown, to count what is shown again.
    seen: HashMap<Identity, ()>,
    n_nodes: usize,
    n_repeated: usize,
    attribute_bytes: usize,
    /// True if groups have members whose names cannot be read.
    has_lost_members: bool,
    /// Set when a limit of the whole dataset is exceeded: the walk ends.
    is_over_limit: bool,
}

/// The groups that lead to a place.
struct Trail<'t> {
    at: Located,
    parent: Option<&'t Trail<'t>>,
    depth: usize,
}

impl Trail<'_> {
    fn contains(&self, identity: Identity) -> bool {
        self.at.identity == identity || self.parent.is_some_and(|parent| parent.contains(identity))
    }
}

impl<'f, 'a> Walk<'f, 'a> {
    pub(crate) fn new(files: &'f mut Files<'a>) -> Self {
        Self {
            files,
            refusals: Vec::new(),
            notes: Vec::new(),
            seen: HashMap::new(),
            n_nodes: 0,
            n_repeated: 0,
            attribute_bytes: 0,
            has_lost_members: false,
            is_over_limit: false,
        }
    }

    /// Reads everything below the root group of the first file.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Refused`] if the root group itself cannot be read.
    pub(crate) fn root(&mut self) -> Result<GroupNode> {
        let file = Arc::clone(self.files.get(0)?);
        let address = file.superblock.root;
        let header = ObjectHeader::read(&file, address)
            .map_err(|error| refuse(error, "the root group cannot be read"))?;
        self.seen.insert((0, address), ());
        let at = Located { identity: (0, address), path: String::new() };
        let trail = Trail { at, parent: None, depth: 0 };
        let group = self.group("", "", &header, &trail);
        let group = group.map_err(|error| refuse(error, "the root group cannot be read"))?;
        // What is empty for want of another file is a dataset as soon as that arrives.
        let is_waiting = !self.files.neighbourhood(0)?.found().is_empty();
        let has_nothing = group.groups.is_empty() || self.has_lost_members;
        let is_empty = has_nothing && !group.has_arrays() && self.refusals.is_empty();
        if is_empty
            && !is_waiting
            && let Some(first) = self.notes.first()
        {
            return Err(Error::refused(format!(
                "nothing in the file can be read: {}: {}",
                first.path, first.note
            )));
        }
        Ok(group)
    }

    fn group(
        &mut self,
        name: &str,
        path: &str,
        header: &ObjectHeader,
        trail: &Trail<'_>,
    ) -> Result<GroupNode> {
        let number = trail.at.identity.0;
        let file = Arc::clone(self.files.get(number)?);
        let Members { links, nameless } = members(&file, header)?;
        self.has_lost_members |= !nameless.is_empty();
        for reason in nameless {
            self.note(&join(path, "?"), format!("a member is left out: its link cannot be read: {reason}"));
        }
        let attributes = self.attributes(&file, header)?;
        let mut group = GroupNode {
            name: name.to_owned(),
            path: path.to_owned(),
            file: number,
            attributes,
            arrays: Vec::new(),
            groups: Vec::new(),
        };
        let headers: Vec<u64> = links
            .iter()
            .filter_map(|link| match link.target {
                Target::Hard(address) => Some(address),
                _ => None,
            })
            .collect();
        file.bytes.prefetch(&headers);
        for link in &links {
            let member_path = join(path, &link.name);
            let added = self.member(&mut group, link, &member_path, trail);
            self.keep_going(&member_path, added)?;
        }
        Ok(group)
    }

    /// Notes what is wrong with one member; a store that does not answer ends the walk.
    fn keep_going(&mut self, path: &str, outcome: Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if is_fault_of_file(&error) && !self.is_over_limit => {
                self.note(path, format!("cannot be read: {error}"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn note(&mut self, path: &str, note: impl Into<String>) {
        self.notes.push(Note { path: path.to_owned(), note: note.into() });
    }

    fn attributes(&mut self, file: &File, header: &ObjectHeader) -> Result<Vec<RawAttribute>> {
        let attributes = read_attributes(file, header)?;
        let values = attributes.iter().filter_map(|attribute| attribute.value.as_ref().ok());
        let len_bytes: usize = values.map(|value| value.bytes.len()).sum();
        self.attribute_bytes = self.attribute_bytes.saturating_add(len_bytes);
        let limit = self.files.limits().attribute_bytes;
        if self.attribute_bytes > limit {
            self.is_over_limit = true;
            return Err(Error::refused(format!("the attributes exceed {limit} bytes")));
        }
        Ok(attributes)
    }

    fn member(&mut self, group: &mut GroupNode, link: &Link, path: &str, trail: &Trail<'_>) -> Result<()> {
        self.n_nodes += 1;
        if self.n_nodes > self.files.limits().n_nodes {
            self.is_over_limit = true;
            return Err(Error::refused(format!(
                "more than {} groups and arrays",
                self.files.limits().n_nodes
            )));
        }
        let Some(found) = self.target(link, path, trail)? else { return Ok(()) };
        let identity = found.identity;
        let file = Arc::clone(self.files.get(identity.0)?);
        let header = match ObjectHeader::read(&file, identity.1) {
            Ok(header) => header,
            Err(error) if is_fault_of_file(&error) => {
                return self.refuse(
                    path,
                    "unknown",
                    Vec::new(),
                    format!("its header cannot be read: {error}"),
                );
            }
            Err(error) => return Err(error),
        };
        if let Some(reason) = reserved(&link.name) {
            self.note(path, format!("is left out: {reason}"));
            if is_array(&header) {
                return self.refuse(path, "unknown", Vec::new(), reason.to_owned());
            }
            if is_group(&header) && !trail.contains(identity) && trail.depth < self.files.limits().depth {
                let below = Trail { at: found, parent: Some(trail), depth: trail.depth + 1 };
                let hidden = self.group(&link.name, path, &header, &below)?;
                self.refuse_below(&hidden, &format!("it lies in a group that is left out: {reason}"))?;
            }
            return Ok(());
        }
        if self.seen.insert(identity, ()).is_some() {
            self.n_repeated += 1;
            if self.n_repeated > MAX_REPEATED {
                self.note(
                    path,
                    "is left out: it is shown under another name, and there are too many of these",
                );
                return Ok(());
            }
        }
        if is_array(&header) {
            let node = self.array(&file, found, &link.name, path, &header)?;
            group.arrays.extend(node);
            return Ok(());
        }
        if is_group(&header) {
            if trail.contains(identity) {
                self.note(path, "is left out: it is a group that contains this one");
                return Ok(());
            }
            if trail.depth >= self.files.limits().depth {
                self.note(
                    path,
                    format!("is left out: groups are nested deeper than {}", self.files.limits().depth),
                );
                return Ok(());
            }
            let below = Trail { at: found, parent: Some(trail), depth: trail.depth + 1 };
            group.groups.push(self.group(&link.name, path, &header, &below)?);
            return Ok(());
        }
        if header.find(kind::DATATYPE).is_none() {
            self.note(path, "is left out: it is neither a group nor an array nor a type");
        }
        Ok(())
    }

    /// The object that a link leads to; a link that leads nowhere is noted.
    fn target(&mut self, link: &Link, path: &str, trail: &Trail<'_>) -> Result<Option<Located>> {
        let what = match &link.target {
            Target::Hard(_) => "hard link".to_owned(),
            Target::UserDefined(number) => {
                self.note(path, format!("is left out: a user-defined link of type {number}"));
                return Ok(None);
            }
            Target::Unreadable(reason) => {
                self.note(path, format!("is left out: its link cannot be read: {reason}"));
                return Ok(None);
            }
            Target::Soft(to) => format!("soft link to {to}"),
            Target::External { file, path: to } => format!("external link to {to} in {file}"),
        };
        let found = self.files.follow(&trail.at, &link.name, &link.target, MAX_LINK_DEPTH);
        match found {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) => {
                self.note(path, format!("is left out: a dangling {what}"));
                Ok(None)
            }
            Err(error) if is_fault_of_file(&error) => {
                self.note(path, format!("is left out: the {what} cannot be followed: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn array(
        &mut self,
        file: &Arc<File>,
        found: Located,
        name: &str,
        path: &str,
        header: &ObjectHeader,
    ) -> Result<Option<ArrayNode>> {
        let array = match self.present_array(file, found.identity, header) {
            Ok(array) => array,
            Err(error) if is_fault_of_file(&error) => {
                self.refuse(path, "unknown", Vec::new(), error.to_string())?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let attributes = self.attributes(file, header)?;
        Ok(Some(ArrayNode {
            name: name.to_owned(),
            path: path.to_owned(),
            source_path: found.path,
            file: found.identity.0,
            attributes,
            array,
        }))
    }

    /// An array with its present shape, which may be that of its sources.
    fn present_array(&self, file: &Arc<File>, identity: Identity, header: &ObjectHeader) -> Result<Array> {
        let array = Array::read(file, identity.1, header)?;
        if !array.grows_with_sources() {
            return Ok(array);
        }
        let around = self.files.neighbourhood(identity.0)?;
        Ok(Opened::open(Arc::clone(file), array, around)?.array)
    }

    fn refuse_below(&mut self, group: &GroupNode, reason: &str) -> Result<()> {
        for node in &group.arrays {
            let shape = node.array.shape().unwrap_or_default().to_vec();
            self.refuse(&node.path, &node.array.datatype.words(), shape, reason.to_owned())?;
        }
        group.groups.iter().try_for_each(|child| self.refuse_below(child, reason))
    }

    fn refuse(&mut self, path: &str, dtype: &str, shape: Vec<u64>, reason: String) -> Result<()> {
        self.refusals.push(Refusal { path: path.to_owned(), reason, dtype: dtype.to_owned(), shape });
        Ok(())
    }
}

fn refuse(error: Error, what: &str) -> Error {
    if is_fault_of_file(&error) { Error::refused(format!("{what}: {error}")) } else { error }
}
