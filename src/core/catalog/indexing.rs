//! From a source to what the index keeps of it: recognise, index, verify. Blocking.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use thermocline_model::{Object, ObjectIdentity};

use super::{DatasetSpec, SourceSpec, foreign};
use crate::bytes::ObjectOpener;
use crate::bytes::watch::ColdNotes;
use crate::format::{Format, Indexed, Limits, ReadAt, Source};
use crate::index::{IndexEntry, SourceState};
use crate::reference::SharedReferences;
use crate::verify::{VerifyLevel, verify};
use crate::{Error, ErrorKind, Result, parallel};

/// How much of an object formats recognise it by, in bytes.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// What indexing needs besides the source.
pub(super) struct Indexer {
    pub(super) opener: Arc<dyn ObjectOpener>,
    pub(super) formats: Vec<Arc<dyn Format>>,
    pub(super) references: SharedReferences,
    pub(super) limits: Limits,
    pub(super) verify: VerifyLevel,
}

/// What came of indexing a source.
pub(super) struct Outcome {
    pub(super) entry: IndexEntry,
    pub(super) indexed: Result<Indexed, String>,
}

/// What names a source in the index: datasets that share it share the entry.
pub(super) fn source_key(spec: &DatasetSpec) -> String {
    match &spec.source {
        SourceSpec::Object(href) => key_of_object(spec.format.as_deref(), href),
        SourceSpec::Directory(href) => format!("directory {} {href}", named_or_any(spec.format.as_deref())),
        SourceSpec::Refused(_) => String::new(),
    }
}

/// The same for an object that is read as `format`, or as whichever recognises it.
pub(super) fn key_of_object(format: Option<&str>, href: &str) -> String {
    format!("object {} {href}", named_or_any(format))
}

fn named_or_any(format: Option<&str>) -> &str {
    format.unwrap_or("auto")
}

impl Indexer {
    /// The present state of a source; `Ok(None)` if nothing is there.
    ///
    /// # Errors
    /// Whatever keeps it from being known.
    pub(super) fn state(&self, spec: &DatasetSpec) -> Result<Option<SourceState>> {
        match &spec.source {
            SourceSpec::Object(href) => {
                Ok(self.opener.stat(href)?.map(|object| SourceState { object, listing: None }))
            }
            SourceSpec::Directory(href) => self.directory_state(spec, href),
            SourceSpec::Refused(reason) => Err(Error::refused(reason)),
        }
    }

    /// The present state of any object.
    pub(super) fn stat(&self, href: &str) -> Result<Option<Object>> {
        self.opener.stat(href)
    }

