//! Object stores that catalog files name by address.
//!
//! A catalog is the operator's word, so what it names may be read: the prefix around each address becomes a
//! root when the catalog is read, while the server runs too. What lies below configured roots is read through
//! them, with their credentials.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use thermocline_catalog_files::CatalogFilesProvider;
use thermocline_core::Result;
use thermocline_core::bytes::{ByteSource, ObjectOpener, ObjectSettings, Objects, Residency, Root};
use thermocline_core::catalog::{
    CollectionSpec, DatasetSpec, HarvestSpec, Provider, SharedSpecs, SourceSpec,
};
use thermocline_core::format::{OpenOther, ReadAt};
use thermocline_core::harvest::HarvestSource;
use thermocline_model::Object;

use super::roots::{is_below, prefix_of};

/// Objects below the roots of the configuration and the command line, and below those that catalogs name.
pub(super) struct NamedStores {
    declared: RwLock<Declared>,
    connect: Connect,
    settings: ObjectSettings,
    /// Knows what lies on cold stores.
    residency: Option<Arc<dyn Residency>>,
    /// Roots that catalogs name, by their prefixes.
    roots: Mutex<BTreeMap<String, Root>>,
    named: RwLock<Arc<Objects>>,
}

/// What the configuration and the command line declare.
struct Declared {
    objects: Arc<Objects>,
    /// Prefixes of the roots that are stores.
    prefixes: Vec<String>,
}

/// Makes the root of a prefix.
type Connect = Box<dyn Fn(&str) -> Result<Root> + Send + Sync>;

impl NamedStores {
    /// Objects below `roots`, and below those that `connect` makes of prefixes that catalogs name; those on cold
    /// stores are read only while `residency` says that they are online.
    pub(super) fn new(
        roots: Vec<Root>,
        settings: ObjectSettings,
        connect: Connect,
        residency: Option<Arc<dyn Residency>>,
    ) -> Self {
        Self {
            declared: RwLock::new(Declared::new(roots, &settings, residency.clone())),
            connect,
            named: RwLock::new(objects(Vec::new(), &settings, residency.clone())),
            settings,
            residency,
            roots: Mutex::default(),
        }
    }

    /// Puts other declared roots in place of those that there are: the same ones with other credentials.
    pub(super) fn redeclare(&self, roots: Vec<Root>) {
        let declared = Declared::new(roots, &self.settings, self.residency.clone());
        *self.declared.write() = declared;
    }

    /// Allows to read below the prefixes around `urls`. Gives what is wrong with an address, by the address.
    fn declare(&self, urls: &[&str]) -> BTreeMap<String, String> {
        let mut refused = BTreeMap::new();
        let mut roots = self.roots.lock();
        let n_before = roots.len();
        for url in urls.iter().filter(|url| !self.is_declared(url)) {
            let prefix = prefix_of(url);
            if roots.contains_key(prefix) {
                continue;
            }
            match (self.connect)(prefix) {
                Ok(root) => {
                    roots.insert(prefix.to_owned(), root);
                }
                Err(error) => {
                    refused.insert((*url).to_owned(), error.to_string());
                }
            }
        }
        if roots.len() > n_before {
            let all = roots.values().cloned().collect();
            *self.named.write() = objects(all, &self.settings, self.residency.clone());
        }
        refused
    }

    fn is_declared(&self, url: &str) -> bool {
        self.declared.read().holds(url)
    }

    fn objects_of(&self, href: &str) -> Arc<Objects> {
        let declared = self.declared.read();
        if !href.contains("://") || declared.holds(href) {
            return Arc::clone(&declared.objects);
        }
        Arc::clone(&self.named.read())
    }
}

