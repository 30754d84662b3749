//! Which files are datasets, remembered by their identity so that a rescan reads nothing.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_model::{Object, ObjectIdentity};

use super::foreign;
use super::ids::is_promising;
use super::indexing::HEAD_BYTES;
use crate::bytes::ObjectOpener;
use crate::format::Format;

/// Recognises files by their first bytes.
pub(super) struct Sniffer {
    opener: Arc<dyn ObjectOpener>,
    formats: Vec<Arc<dyn Format>>,
    seen: HashMap<String, Seen>,
    round: u64,
}

struct Seen {
    len_bytes: u64,
    identity: ObjectIdentity,
    is_dataset: bool,
    round: u64,
}

impl Sniffer {
    pub(super) fn new(opener: Arc<dyn ObjectOpener>, formats: Vec<Arc<dyn Format>>) -> Self {
        Self { opener, formats, seen: HashMap::new(), round: 0 }
    }

    /// Names that make a directory one dataset.
    pub(super) fn markers(&self) -> impl Iterator<Item = &'static str> {
        self.formats.iter().flat_map(|format| format.directory_markers()).copied()
    }

    /// True for a file that is listed: a format knows it, its extension promises a dataset, or it is
    /// of a scientific format that is not read, which its refusal then says.
    pub(super) fn is_dataset(&mut self, object: &Object) -> bool {
        let name = object.href.rsplit('/').next().unwrap_or_default();
        if is_promising(name) {
            return true;
        }
        if let Some(seen) = self.seen.get_mut(&object.href)
            && seen.len_bytes == object.len_bytes
            && seen.identity == object.identity
        {
            seen.round = self.round;
            return seen.is_dataset;
        }
        let Some(is_dataset) = self.sniff(object, name) else { return false };
        let seen = Seen {
            len_bytes: object.len_bytes,
            identity: object.identity.clone(),
            is_dataset,
            round: self.round,
        };
        self.seen.insert(object.href.clone(), seen);
        is_dataset
    }

    /// `None` if the file cannot be read at present.
    fn sniff(&self, object: &Object, name: &str) -> Option<bool> {
        let head_bytes = usize::try_from(object.len_bytes).unwrap_or(usize::MAX).min(HEAD_BYTES);
        if head_bytes == 0 {
            return Some(false);
        }
        let head = self.opener.open(&object.href).and_then(|open| open.read_at(0, head_bytes)).ok()?;
        let is_known = self.formats.iter().any(|format| format.sniff(&head, name));
        Some(is_known || foreign::recognise(&head).is_some_and(|foreign| foreign.is_scientific))
    }

    /// Forgets files that were not asked for since the last call.
    pub(super) fn end_round(&mut self) {
        let round = self.round;
        self.seen.retain(|_, seen| seen.round == round);
        self.round += 1;
    }
}
