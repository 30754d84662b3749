//! Notes which objects would have to be recalled while a format reads.
//!
//! Formats leave out what they cannot read: a linked file that cannot be opened becomes a note, a damaged array
//! a refusal, an absent source of a virtual dataset fill values. An object that merely lies on tape must become
//! none of these. Nor must a stub that a library opened by its path and read as zeros become data. So whatever a format makes of it, the one who called it asks here afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_model::Object;

use crate::format::{LocalState, OpenOther, ReadAt};
use crate::{Error, Result};

/// Objects that could not be read because they are cold. Cloning gives the same notes.
#[derive(Clone, Default)]
pub(crate) struct ColdNotes(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    cold: BTreeSet<Arc<str>>,
    /// Objects whose path was given out, as they were then.
    lent: Vec<(Arc<dyn ReadAt>, LocalState)>,
}

impl ColdNotes {
    /// An object that notes here what is cold.
    pub(crate) fn on(&self, object: Arc<dyn ReadAt>) -> Arc<dyn ReadAt> {
        Arc::new(Watched { object, notes: self.clone(), is_lent: AtomicBool::new(false) })
    }

    /// What is opened through `others` notes here what is cold.
    pub(crate) fn on_others<'a>(&self, others: Box<dyn OpenOther + 'a>) -> Box<dyn OpenOther + 'a> {
        Box::new(WatchedOthers { others, notes: self.clone() })
    }

    /// What came of the work, unless something was cold, or was not online all the while that a library had its
    /// path: then it is worth nothing, whatever it is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotStaged`] with all objects that were cold, else that of the work.
    pub(crate) fn judge<T>(&self, result: Result<T>) -> Result<T> {
        let lent = self.0.lock().lent.clone();
        let was_cold = |(object, before): &(Arc<dyn ReadAt>, LocalState)| {
            let is_sound = before.seen.is_some() && object.local_state().as_ref() == Some(before);
            (!is_sound).then(|| Arc::clone(&before.name))
        };
        let was_cold: Vec<Arc<str>> = lent.iter().filter_map(was_cold).collect();
        let mut notes = self.0.lock();
        notes.cold.extend(was_cold);
        let cold: Vec<Arc<str>> = notes.cold.iter().cloned().collect();
        if cold.is_empty() { result } else { Err(Error::needs_staging(cold)) }
    }

    fn note<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.0.lock().cold.extend(error.not_staged().iter().cloned());
        }
        result
    }
}

struct Watched {
    object: Arc<dyn ReadAt>,
    notes: ColdNotes,
    /// Whether its path was given out.
    is_lent: AtomicBool,
}

impl ReadAt for Watched {
    fn object(&self) -> &Object {
        self.object.object()
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        self.notes.note(self.object.read_at(offset, len_bytes))
    }

    fn local_path(&self) -> Option<&Path> {
        let path = self.object.local_path()?;
        if !self.is_lent.swap(true, Ordering::AcqRel)
            && let Some(state) = self.object.local_state()
        {
            self.notes.0.lock().lent.push((Arc::clone(&self.object), state));
        }
        Some(path)
    }

    fn local_state(&self) -> Option<LocalState> {
        self.object.local_state()
    }
}

struct WatchedOthers<'a> {
    others: Box<dyn OpenOther + 'a>,
    notes: ColdNotes,
}

impl OpenOther for WatchedOthers<'_> {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        let opened = self.notes.note(self.others.open(name))?;
        Ok(opened.map(|object| self.notes.on(object)))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        self.notes.note(self.others.list(prefix))
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<(String, Object)>> {
        self.notes.note(self.others.list_objects(prefix))
    }
}

#[cfg(test)]
mod tests {
    use thermocline_model::ObjectIdentity;

    use super::*;
    use crate::ErrorKind;

    struct Cold(Object);

    impl ReadAt for Cold {
        fn object(&self) -> &Object {
            &self.0
        }
        fn read_at(&self, _: u64, _: usize) -> Result<Bytes> {
            Err(Error::needs_staging(vec![self.0.href.as_str().into()]))
        }
        fn local_path(&self) -> Option<&Path> {
            None
        }
    }

    struct Near;

    impl OpenOther for Near {
        fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
            let identity = ObjectIdentity::ETag("1".to_owned());
            Ok(Some(Arc::new(Cold(Object { href: name.to_owned(), len_bytes: 1, identity }))))
        }
        fn list(&self, _: &str) -> Result<Vec<(String, u64)>> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn what_a_format_makes_of_cold_objects_is_worth_nothing() {
        let notes = ColdNotes::default();
        let others = notes.on_others(Box::new(Near));
        // As a format does that leaves out what it cannot read.
        for name in ["b", "a", "b"] {
            let object = others.open(name).unwrap().unwrap();
            assert!(object.read_at(0, 1).map_err(|error| Error::corrupt(error.to_string())).is_err());
        }
        for made in [Ok("values"), Err(Error::refused("it cannot be read"))] {
            let error = notes.judge(made).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotStaged);
            assert_eq!(error.not_staged().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a", "b"]);
        }
    }

    #[test]
    fn without_cold_objects_the_outcome_stands() {
        let notes = ColdNotes::default();
        assert_eq!(notes.judge(Ok(1)).unwrap(), 1);
        assert_eq!(notes.judge::<()>(Err(Error::refused("x"))).unwrap_err().kind(), ErrorKind::Refused);
    }
}
