//! A folder of files of a fake format, and a catalog of it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;
use thermocline_model::{
    Attribute, Attributes, ChunkPart, ChunkRef, ChunkTableBuilder, DataType, Dataset, Dimension, Encoding,
    Group, Place, Storage, Variable, Verification,
};

use super::super::*;
use crate::bytes::{ObjectSettings, Objects, Residency, Root};
use crate::clock::ManualClock;
use crate::format::{Indexed, ReferenceError, ReferenceReader, Region, Source, missing_object};
use crate::index::IndexSettings;
use crate::reference::InProcess;
use crate::verify::VerifyLevel;

/// Files that begin with `FAKE`, and directories with a `.fake`. The text behind becomes the attribute
/// `text`; "panic" in it makes indexing panic, "refuse" makes it refuse, "with x y" makes the files x and y neighbours.
#[derive(Default)]
pub(super) struct FakeFormat {
    pub(super) n_indexed: AtomicUsize,
    pub(super) gate: Gate,
    /// Called with the file while it is indexed.
    pub(super) meanwhile: Mutex<Option<Meanwhile>>,
    /// Called with the file when it was indexed.
    pub(super) afterwards: Mutex<Option<Meanwhile>>,
}

/// What happens to a file while it is indexed.
pub(super) type Meanwhile = Box<dyn Fn(&std::path::Path) + Send>;

/// Holds indexing until it is opened.
#[derive(Default)]
pub(super) struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
    n_visitors: AtomicUsize,
}

impl Gate {
    pub(super) fn close(&self) {
        *self.is_closed.lock() = true;
    }
    pub(super) fn open(&self) {
        *self.is_closed.lock() = false;
        self.opened.notify_all();
    }
    pub(super) fn wait_for_visitor(&self) {
        while self.n_visitors.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
    }
    pub(super) fn pass(&self) {
        self.n_visitors.fetch_add(1, Ordering::SeqCst);
        let mut is_closed = self.is_closed.lock();
        while *is_closed {
            self.opened.wait(&mut is_closed);
        }
    }
}

impl Format for FakeFormat {
    fn id(&self) -> &'static str {
        "fake"
    }
    fn sniff(&self, head: &[u8], _: &str) -> bool {
        head.starts_with(b"FAKE")
    }
    fn directory_markers(&self) -> &'static [&'static str] {
        &[".fake"]
    }
    fn index(&self, source: &Source<'_>) -> Result<Indexed> {
        self.gate.pass();
        self.n_indexed.fetch_add(1, Ordering::SeqCst);
        let object = source.object.object().clone();
        let bytes = source.object.read_at(0, object.len_bytes as usize)?;
        if let (Some(meanwhile), Some(path)) = (&*self.meanwhile.lock(), source.object.local_path()) {
            meanwhile(path);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("panic"), "the fake format panics");
        if text.contains("refuse") {
            return Err(Error::refused("the fake format refuses"));
        }
        let mut indexed = indexed(object, &text);
        for name in text.split("with ").nth(1).into_iter().flat_map(str::split_whitespace) {
            let neighbour = source.others.open(name)?.map(|neighbour| neighbour.object().clone());
            let missing = || missing_object(&indexed.dataset.objects[0].href, name);
            let neighbour = neighbour.unwrap_or_else(missing);
            indexed.dataset.objects.push(neighbour);
        }
        if let (Some(afterwards), Some(path)) = (&*self.afterwards.lock(), source.object.local_path()) {
            afterwards(path);
        }
        Ok(indexed)
    }
    fn decode(&self, _: &Source<'_>, _: &Variable, _: &Region) -> Result<thermocline_model::ArrayBytes> {
        Err(Error::unsupported("fake"))
    }
    fn reference(&self, _: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("fake".to_owned()))
    }
}

fn indexed(object: thermocline_model::Object, text: &str) -> Indexed {
    let part = ChunkPart { place: Place::Object(0), encoding: 0, filter_mask: 0, is_short: false };
    let mut table = ChunkTableBuilder::new();
    table.push(0, ChunkRef { part, offset: 0, len_bytes: 4 });
    let dtype = DataType::Char;
    let variable = |name: &str| Variable {
        name: name.to_owned(),
        dims: vec!["x".to_owned()],
        shape: vec![4],
        dtype: dtype.clone(),
        fill: None,
        attrs: Attributes::new(),
        storage: Storage {
            chunk_shape: vec![4],
            served_chunk_shape: vec![4],
            encodings: vec![Encoding { dtype: dtype.clone(), codecs: vec![] }],
            table: 0,
            source_path: name.to_owned(),
        },
        verification: Verification::Verified { n_chunks: 1 },
    };
    let attrs = [("text".to_owned(), Attribute::Text(text.to_owned()))].into_iter().collect();
    let dims = vec![Dimension { name: "x".to_owned(), len: 4, is_unlimited: false }];
    let root = Group { attrs, dims, variables: vec![variable("a"), variable("b")], ..Group::default() };
    let dataset = Dataset { root, objects: vec![object], ..Dataset::default() };
    Indexed { dataset, tables: vec![table.build()], inline: vec![] }
}

