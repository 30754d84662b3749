//! The objects of a store: its documents and its chunks.

use std::sync::Arc;

use serde_json::Value;
use thermocline_core::format::{ReadAt, Source};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::Object;
use thermocline_zarr::parse::parse_json;

/// A directory or prefix that holds a store.
pub(crate) struct Store<'a> {
    source: &'a Source<'a>,
    /// Names and states of all objects, sorted by name; `None` if the place cannot be listed.
    listing: Option<Vec<(String, Object)>>,
    document_bytes: u64,
}

impl<'a> Store<'a> {
    /// The store whose first document is the object of `source`.
    pub(crate) fn open(source: &'a Source<'a>) -> Result<Self> {
        let mut listing = match source.others.list_objects("") {
            Ok(listing) => Some(listing),
            Err(error) if error.kind() == ErrorKind::Unsupported => None,
            Err(error) => return Err(error),
        };
        if let Some(listing) = &mut listing {
            listing.sort_by(|a, b| a.0.cmp(&b.0));
        }
        // Some servers answer a request to list with an empty list.
        let own = source.object.object();
        let listing = listing.filter(|listing| listing.iter().any(|(_, object)| object.href == own.href));
        Ok(Self { source, listing, document_bytes: 0 })
    }

    /// A store whose objects are asked for by name.
    pub(crate) fn unlisted(source: &'a Source<'a>) -> Self {
        Self { source, listing: None, document_bytes: 0 }
    }

    /// What the store is part of.
    pub(crate) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// True if all names of the store are known.
    pub(crate) fn is_listed(&self) -> bool {
        self.listing.is_some()
    }

    /// Objects below a path, with their names below it; `None` if the place cannot be listed.
    pub(crate) fn below(&self, path: &str) -> Option<impl Iterator<Item = (&str, &Object)>> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let listing = self.listing.as_deref()?;
        let first = listing.partition_point(|(name, _)| *name < prefix);
        let rest = listing.get(first..).unwrap_or_default();
        Some(rest.iter().map_while(move |(name, object)| Some((name.strip_prefix(prefix.as_str())?, object))))
    }

    /// Opens an object; `Ok(None)` if it is not there.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        self.source.others.open(name)
    }

    /// Reads a document; `Ok(None)` if it is not there.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Refused`] when it is too large or no JSON.
    pub(crate) fn document(&mut self, name: &str) -> Result<Option<Value>> {
        let Some(object) = self.object(name)? else {
            return Ok(None);
        };
        let len_bytes = object.object().len_bytes;
        self.document_bytes = self.document_bytes.saturating_add(len_bytes);
        let limits = self.source.limits;
        if len_bytes > limits.header_bytes as u64 || self.document_bytes > limits.attribute_bytes as u64 {
            return Err(Error::refused(format!("{name} has {len_bytes} bytes, more than the limits allow")));
        }
        let bytes = object.read_at(0, len_bytes as usize)?;
        let value = parse_json(&bytes).map_err(|error| Error::refused(format!("{name}: {error}")))?;
        Ok(Some(value))
    }
}
