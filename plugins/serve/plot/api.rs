//! What the handlers of this plugin share.

use std::sync::{Arc, OnceLock};

use thermocline_core::catalog::Catalog;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::Reader;
use thermocline_core::staging::Staging;
use thermocline_groupby::Engine;
use thermocline_http::App;
use thermocline_plot::{Failure, Plotter};

use crate::PlotPluginSettings;
use crate::grouped::{Subject, Words};
use crate::pictures::Pictures;
use crate::thumbnail::Thumbnails;

/// What the handlers of this plugin share.
pub(crate) struct Api {
    pub(crate) settings: PlotPluginSettings,
    pub(crate) pictures: Pictures,
    pub(crate) thumbnails: Thumbnails,
    /// What computes results that are drawn.
    pub(crate) groupby: Option<Arc<Engine>>,
    plotter: OnceLock<Arc<Plotter>>,
    /// For jobs, which no request brings here.
    server: OnceLock<Server>,
}

/// What jobs need of the server.
pub(crate) struct Server {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) staging: Option<Staging>,
}

impl Api {
    /// Nothing drawn yet.
    pub(crate) fn new(settings: PlotPluginSettings, groupby: Option<Arc<Engine>>) -> Self {
        let pictures = Pictures::new(settings.pictures_bytes);
        Self {
            settings,
            pictures,
            thumbnails: Thumbnails::new(),
            groupby,
            plotter: OnceLock::new(),
            server: OnceLock::new(),
        }
    }

    /// Tells jobs which server they are of.
    pub(crate) fn start(&self, app: &App) {
        let (catalog, reader) = (Arc::clone(&app.catalog), Arc::clone(&app.reader));
        let _ = self.server.set(Server { catalog, reader, staging: app.staging.clone() });
    }

    /// The server, once it has started.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.server.get()
    }

    /// What words ask for, looked up.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn subject(
        &self,
        reader: &Arc<Reader>,
        manifest: &Arc<Manifest>,
        words: Words<'_>,
    ) -> Result<Subject, Failure> {
        Subject::of(self.groupby.as_ref(), &self.plotter(reader), manifest, words).await
    }

    /// The plotter over the server's reader.
    pub(crate) fn plotter(&self, reader: &Arc<Reader>) -> Arc<Plotter> {
        let make = || Arc::new(Plotter::new(Arc::clone(reader), self.settings.plots.clone()));
        Arc::clone(self.plotter.get_or_init(make))
    }
}