    fn directory_state(&self, spec: &DatasetSpec, href: &str) -> Result<Option<SourceState>> {
        let Some(marker) = self.marker(spec, href)? else { return self.no_store(href) };
        let listing = match self.opener.list(href) {
            Ok(objects) => listing_hash(&objects),
            // A directory on a web server cannot be listed: its metadata documents stand for it.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                listing_hash(&self.documents(spec, href)?)
            }
            Err(error) => return Err(error),
        };
        Ok(Some(SourceState { object: marker, listing: Some(listing) }))
    }

    /// The documents of a directory store that change whenever it does, those that are there.
    fn documents(&self, spec: &DatasetSpec, href: &str) -> Result<Vec<Object>> {
        let base = href.trim_end_matches('/');
        let wanted = self.formats.iter().filter(|format| is_wanted(format.as_ref(), spec));
        let mut names: Vec<&str> = wanted.flat_map(|format| format.directory_documents()).copied().collect();
        names.sort_unstable();
        names.dedup();
        let found = parallel::map(&names, |name| self.opener.stat(&format!("{base}/{name}")))?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What a directory without a metadata document is: no store, or nothing.
    fn no_store(&self, href: &str) -> Result<Option<SourceState>> {
        match self.opener.list(href) {
            Ok(objects) if !objects.is_empty() => {
                let markers: Vec<&str> =
                    self.formats.iter().flat_map(|format| format.directory_markers()).copied().collect();
                Err(Error::refused(format!(
                    "the directory {href} is no store: it has none of {}",
                    markers.join(", ")
                )))
            }
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first metadata document of a directory store, in the order of the formats.
    fn marker(&self, spec: &DatasetSpec, href: &str) -> Result<Option<Object>> {
        let base = href.trim_end_matches('/');
        for format in self.formats.iter().filter(|format| is_wanted(format.as_ref(), spec)) {
            for marker in format.directory_markers() {
                if let Some(object) = self.opener.stat(&format!("{base}/{marker}"))? {
                    return Ok(Some(object));
                }
            }
        }
        Ok(None)
    }

    /// Indexes a source that was in `state` when it was looked at.
    ///
    /// # Errors
    /// What may be different next time: a store that does not answer, a source that is being written.
    /// A source that cannot be a dataset is not an error but an outcome.
    pub(super) fn index(&self, spec: &DatasetSpec, state: SourceState) -> Result<Outcome> {
        let mut entry = IndexEntry {
            key: source_key(spec),
            source: state,
            format: String::new(),
            format_version: self.version_of_all(),
            verification: self.verify as u8,
        };
        let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(spec, &mut entry)));
        let indexed = match attempt.unwrap_or_else(|_| Err(panicked())) {
            Ok(indexed) => Ok(indexed),
            Err(error) if is_final(error.kind()) => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        if self.state(spec)?.as_ref() != Some(&entry.source) {
            return Err(changed(format!("{} changed while it was indexed", entry.source.object.href)));
        }
        Ok(Outcome { entry, indexed })
    }

    /// True for what can be indexed again at any time: one file of this machine that lies on no cold store.
    pub(super) fn is_rebuildable(&self, spec: &DatasetSpec, indexed: Result<&Indexed, &str>) -> bool {
        let is_alone = indexed.is_ok_and(|indexed| indexed.dataset.objects.len() == 1);
        match &spec.source {
            SourceSpec::Object(href) if is_alone && !href.contains("://") => {
                matches!(self.opener.cold_name(href), Ok(None))
            }
            _ => false,
        }
    }

    fn attempt(&self, spec: &DatasetSpec, entry: &mut IndexEntry) -> Result<Indexed> {
        let notes = ColdNotes::default();
        notes.judge(self.attempt_noting(spec, entry, &notes))
    }

    /// What formats cannot read they leave out: `notes` has what was only cold.
    fn attempt_noting(
        &self,
        spec: &DatasetSpec,
        entry: &mut IndexEntry,
        notes: &ColdNotes,
    ) -> Result<Indexed> {
        let object = notes.on(self.opener.open(&entry.source.object.href)?);
        if *object.object() != entry.source.object {
            return Err(changed(format!("{} changed while it was opened", object.object().href)));
        }
        let format = match &spec.source {
            SourceSpec::Directory(_) => self.format_of_directory(spec, object.as_ref())?,
            _ => self.format_of_object(spec, object.as_ref())?,
        };
        format.id().clone_into(&mut entry.format);
        entry.format_version = format.index_version();
        let others = notes.on_others(self.opener.others(&entry.source.object.href));
        let source = Source { object, others: others.as_ref(), limits: &self.limits };
        let mut indexed = notes.judge(format.index(&source))?;
        crate::index::check(&indexed)?;
        if indexed.dataset.objects.first() != Some(&entry.source.object) {
            return Err(Error::internal("the format does not name the object that it indexed first"));
        }
        verify(format.as_ref(), self.references.as_ref(), &source, &mut indexed, self.verify)?;
        crate::index::check(&indexed)?;
        Ok(indexed)
    }

    fn format_of_object(&self, spec: &DatasetSpec, object: &dyn ReadAt) -> Result<&Arc<dyn Format>> {
        let len_bytes = object.object().len_bytes;
        if len_bytes == 0 {
            return Err(Error::refused("the file is empty (0 bytes)"));
        }
        let head_bytes = usize::try_from(len_bytes).unwrap_or(usize::MAX).min(HEAD_BYTES);
        let head = object.read_at(0, head_bytes)?;
        let name = object.object().href.rsplit('/').next().unwrap_or_default();
        self.wanted(spec, |format| format.sniff(&head, name))?
            .ok_or_else(|| Error::refused(foreign::reason(&head, &self.format_ids())))
    }

    fn format_of_directory(&self, spec: &DatasetSpec, marker: &dyn ReadAt) -> Result<&Arc<dyn Format>> {
        let name = marker.object().href.rsplit('/').next().unwrap_or_default();
        self.wanted(spec, |format| format.directory_markers().contains(&name))?
            .ok_or_else(|| Error::refused(format!("no format reads a directory with a {name}")))
    }

    /// The format that the entry names, else the first that accepts.
    fn wanted(
        &self,
        spec: &DatasetSpec,
        accepts: impl Fn(&dyn Format) -> bool,
    ) -> Result<Option<&Arc<dyn Format>>> {
        let Some(id) = &spec.format else {
            return Ok(self.formats.iter().find(|format| accepts(format.as_ref())));
        };
        let named = self.formats.iter().find(|format| format.id() == id);
        let named = named.ok_or_else(|| {
            Error::refused(format!(
                "no format {id:?} is built in; there are: {}",
                self.format_ids().join(", ")
            ))
        })?;
        Ok(Some(named))
    }

    fn format_ids(&self) -> Vec<&'static str> {
        self.formats.iter().map(|format| format.id()).collect()
    }

    /// The index version of a format; `None` if it is not built in. What no format recognised depends on
    /// all of them.
    pub(super) fn index_version(&self, format: &str) -> Option<u32> {
        if format.is_empty() {
            return Some(self.version_of_all());
        }
        self.formats.iter().find(|known| known.id() == format).map(|format| format.index_version())
    }

    fn version_of_all(&self) -> u32 {
        self.formats.iter().fold(0, |sum, format| {
            let sum = crc32c::crc32c_append(sum, format.id().as_bytes());
            crc32c::crc32c_append(sum, &format.index_version().to_le_bytes())
        })
    }
}

