//! What the handlers of this plugin share.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use thermocline_core::write::ArrayWriter;
use thermocline_groupby::Engine;
use thermocline_http::App;

use crate::GroupbyPluginSettings;
use crate::file::Files;
use crate::form::Forms;
use crate::job::Server;
use crate::plans::Plans;

/// Most finished bodies that are kept.
const MAX_DOCUMENTS: usize = 4_000;

/// Memory of the finished bodies that are kept, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 32 << 20;

/// Files that are written at the same time: the libraries that write them take one another's turns anyway.
const MAX_FILES_AT_ONCE: usize = 2;

/// Finished bodies by their entity tags.
pub(crate) type Documents = Cache<String, Bytes, Lengths>;

/// Weighs bodies by their lengths.
#[derive(Clone)]
pub(crate) struct Lengths;

impl Weighter<String, Bytes> for Lengths {
    fn weight(&self, etag: &String, body: &Bytes) -> u64 {
        (etag.len() + body.len()) as u64
    }
}

/// What the handlers of this plugin share.
pub(crate) struct Api {
    pub(crate) settings: GroupbyPluginSettings,
    pub(crate) engine: Arc<Engine>,
    /// `None` where NetCDF cannot be written.
    pub(crate) files: Option<Files>,
    /// Plans of what was asked for lately.
    pub(crate) plans: Plans,
    /// Short bodies of what was asked for lately.
    pub(crate) documents: Documents,
    /// For jobs, which no request brings here.
    server: OnceLock<Server>,
}

impl Api {
    /// Nothing asked for yet.
    pub(crate) fn new(
        settings: GroupbyPluginSettings,
        engine: Arc<Engine>,
        netcdf: Option<Arc<dyn ArrayWriter>>,
    ) -> Self {
        let documents = Documents::with_weighter(MAX_DOCUMENTS, MAX_DOCUMENT_BYTES, Lengths);
        let files = netcdf.map(|writer| Files::new(writer, settings.files_dir.clone(), MAX_FILES_AT_ONCE));
        Self { settings, engine, files, plans: Plans::new(), documents, server: OnceLock::new() }
    }

    /// Tells jobs which server they are of.
    pub(crate) fn start(&self, app: &App) {
        let _ = self.server.set(Server::of(app));
    }

    /// The server, once it has started.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.server.get()
    }

    /// The forms that can be written.
    pub(crate) fn forms(&self) -> Forms {
        Forms { has_netcdf: self.files.is_some() }
    }

    /// Memory of what is kept, in bytes.
    pub(crate) fn cached_bytes(&self) -> u64 {
        self.engine.used_bytes() + self.plans.used_bytes() + self.documents.weight()
    }
}
