//! The objects that references name.

use std::collections::HashMap;

use thermocline_core::format::{Source, missing_object};
use thermocline_core::{ErrorKind, Result};
use thermocline_model::{Note, Object};

/// Most notes about missing objects; the rest is counted.
const MAX_NOTES: usize = 100;

/// Numbers of the objects that references name, each looked at once.
pub(crate) struct ReferencedObjects<'a> {
    source: &'a Source<'a>,
    numbers: HashMap<String, u32>,
    objects: Vec<Object>,
    notes: Vec<Note>,
    n_missing: usize,
}

impl<'a> ReferencedObjects<'a> {
    /// The references themselves are the first object.
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        let objects = vec![source.object.object().clone()];
        Self { source, numbers: HashMap::new(), objects, notes: Vec::new(), n_missing: 0 }
    }

    /// Number and size of an object; a missing one has size 0 and fails when it is read.
    ///
    /// # Errors
    /// When its store does not answer: whether it is missing is then unknown.
    pub(crate) fn look_up(&mut self, url: &str) -> Result<(u32, u64)> {
        if let Some(number) = self.numbers.get(url) {
            return Ok((*number, self.len_bytes(*number)));
        }
        let object = match self.source.others.open(url) {
            Ok(Some(found)) => found.object().clone(),
            Ok(None) => self.missing(url, "is not there"),
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable { .. } | ErrorKind::Internal) => {
                return Err(error);
            }
            Err(error) => self.missing(url, &format!("cannot be opened: {error}")),
        };
        let number = u32::try_from(self.objects.len())
            .map_err(|_| crate::document::refused("references to more than 2^32 objects"))?;
        let len_bytes = object.len_bytes;
        self.objects.push(object);
        self.numbers.insert(url.to_owned(), number);
        Ok((number, len_bytes))
    }

    /// Size of the object of a number.
    pub(crate) fn len_bytes(&self, number: u32) -> u64 {
        self.objects.get(number as usize).map_or(0, |object| object.len_bytes)
    }

    fn missing(&mut self, url: &str, why: &str) -> Object {
        self.n_missing += 1;
        if self.n_missing <= MAX_NOTES {
            let note = format!("{url} {why}: chunks in it cannot be read");
            self.notes.push(Note { path: String::new(), note });
        }
        missing_object(&self.source.object.object().href, url)
    }

    /// Adds an object that is not there: when it arrives, the references are indexed again.
    pub(crate) fn push_missing(&mut self, name: &str) {
        self.objects.push(missing_object(&self.source.object.object().href, name));
    }

    /// The objects by number, and notes about those that are missing.
    pub(crate) fn finish(mut self) -> (Vec<Object>, Vec<Note>) {
        if self.n_missing > MAX_NOTES {
            let note = format!("{} objects are missing in all", self.n_missing);
            self.notes.push(Note { path: String::new(), note });
        }
        (self.objects, self.notes)
    }
}
