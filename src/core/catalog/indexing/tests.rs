use std::collections::BTreeMap;

use parking_lot::Mutex;
use thermocline_model::{ArrayBytes, DatasetId, Variable};

use super::*;
use crate::format::{OpenOther, ReferenceError, ReferenceReader, Region};
use crate::reference::InProcess;

/// A web server that cannot list: entity tags by href.
#[derive(Default)]
struct Web(Mutex<BTreeMap<String, String>>);

impl ObjectOpener for Web {
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        Err(Error::not_found(href))
    }
    fn stat(&self, href: &str) -> Result<Option<Object>> {
        let etag = self.0.lock().get(href).cloned();
        Ok(etag.map(|etag| Object {
            href: href.to_owned(),
            len_bytes: 9,
            identity: ObjectIdentity::ETag(etag),
        }))
    }
    fn list(&self, _: &str) -> Result<Vec<Object>> {
        Err(Error::unsupported("a web server cannot be listed"))
    }
    fn others(&self, href: &str) -> Box<dyn OpenOther + '_> {
        unreachable!("{href} is not indexed")
    }
}

struct Store;

impl Format for Store {
    fn id(&self) -> &'static str {
        "store"
    }
    fn sniff(&self, _: &[u8], _: &str) -> bool {
        false
    }
    fn directory_markers(&self) -> &'static [&'static str] {
        &["group"]
    }
    fn directory_documents(&self) -> &'static [&'static str] {
        &["group", "metadata"]
    }
    fn index(&self, _: &Source<'_>) -> Result<Indexed> {
        Err(Error::unsupported("not asked for"))
    }
    fn decode(&self, _: &Source<'_>, _: &Variable, _: &Region) -> Result<ArrayBytes> {
        Err(Error::unsupported("not asked for"))
    }
    fn reference(&self, _: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("not asked for".to_owned()))
    }
}

#[test]
fn documents_stand_for_a_store_that_cannot_be_listed() {
    let web = Arc::new(Web::default());
    let set = |name: &str, etag: &str| web.0.lock().insert(format!("https://host/a/{name}"), etag.to_owned());
    let indexer = Indexer {
        opener: Arc::<Web>::clone(&web),
        formats: vec![Arc::new(Store)],
        references: Arc::new(InProcess),
        limits: Limits::default(),
        verify: VerifyLevel::Off,
    };
    let source = SourceSpec::Directory("https://host/a".to_owned());
    let spec = DatasetSpec::new(DatasetId::new("a").unwrap(), source, "a test");
    assert_eq!(indexer.state(&spec).unwrap(), None);
    set("group", "1");
    let bare = indexer.state(&spec).unwrap();
    assert_eq!(bare.as_ref().map(|state| state.object.href.as_str()), Some("https://host/a/group"));
    set("metadata", "1");
    let consolidated = indexer.state(&spec).unwrap();
    assert_ne!(consolidated, bare);
    assert_eq!(indexer.state(&spec).unwrap(), consolidated);
    set("metadata", "2");
    assert_ne!(indexer.state(&spec).unwrap(), consolidated);
}
