//! Which files are datasets, remembered by their identity so that a rescan reads nothing.
//!
//! A cold file is never recalled to be recognised: it is a dataset if its extension promises one, or if the index has
//! it from a time when it was online. The rest is left out, and counted.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_model::{Object, ObjectIdentity};

use super::foreign;
use super::ids::is_promising;
use super::indexing::{HEAD_BYTES, key_of_object};
use crate::ErrorKind;
use crate::bytes::ObjectOpener;
use crate::format::Format;
use crate::index::{IndexStore, Peek};

/// Recognises files by their first bytes.
pub(super) struct Sniffer {
    opener: Arc<dyn ObjectOpener>,
    formats: Vec<Arc<dyn Format>>,
    /// What was indexed before, if anybody told.
    pub(super) index: Option<Arc<IndexStore>>,
    seen: HashMap<String, Seen>,
    round: u64,
    n_left_out: usize,
}

/// What the first bytes of a file say.
enum Sniffed {
    Dataset,
    NoDataset,
    /// They cannot be read without a recall.
    Cold,
    /// They cannot be read at present.
    Unreadable,
}

struct Seen {
    len_bytes: u64,
    identity: ObjectIdentity,
    is_dataset: bool,
    round: u64,
}

impl Sniffer {
    pub(super) fn new(opener: Arc<dyn ObjectOpener>, formats: Vec<Arc<dyn Format>>) -> Self {
        Self { opener, formats, index: None, seen: HashMap::new(), round: 0, n_left_out: 0 }
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
        let is_dataset = match self.sniff(object, name) {
            Sniffed::Dataset => true,
            Sniffed::NoDataset => false,
            Sniffed::Cold if self.was_indexed(&object.href) => return true,
            Sniffed::Cold => {
                self.n_left_out += 1;
                return false;
            }
            Sniffed::Unreadable => return false,
        };
        let seen = Seen {
            len_bytes: object.len_bytes,
            identity: object.identity.clone(),
            is_dataset,
            round: self.round,
        };
        self.seen.insert(object.href.clone(), seen);
        is_dataset
    }

    fn sniff(&self, object: &Object, name: &str) -> Sniffed {
        let head_bytes = usize::try_from(object.len_bytes).unwrap_or(usize::MAX).min(HEAD_BYTES);
        if head_bytes == 0 {
            return Sniffed::NoDataset;
        }
        let head = match self.opener.open(&object.href).and_then(|open| open.read_at(0, head_bytes)) {
            Ok(head) => head,
            Err(error) if error.kind() == ErrorKind::NotStaged => return Sniffed::Cold,
            Err(_) => return Sniffed::Unreadable,
        };
        let is_known = self.formats.iter().any(|format| format.sniff(&head, name));
        match is_known || foreign::recognise(&head).is_some_and(|foreign| foreign.is_scientific) {
            true => Sniffed::Dataset,
            false => Sniffed::NoDataset,
        }
    }

    /// True for what was a dataset when it was online, in whatever state: opening it tells if that changed.
    fn was_indexed(&self, href: &str) -> bool {
        self.index.as_ref().is_some_and(|index| index.peek(&key_of_object(None, href)) != Peek::Absent)
    }

    /// Begins to count anew what is left out.
    pub(super) fn begin_round(&mut self) {
        self.n_left_out = 0;
    }

    /// Forgets files that were not asked for since the last call. The answer is how many cold files were left out,
    /// of which nobody knows whether they are datasets.
    pub(super) fn end_round(&mut self) -> usize {
        let round = self.round;
        self.seen.retain(|_, seen| seen.round == round);
        self.round += 1;
        self.n_left_out
    }
}