fn panicked() -> Error {
    Error::internal("indexing stopped by a mistake of this program; the log has the details")
}

fn is_wanted(format: &dyn Format, spec: &DatasetSpec) -> bool {
    spec.format.as_deref().is_none_or(|id| id == format.id())
}

fn listing_hash(objects: &[Object]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for object in objects {
        hash.update(identity_text(object).as_bytes());
    }
    let mut half = [0; 16];
    for (byte, digest) in half.iter_mut().zip(hash.finalize()) {
        *byte = digest;
    }
    half
}

/// Address, size and identity of an object as one text.
pub(super) fn identity_text(object: &Object) -> String {
    let identity = match &object.identity {
        ObjectIdentity::Modified { mtime_ns, inode } => format!("{mtime_ns} {inode}"),
        ObjectIdentity::ETag(etag) => etag.clone(),
    };
    format!("{}\0{}\0{identity}\n", object.href, object.len_bytes)
}

/// True for what will be the same as long as the source is.
fn is_final(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Refused
        | ErrorKind::InvalidInput
        | ErrorKind::TooLarge
        | ErrorKind::Corrupt
        | ErrorKind::Unsupported
        | ErrorKind::Internal => true,
        ErrorKind::NotFound
        | ErrorKind::Changed { .. }
        | ErrorKind::Lost
        | ErrorKind::NotStaged
        | ErrorKind::RecallFailed
        | ErrorKind::OverQuota { .. }
        | ErrorKind::Unavailable { .. } => false,
    }
}

fn changed(message: String) -> Error {
    Error::new(ErrorKind::Changed { retry_after: Duration::from_secs(2) }, message)
}

#[cfg(test)]
mod tests;