impl Declared {
    fn new(roots: Vec<Root>, settings: &ObjectSettings, residency: Option<Arc<dyn Residency>>) -> Self {
        let prefix = |root: &Root| match root {
            Root::Store { prefix, .. } => Some(prefix.clone()),
            Root::Directory(_) => None,
        };
        Self {
            prefixes: roots.iter().filter_map(prefix).collect(),
            objects: objects(roots, settings, residency),
        }
    }

    fn holds(&self, url: &str) -> bool {
        self.prefixes.iter().any(|prefix| is_below(url, prefix))
    }
}

/// Must be called within the runtime.
fn objects(
    roots: Vec<Root>,
    settings: &ObjectSettings,
    residency: Option<Arc<dyn Residency>>,
) -> Arc<Objects> {
    Objects::on_cold_stores(roots, settings.clone(), tokio::runtime::Handle::current(), residency)
}

#[async_trait]
impl ByteSource for NamedStores {
    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Bytes> {
        self.objects_of(&object.href).read(object, range).await
    }

    fn was_seen(&self, object: &Object) -> bool {
        self.objects_of(&object.href).was_seen(object)
    }
}

impl ObjectOpener for NamedStores {
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        self.objects_of(href).open(href)
    }

    fn stat(&self, href: &str) -> Result<Option<Object>> {
        self.objects_of(href).stat(href)
    }

    fn list(&self, href: &str) -> Result<Vec<Object>> {
        self.objects_of(href).list(href)
    }

    fn list_pages(
        &self,
        href: &str,
        after: Option<&str>,
        take: &mut dyn FnMut(Vec<Object>) -> Result<()>,
    ) -> Result<()> {
        self.objects_of(href).list_pages(href, after, take)
    }

    fn cold_name(&self, href: &str) -> Result<Option<Arc<str>>> {
        self.objects_of(href).cold_name(href)
    }

    fn is_known_online(&self, href: &str) -> bool {
        self.objects_of(href).is_known_online(href)
    }

    fn others(&self, href: &str) -> Box<dyn OpenOther + '_> {
        Box::new(Others { objects: self.objects_of(href), href: href.to_owned() })
    }
}

/// Objects near one object, below the same roots.
struct Others {
    objects: Arc<Objects>,
    href: String,
}

impl OpenOther for Others {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        self.objects.others(&self.href).open(name)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        self.objects.others(&self.href).list(prefix)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<(String, Object)>> {
        self.objects.others(&self.href).list_objects(prefix)
    }
}

/// The catalog files, the addresses in them declared as they are read.
pub(super) struct NamingProvider {
    files: CatalogFilesProvider,
    stores: Arc<NamedStores>,
    /// What the files declared last, if no address in it was refused.
    last: Mutex<Option<SharedSpecs>>,
}

impl NamingProvider {
    pub(super) fn new(files: CatalogFilesProvider, stores: Arc<NamedStores>) -> Self {
        Self { files, stores, last: Mutex::default() }
    }

    /// Allows to read where harvests look; what is wrong with an address is told when it is listed.
    fn declare_harvests(&self) {
        let harvests = self.files.harvests();
        let places = harvests.iter().flat_map(|harvest| &harvest.places);
        let bases = places.map(|place| &place.base).filter(|base| base.contains("://"));
        let urls: Vec<String> = bases.map(|base| format!("{base}/")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        self.stores.declare(&urls);
    }

    fn named(&self, specs: SharedSpecs) -> SharedSpecs {
        if self.last.lock().as_ref().is_some_and(|last| Arc::ptr_eq(last, &specs)) {
            return specs;
        }
        let urls: Vec<&str> = specs.iter().filter_map(|spec| url_of(&spec.source)).collect();
        let refused = self.stores.declare(&urls);
        if refused.is_empty() {
            *self.last.lock() = Some(Arc::clone(&specs));
            return specs;
        }
        let named = |spec: &Arc<DatasetSpec>| match url_of(&spec.source).and_then(|url| refused.get(url)) {
            Some(reason) => {
                let source = SourceSpec::Refused(reason.clone());
                Arc::new(DatasetSpec { source, ..DatasetSpec::clone(spec) })
            }
            None => Arc::clone(spec),
        };
        specs.iter().map(named).collect()
    }
}

#[async_trait]
impl Provider for NamingProvider {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        Ok(self.shared_specs().await?.iter().map(|spec| DatasetSpec::clone(spec)).collect())
    }

