//! The whole stack behind a router, without a socket.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;
use thermocline_core::bytes::{ObjectSettings, Objects, Residency, Root};
use thermocline_core::catalog::{
    Catalog, CatalogParts, CatalogSettings, DatasetSpec, DirectoryProvider, Provider, SourceSpec,
};
use thermocline_core::format::Format;
use thermocline_core::index::{IndexSettings, IndexStore};
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_core::reference::InProcess;
use thermocline_core::verify::VerifyLevel;
use thermocline_http::{App, HttpConfig, PluginStatus, ServePlugin, router};
use thermocline_model::DatasetId;
use thermocline_search::Search;
use tower::ServiceExt;

use crate::audit;
use crate::staging::{Cold, ColdParts};
use crate::tape::FakeTape;
use crate::toy::{ToyDataset, ToyFormat};

/// A server of toy datasets, or of whatever sources a test has.
pub struct TestServer {
    router: router::Stack,
    catalog: Arc<Catalog>,
    search: Search,
    /// Holds the toy files and the index as long as the server lives.
    dir: TempDir,
    cold: Option<Cold>,
    /// Where requests come from, if that is to be known.
    peer: Option<SocketAddr>,
}

/// Sources that a test serves.
pub struct TestSources {
    /// Where they may lie.
    pub roots: Vec<Root>,
    /// Paths and addresses, as on the command line.
    pub places: Vec<String>,
    /// Formats that read them.
    pub formats: Vec<Arc<dyn Format>>,
    /// How often they are looked at while they are used.
    pub check_every: Duration,
    /// How old a file must be before it is indexed.
    pub settled_after: Duration,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

struct Declared(Vec<DatasetSpec>);

#[async_trait]
impl Provider for Declared {
    async fn specs(&self) -> thermocline_core::Result<Vec<DatasetSpec>> {
        Ok(self.0.clone())
    }
}

/// What a server reads.
struct Stack {
    objects: Arc<Objects>,
    providers: Vec<Arc<dyn Provider>>,
    formats: Vec<Arc<dyn Format>>,
    settings: CatalogSettings,
    residency: Option<Arc<dyn Residency>>,
    cold: Option<Cold>,
}

/// Where the files of datasets lie.
enum Kept {
    Online,
    OnTape(Arc<FakeTape>),
    Staged(Box<ColdParts>),
}

impl Kept {
    /// Access rules that datasets name.
    fn named_rules(&self) -> &[(&'static str, &'static str)] {
        match self {
            Self::Staged(parts) => &parts.named_rules,
            Self::Online | Self::OnTape(_) => &[],
        }
    }
}

/// Objects below `roots`. Must be called within the runtime.
fn objects(roots: Vec<Root>, settings: ObjectSettings) -> Arc<Objects> {
    Objects::new(roots, settings, tokio::runtime::Handle::current())
}

impl TestServer {
    /// Serves toy datasets by their ids through `plugins`.
    ///
    /// # Errors
    /// When a file cannot be written or two plugins claim one path.
    pub async fn start(
        toys: Vec<(&str, ToyDataset)>,
        plugins: Vec<Arc<dyn ServePlugin>>,
        config: HttpConfig,
    ) -> anyhow::Result<Self> {
        Self::start_with(toys, plugins, config, Kept::Online).await
    }

    /// The same with the engines of staging and jobs; all files, those of the datasets too, lie on a cold store.
    /// Reading is not gated: datasets are read as if they were online.
    ///
    /// # Errors
    /// Those of [`TestServer::start`].
    pub async fn with_staging(
        toys: Vec<(&str, ToyDataset)>,
        plugins: Vec<Arc<dyn ServePlugin>>,
        cold: ColdParts,
    ) -> anyhow::Result<Self> {
        Self::start_with(toys, plugins, HttpConfig::default(), Kept::Staged(Box::new(cold))).await
    }

    /// The engines of [`TestServer::with_staging`].
    pub fn cold(&self) -> Option<&Cold> {
        self.cold.as_ref()
    }

    /// The folder of the files.
    pub fn data(&self) -> PathBuf {
        let data = self.dir.path().join("data");
        data.canonicalize().unwrap_or(data)
    }

    /// The same with files that lie on a tape archive; they are online at first.
    ///
    /// # Errors
    /// Those of [`TestServer::start`].
    pub async fn on_tape(
        toys: Vec<(&str, ToyDataset)>,
        plugins: Vec<Arc<dyn ServePlugin>>,
        config: HttpConfig,
        tape: &Arc<FakeTape>,
    ) -> anyhow::Result<Self> {
        Self::start_with(toys, plugins, config, Kept::OnTape(Arc::clone(tape))).await
    }

