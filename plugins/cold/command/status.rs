//! Where objects are: what the locality command says, and what is in the spool.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use thermocline_core::cold::files::ArchiveFile;
use thermocline_core::cold::{ColdObject, Locality, ObjectStatus};
use thermocline_core::{Error, ErrorKind, Result};

use crate::output::{self, SaidLocality};
use crate::spool::FilledBy;
use crate::{Shared, blocking};

/// Most objects whose versions are remembered.
const MAX_KNOWN: usize = 1_000_000;

/// An object as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// As users of the store see it: what is copied is online when it is in the spool.
    pub(crate) status: ObjectStatus,
    /// Whether the archive has it at hand.
    pub(crate) is_at_hand: bool,
}

impl Shared {
    /// What is known of each object, in the same order. One that is named several times is asked about once.
    pub(crate) async fn find(self: Arc<Self>, objects: &[ColdObject]) -> Vec<Result<Found>> {
        let mut places = HashMap::new();
        let mut distinct = Vec::new();
        for object in objects {
            places.entry(object).or_insert_with(|| {
                distinct.push(object.clone());
                distinct.len() - 1
            });
        }
        let size = self.group_size(&self.templates.locality);
        let groups: Vec<Vec<ColdObject>> = distinct.chunks(size).map(<[_]>::to_vec).collect();
        let ask = |group: Vec<ColdObject>| Arc::clone(&self).find_some(group);
        let found =
            futures::stream::iter(groups).map(ask).buffered(self.config.commands_at_once).concat().await;
        let found = |object: &ColdObject| match places.get(object).and_then(|place| found.get(*place)) {
            Some(Ok(found)) => Ok(found.clone()),
            Some(Err(error)) => Err(Error::new(error.kind(), error.to_string())),
            None => Err(Error::internal(format!("{} was not looked for", object.id))),
        };
        objects.iter().map(found).collect()
    }

    /// What is known of one object.
    pub(crate) async fn find_one(self: &Arc<Self>, object: &ColdObject) -> Result<Found> {
        let mut found = Arc::clone(self).find_some(vec![object.clone()]).await;
        found.pop().unwrap_or_else(|| Err(Error::internal("an object was not looked for")))
    }

    async fn find_some(self: Arc<Self>, objects: Vec<ColdObject>) -> Vec<Result<Found>> {
        let output = match self.call(&self.quick, &self.templates.locality, (&objects, Vec::new())).await {
            Ok(output) => output,
            Err(failure) => {
                let error = self.error(failure);
                let text = format!("the locality command: {}", error.message());
                return objects.iter().map(|_| Err(Error::new(error.kind(), text.clone()))).collect();
            }
        };
        let only = if let [only] = objects.as_slice() { Some(&*only.href) } else { None };
        let text = String::from_utf8_lossy(&output.stdout);
        let mut said = output::localities(&text, &self.config.words, only);
        let said: Vec<Option<SaidLocality>> =
            objects.iter().map(|object| said.remove(&*object.href)).collect();
        let files = self.files_of(&objects, &said).await;
        let n_objects = objects.len();
        let shared = Arc::clone(&self);
        let found = blocking(move || {
            let each = |((object, said), file): (
                (ColdObject, Option<SaidLocality>),
                Option<Result<ArchiveFile>>,
            )| { shared.judge_locality(&object, said, file) };
            objects.into_iter().zip(said).zip(files).map(each).collect()
        });
        found.await.unwrap_or_else(|error| {
            (0..n_objects).map(|_| Err(Error::new(error.kind(), error.message()))).collect()
        })
    }

    /// The files of objects, where the command does not say everything.
    async fn files_of(
        &self,
        objects: &[ColdObject],
        said: &[Option<SaidLocality>],
    ) -> Vec<Option<Result<ArchiveFile>>> {
        let is_told = |said: &Option<SaidLocality>| {
            said.as_ref().is_none_or(|said| {
                said.locality.is_none() || said.len_bytes.is_some() && said.version.is_some()
            })
        };
        match &self.files {
            Some(files) if !said.iter().all(is_told) => {
                files.look(objects, |_, file| Ok(file)).await.into_iter().map(Some).collect()
            }
            _ => objects.iter().map(|_| None).collect(),
        }
    }

    /// What is to be made of what was said of one object. Blocking.
    fn judge_locality(
        &self,
        object: &ColdObject,
        said: Option<SaidLocality>,
        file: Option<Result<ArchiveFile>>,
    ) -> Result<Found> {
        let id = &object.id;
        let unavailable =
            |text: String| Error::new(ErrorKind::Unavailable { retry_after: self.config.busy_after }, text);
        let said =
            said.ok_or_else(|| unavailable(format!("the locality command says nothing known of {id}")))?;
        let locality = said.locality.ok_or_else(|| Error::not_found(format!("no object {id}")))?;
        let file = match (said.len_bytes.is_some() && said.version.is_some(), file) {
            // The archive knows it all the same: its files need not be seen on this machine where they are copied.
            (false, Some(Err(error))) if self.spool.is_some() && error.kind() == ErrorKind::NotFound => None,
            (false, Some(file)) => Some(file?),
            _ => None,
        };
        let links_to = file.as_ref().and_then(|file| file.links_to.clone());
        // What is fetched has the size that the archive says: that of the file may be a stub's.
        let in_place = file.as_ref().filter(|_| self.spool.is_none());
        let len_bytes = said.len_bytes.or_else(|| in_place.map(ArchiveFile::len_bytes));
        let len_bytes =
            len_bytes.ok_or_else(|| unavailable(format!("the locality command says no size of {id}")))?;
        let version = said.version.or_else(|| file.map(|file| file.version()));
        let version = version.unwrap_or_else(|| format!("size {len_bytes}"));
        // What is read in place is asked for by nobody here.
        if self.spool.is_some() {
            self.remember(object, &version, len_bytes);
        }
        let is_at_hand = locality.is_online();
        let locality = match (&self.spool, locality) {
            (None, locality) => locality,
            (Some(spool), locality) => {
                let counts = spool.filled_by() == FilledBy::Us || is_at_hand;
                match locality {
                    _ if counts && spool.has(id, &version, len_bytes) => Locality::OnlineAndNearline,
                    Locality::Lost | Locality::Unavailable => locality,
                    _ => Locality::Nearline,
                }
            }
        };
        let place = said.place.filter(|_| self.config.knows_tapes);
        Ok(Found {
            status: ObjectStatus {
                locality,
                len_bytes,
                version,
                place,
                checksum: said.checksum,
                links_to,
                online_until_ns: None,
            },
            is_at_hand,
        })
    }

    fn remember(&self, object: &ColdObject, version: &str, len_bytes: u64) {
        let mut known = self.known.lock();
        if known.len() >= MAX_KNOWN && !known.contains_key(&object.id) {
            known.clear();
        }
        known.insert(object.id.clone(), (version.to_owned(), len_bytes));
    }

    /// Version and size of an object as it was last seen, or as it is.
    pub(crate) async fn last_seen(self: &Arc<Self>, object: &ColdObject) -> Result<(String, u64)> {
        let known = self.known.lock().get(&object.id).cloned();
        match known {
            Some(known) => Ok(known),
            None => self.find_one(object).await.map(|found| (found.status.version, found.status.len_bytes)),
        }
    }
}