    async fn shared_specs(&self) -> Result<SharedSpecs> {
        let specs = self.files.shared_specs().await?;
        self.declare_harvests();
        Ok(self.named(specs))
    }

    fn collections(&self) -> Vec<Arc<CollectionSpec>> {
        self.files.collections()
    }

    fn problems(&self) -> Vec<String> {
        self.files.problems()
    }

    fn watched(&self) -> Vec<std::path::PathBuf> {
        self.files.watched()
    }
}

#[async_trait]
impl HarvestSource for NamingProvider {
    fn harvests(&self) -> Vec<Arc<HarvestSpec>> {
        self.files.harvests()
    }

    async fn read_once(&self) -> Result<()> {
        self.files.read_once().await?;
        self.declare_harvests();
        Ok(())
    }
}

fn url_of(source: &SourceSpec) -> Option<&str> {
    match source {
        SourceSpec::Object(href) | SourceSpec::Directory(href) if href.contains("://") => Some(href),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// A web server that answers every request with the same bytes, as long as the test runs.
    fn web_server() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(std::io::Result::ok) {
                let mut request = [0; 4096];
                let n_bytes = stream.read(&mut request).unwrap_or(0);
                let body = if request[..n_bytes].starts_with(b"HEAD") { "" } else { "0123456789" };
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e\"\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all([head, body].concat().as_bytes());
            }
        });
        format!("http://{address}")
    }

    fn stores() -> Arc<NamedStores> {
        // As `run` does; another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connect = |prefix: &str| Root::store(prefix, &thermocline_core::bytes::StoreOptions::default());
        Arc::new(NamedStores::new(Vec::new(), ObjectSettings::default(), Box::new(connect), None))
    }

    async fn stat(stores: &Arc<NamedStores>, url: String) -> Result<Option<Object>> {
        let stores = Arc::clone(stores);
        tokio::task::spawn_blocking(move || stores.stat(&url)).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_catalog_names_by_address_may_be_read_and_nothing_beside_it() {
        let (host, dir, stores) = (web_server(), tempfile::tempdir().unwrap(), stores());
        let catalog = dir.path().join("c.yaml");
        let write = |folder: &str| {
            let text =
                format!("version: 1\ndatasets:\n  - {{id: a, source: {{urls: ['{host}/{folder}/a.nc']}}}}\n");
            std::fs::write(&catalog, text).unwrap();
        };
        write("one");
        let files = CatalogFilesProvider::new(vec![catalog.clone()], Vec::new());
        let provider = NamingProvider::new(files, Arc::clone(&stores));
        assert_eq!(provider.specs().await.unwrap().len(), 1);
        assert!(stat(&stores, format!("{host}/one/a.nc")).await.unwrap().is_some());
        assert!(stat(&stores, format!("{host}/second/a.nc")).await.is_err());

        write("second");
        provider.specs().await.unwrap();
        assert!(stat(&stores, format!("{host}/second/a.nc")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn an_address_that_makes_no_root_makes_a_refused_dataset() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = dir.path().join("c.yaml");
        std::fs::write(
            &catalog,
            "version: 1\ndatasets:\n  - {id: a, source: {urls: ['https://h:99999/a.nc']}}\n",
        )
        .unwrap();
        let files = CatalogFilesProvider::new(vec![catalog], Vec::new());
        let specs = NamingProvider::new(files, stores()).specs().await.unwrap();
        assert!(matches!(specs.first().map(|spec| &spec.source), Some(SourceSpec::Refused(_))), "{specs:?}");
    }
}
