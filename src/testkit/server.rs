//! The whole stack behind a router, without a socket.

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;
use thermocline_core::bytes::{ObjectSettings, Objects, Root};
use thermocline_core::catalog::{Catalog, CatalogParts, CatalogSettings, DatasetSpec, Provider, SourceSpec};
use thermocline_core::format::Format;
use thermocline_core::index::{IndexSettings, IndexStore};
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_core::reference::InProcess;
use thermocline_core::verify::VerifyLevel;
use thermocline_http::{App, HttpConfig, PluginStatus, ServePlugin, router};
use thermocline_model::DatasetId;
use tower::ServiceExt;

use crate::toy::{ToyDataset, ToyFormat};

/// A server of toy datasets.
pub struct TestServer {
    router: Router,
    /// Holds the toy files and the index as long as the server lives.
    dir: TempDir,
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
        let dir = TempDir::new()?;
        let root = dir.path().join("data");
        std::fs::create_dir(&root)?;
        let root = root.canonicalize()?;
        let mut specs = Vec::new();
        for (id, toy) in &toys {
            let path = root.join(format!("{id}.toy"));
            std::fs::write(&path, toy.file())?;
            let href = path.to_str().context("a path in UTF-8")?.to_owned();
            specs.push(DatasetSpec::new(DatasetId::new(*id)?, SourceSpec::Object(href), "a test"));
        }
        let toys = toys.into_iter().map(|(id, toy)| (format!("{id}.toy"), toy)).collect();
        let formats: Vec<Arc<dyn Format>> = vec![Arc::new(ToyFormat(toys))];
        let runtime = tokio::runtime::Handle::current();
        let objects = Objects::new(vec![Root::directory(&root)?], ObjectSettings::default(), runtime);
        let catalog = Catalog::new(CatalogParts {
            providers: vec![Arc::new(Declared(specs))],
            index: Arc::new(IndexStore::open(IndexSettings::new(dir.path().join("index")))?),
            opener: Arc::clone(&objects) as _,
            formats: formats.clone(),
            references: Arc::new(InProcess),
            settings: CatalogSettings { verify: VerifyLevel::Off, ..CatalogSettings::default() },
        });
        catalog.scan().await;
        let reader = Reader::new(Arc::clone(&objects) as _, objects, formats, ReadSettings::default());
        let plugins = plugins.into_iter().map(|plugin| (plugin, PluginStatus::Running)).collect();
        let (catalog, reader) = (Arc::new(catalog), Arc::new(reader));
        let app = App { catalog, reader, config, plugins, versions: Vec::new() };
        Ok(Self { router: router::build(Arc::new(app))?, dir })
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
        let mut request = Request::builder().method(method).uri(path).header("host", "test.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty())?).await?;
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