    async fn start_with(
        toys: Vec<(&str, ToyDataset)>,
        plugins: Vec<Arc<dyn ServePlugin>>,
        config: HttpConfig,
        kept: Kept,
    ) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let root = dir.path().join("data");
        std::fs::create_dir(&root)?;
        let root = root.canonicalize()?;
        let mut specs = Vec::new();
        for (id, toy) in &toys {
            let path = root.join(format!("{id}.toy"));
            std::fs::write(&path, toy.file())?;
            let href = path.to_str().context("a path in UTF-8")?.to_owned();
            let access =
                kept.named_rules().iter().find(|(named, _)| named == id).map(|(_, rule)| (*rule).into());
            let spec = DatasetSpec::new(DatasetId::new(*id)?, SourceSpec::Object(href), "a test");
            specs.push(DatasetSpec { access, ..spec });
        }
        let toys = toys.into_iter().map(|(id, toy)| (format!("{id}.toy"), toy)).collect();
        let formats: Vec<Arc<dyn Format>> = vec![Arc::new(ToyFormat(toys))];
        let (tape, cold) = match kept {
            Kept::Online => (None, None),
            Kept::OnTape(tape) => (Some(tape), None),
            Kept::Staged(cold) => (None, Some(*cold)),
        };
        if let Some(tape) = &tape {
            tape.bind(&root);
        }
        let cold = match cold {
            Some(parts) if parts.has_no_engine => None,
            Some(parts) => Some(Cold::start(&root, &dir, parts).await?),
            None => None,
        };
        let residency = tape.map(|tape| tape as Arc<dyn Residency>);
        let runtime = tokio::runtime::Handle::current();
        let roots = vec![Root::directory(&root)?];
        let objects = Objects::on_cold_stores(roots, ObjectSettings::default(), runtime, residency.clone());
        let settings = CatalogSettings { verify: VerifyLevel::Off, ..CatalogSettings::default() };
        let stack =
            Stack { objects, providers: vec![Arc::new(Declared(specs))], formats, settings, residency, cold };
        Self::with_stack(dir, stack, plugins, config).await
    }

    /// Serves sources as they lie, through `plugins`.
    ///
    /// # Errors
    /// When two plugins claim one path.
    pub async fn of_sources(
        sources: TestSources,
        plugins: Vec<Arc<dyn ServePlugin>>,
        config: HttpConfig,
    ) -> anyhow::Result<Self> {
        let TestSources { roots, places, formats, check_every, settled_after } = sources;
        let objects = objects(roots, ObjectSettings { settled_after, ..ObjectSettings::default() });
        let provider = |place| -> Arc<dyn Provider> {
            Arc::new(DirectoryProvider::new(place, Arc::clone(&objects) as _, formats.clone()))
        };
        let providers = places.into_iter().map(provider).collect();
        let settings = CatalogSettings {
            verify: VerifyLevel::Off,
            check_every,
            check_remote_every: check_every,
            ..CatalogSettings::default()
        };
        let stack = Stack { objects, providers, formats, settings, residency: None, cold: None };
        Self::with_stack(TempDir::new()?, stack, plugins, config).await
    }

    async fn with_stack(
        dir: TempDir,
        stack: Stack,
        plugins: Vec<Arc<dyn ServePlugin>>,
        config: HttpConfig,
    ) -> anyhow::Result<Self> {
        audit::listen();
        let Stack { objects, providers, formats, settings, residency, cold } = stack;
        let catalog = Arc::new(Catalog::new(CatalogParts {
            providers,
            index: Arc::new(IndexStore::open(IndexSettings::new(dir.path().join("index")))?),
            opener: Arc::clone(&objects) as _,
            formats: formats.clone(),
            references: Arc::new(InProcess),
            settings,
        }));
        catalog.scan().await;
        let reader = Reader::new(Arc::clone(&objects) as _, objects, formats, ReadSettings::default());
        let reader = reader.on_cold_stores(residency);
        let plugins = plugins.into_iter().map(|plugin| (plugin, PluginStatus::Running)).collect();
        let reader = Arc::new(reader);
        let mut app = App { plugins, ..App::new(Arc::clone(&catalog), reader, config) };
        if let Some(cold) = &cold {
            app.staging = Some(cold.staging.clone());
            app.search = Search::new(Arc::clone(&catalog), Some(cold.staging.clone()));
            app.jobs = Some(cold.jobs.clone());
            app.access = Arc::clone(&cold.access);
        }
        let app = Arc::new(app);
        if cold.is_some() {
            for plugin in app.running() {
                plugin.start(&app).await?;
            }
        }
        let search = app.search.clone();
        Ok(Self { router: router::build(app)?, catalog, search, dir, cold, peer: None })
    }

    /// The same, asked from this address.
    #[must_use]
    pub fn asked_from(self, peer: SocketAddr) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// What answers, for a listener of the test's own.
    pub fn stack(&self) -> &router::Stack {
        &self.router
    }

    /// Indexes all datasets and waits until what catalogs tell of them can be found.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub async fn summarise(&self) -> anyhow::Result<()> {
        self.catalog.index_ahead().await;
        Ok(self.search.refresh().await?)
    }

    /// The catalog behind the routes.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Where the file of a dataset lies.
    pub fn file(&self, id: &str) -> std::path::PathBuf {
        self.dir.path().join("data").join(format!("{id}.toy"))
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// When the request makes no sense or the body breaks off.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        self.send_body(method, path, headers, Bytes::new()).await
    }

    /// Sends a request with a body.
    ///
    /// # Errors
    /// Those of [`TestServer::send`].
    pub async fn send_body(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("host", "test.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(peer) = self.peer {
            request = request.extension(ConnectInfo(peer));
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body.into()))?).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| anyhow::anyhow!("the body broke off: {error}"))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }

    /// Sends GET.
    ///
    /// # Errors
    /// Those of [`TestServer::send`].
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, &[]).await
    }
}