/// Declares whatever a test says.
#[derive(Default)]
pub(super) struct Declared(pub(super) Mutex<Option<Vec<DatasetSpec>>>);

#[async_trait]
impl Provider for Declared {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        self.0.lock().clone().ok_or_else(|| Error::internal("the provider fails"))
    }
}

pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) clock: ManualClock,
    pub(super) format: Arc<FakeFormat>,
    pub(super) declared: Arc<Declared>,
    pub(super) catalog: Catalog,
}

impl World {
    /// A catalog of the folder `archive` and of what `declared` says, scanned once.
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut CatalogSettings)) -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("archive")).unwrap();
        let clock = ManualClock::new(1_000_000_000_000);
        let declared = Arc::new(Declared(Mutex::new(Some(vec![]))));
        let (catalog, format) = catalog(&dir, &clock, vec![Arc::clone(&declared) as _], change);
        catalog.scan().await;
        Self { dir, clock, format, declared, catalog }
    }

    /// The same archive and index in a new process.
    pub(super) async fn restarted(self) -> Self {
        self.catalog.shut_down().await;
        let Self { dir, clock, declared, .. } = self;
        let (catalog, format) = catalog(&dir, &clock, vec![Arc::clone(&declared) as _], |_| {});
        catalog.scan().await;
        Self { dir, clock, format, declared, catalog }
    }

    /// The same archive beside another provider, not scanned yet.
    pub(super) async fn beside(self, other: impl Provider + 'static) -> Self {
        self.catalog.shut_down().await;
        let Self { dir, clock, declared, .. } = self;
        let others: Vec<Arc<dyn Provider>> = vec![Arc::clone(&declared) as _, Arc::new(other)];
        let (catalog, format) = catalog(&dir, &clock, others, |_| {});
        Self { dir, clock, format, declared, catalog }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("archive").join(name)
    }

    pub(super) fn href(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(super) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes a file and scans.
    pub(super) async fn add(&self, name: &str, content: &str) {
        self.write(name, content);
        self.catalog.scan().await;
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.catalog.ids().iter().map(ToString::to_string).collect()
    }

    pub(super) fn n_indexed(&self) -> usize {
        self.format.n_indexed.load(Ordering::SeqCst)
    }

    /// The attribute `text` of a dataset.
    pub(super) async fn text(&self, id: &str) -> Result<String> {
        let manifest = self.catalog.open(id).await?;
        Ok(manifest.dataset.root.attrs.text("text").unwrap_or_default().to_owned())
    }

    pub(super) async fn refusal(&self, id: &str) -> String {
        let error = self.catalog.open(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        error.to_string()
    }

    pub(super) fn seconds(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub(super) fn catalog(
    dir: &TempDir,
    clock: &ManualClock,
    others: Vec<Arc<dyn Provider>>,
    change: impl FnOnce(&mut CatalogSettings),
) -> (Catalog, Arc<FakeFormat>) {
    catalog_on((dir, None), clock, others, change)
}

/// A catalog of an archive that may lie on a cold store.
pub(super) fn catalog_on(
    (dir, residency): (&TempDir, Option<Arc<dyn Residency>>),
    clock: &ManualClock,
    others: Vec<Arc<dyn Provider>>,
    change: impl FnOnce(&mut CatalogSettings),
) -> (Catalog, Arc<FakeFormat>) {
    let archive = dir.path().join("archive");
    let roots = vec![Root::directory(&archive).unwrap()];
    let runtime = tokio::runtime::Handle::current();
    let opener = Objects::on_cold_stores(roots, ObjectSettings::default(), runtime, residency);
    let format = Arc::new(FakeFormat::default());
    let formats: Vec<Arc<dyn Format>> = vec![Arc::<FakeFormat>::clone(&format)];
    let source = archive.to_str().unwrap().to_owned();
    let index = Arc::new(IndexStore::open(IndexSettings::new(dir.path().join("index"))).unwrap());
    let folder = DirectoryProvider::new(source, Arc::<Objects>::clone(&opener), formats.clone());
    let folder: Arc<dyn Provider> = Arc::new(folder.with_index(Arc::clone(&index)));
    let mut settings = CatalogSettings {
        clock: Arc::new(clock.clone()),
        verify: VerifyLevel::Off,
        n_indexers: 2,
        ..CatalogSettings::default()
    };
    change(&mut settings);
    let catalog = Catalog::new(CatalogParts {
        providers: std::iter::once(folder).chain(others).collect(),
        index,
        opener,
        formats,
        references: Arc::new(InProcess),
        settings,
    });
    (catalog, format)
}
