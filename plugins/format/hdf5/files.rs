//! The files of a dataset, and the objects that paths in them lead to.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_core::format::{Limits, ReadAt};
use thermocline_core::{Error, Result};

use crate::file::File;
use crate::header::ObjectHeader;
use crate::links::{Members, Target, members};
use crate::neighbours::Neighbourhood;

/// Soft links that lead to soft links.
pub(crate) const MAX_LINK_DEPTH: usize = 16;

/// Which object it is: number of the file and address of the object header.
pub(crate) type Identity = (usize, u64);

/// An object and a path that leads to it inside its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) identity: Identity,
    pub(crate) path: String,
}

/// The files of a dataset, the indexed one first.
pub(crate) struct Files<'a> {
    limits: &'a Limits,
    open: Vec<Arc<File>>,
    /// What each file has around it.
    around: Vec<Neighbourhood<'a>>,
    by_href: HashMap<String, usize>,
    targets: HashMap<Identity, Arc<Targets>>,
}

/// Where the members of a group lead.
struct Targets {
    by_name: HashMap<String, Target>,
    /// Why a member has no name, if one has none.
    nameless: Option<String>,
}

impl Targets {
    /// Where a member leads; `None` if the group surely has none of that name.
    fn get(&self, name: &str) -> Result<Option<&Target>> {
        match (self.by_name.get(name), &self.nameless) {
            (None, Some(reason)) => {
                Err(Error::corrupt(format!("{name:?} may be a member that cannot be read: {reason}")))
            }
            (target, _) => Ok(target),
        }
    }
}

impl<'a> Files<'a> {
    pub(crate) fn new(
        object: Arc<dyn ReadAt>,
        around: &Neighbourhood<'a>,
        limits: &'a Limits,
    ) -> Result<Self> {
        Self::nested(object, around, limits, 0)
    }

    /// Opens a file that `nesting` virtual datasets lead to.
    pub(crate) fn nested(
        object: Arc<dyn ReadAt>,
        around: &Neighbourhood<'a>,
        limits: &'a Limits,
        nesting: usize,
    ) -> Result<Self> {
        let href = object.object().href.clone();
        let mut file = File::open(object, limits)?;
        file.nesting = nesting;
        Ok(Self {
            limits,
            open: vec![Arc::new(file)],
            around: vec![around.clone()],
            by_href: HashMap::from([(href, 0)]),
            targets: HashMap::new(),
        })
    }

    pub(crate) fn get(&self, number: usize) -> Result<&Arc<File>> {
        self.open.get(number).ok_or_else(|| Error::internal(format!("file {number} is not open")))
    }

    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// What a file has around it.
    pub(crate) fn neighbourhood(&self, number: usize) -> Result<&Neighbourhood<'a>> {
        self.around.get(number).ok_or_else(|| Error::internal(format!("file {number} is not open")))
    }

    /// Opens another HDF5 file that file `from` names.
    pub(crate) fn open_other(&mut self, from: usize, name: &str) -> Result<Option<usize>> {
        let around = self.neighbourhood(from)?;
        let Some(object) = around.open(name)? else { return Ok(None) };
        let around = around.beside(name);
        let href = object.object().href.clone();
        if let Some(number) = self.by_href.get(&href) {
            return Ok(Some(*number));
        }
        let file = File::open(object, self.limits)?;
        let number = self.open.len();
        self.open.push(Arc::new(file));
        self.around.push(around);
        self.by_href.insert(href, number);
        Ok(Some(number))
    }

    fn targets(&mut self, group: Identity) -> Result<Arc<Targets>> {
        if let Some(known) = self.targets.get(&group) {
            return Ok(Arc::clone(known));
        }
        let file = Arc::clone(self.get(group.0)?);
        let header = ObjectHeader::read(&file, group.1)?;
        let Members { links, nameless } = members(&file, &header)?;
        let by_name = links.into_iter().map(|link| (link.name, link.target)).collect();
        let targets = Arc::new(Targets { by_name, nameless: nameless.into_iter().next() });
        self.targets.insert(group, Arc::clone(&targets));
        Ok(targets)
    }

    /// The object at a path from the root of a file; `None` if nothing is there.
    pub(crate) fn resolve(&mut self, file: usize, path: &str) -> Result<Option<Located>> {
        let root = self.root_of(file)?;
        self.resolve_path(&root, path, MAX_LINK_DEPTH)
    }

    fn root_of(&self, file: usize) -> Result<Located> {
        Ok(Located { identity: (file, self.get(file)?.superblock.root), path: String::new() })
    }

    fn resolve_path(&mut self, group: &Located, path: &str, depth: usize) -> Result<Option<Located>> {
        let mut at = if path.starts_with('/') { self.root_of(group.identity.0)? } else { group.clone() };
        for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            let Some(target) = self.targets(at.identity)?.get(name)?.cloned() else { return Ok(None) };
            match self.follow(&at, name, &target, depth)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The object that a member of a group leads to; `None` if nothing is there.
    pub(crate) fn follow(
        &mut self,
        group: &Located,
        name: &str,
        target: &Target,
        depth: usize,
    ) -> Result<Option<Located>> {
        let left = depth.checked_sub(1).ok_or_else(|| Error::corrupt("links lead to links without end"))?;
        match target {
            Target::Hard(address) => {
                let identity = (group.identity.0, *address);
                Ok(Some(Located { identity, path: join(&group.path, name) }))
            }
            Target::Soft(path) => self.resolve_path(group, path, left),
            Target::External { file, path } => {
                let Some(number) = self.open_other(group.identity.0, file)? else { return Ok(None) };
                let root = self.root_of(number)?;
                self.resolve_path(&root, path, left)
            }
            Target::UserDefined(number) => {
                Err(Error::unsupported(format!("a user-defined link of type {number}")))
            }
            Target::Unreadable(reason) => Err(Error::corrupt(reason.clone())),
        }
    }
}

/// A path and a name below it.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}
