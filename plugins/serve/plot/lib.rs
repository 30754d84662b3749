//! Serves plots of variables: pictures by URL, and a page around them.
//!
//! # Serves
//! A picture of a variable on its grid, a section, a series or a distribution, as PNG, WebP, SVG, GIF, as JSON that says
//! what is shown, or as a page with controls.
//!
//! # Specification
//! `plots.md` of the contracts; the path form and the meaning of its selection are those of DKRZ's Cloudify.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /datasets/{dataset_id}/plot` | what can be plotted, as a page or JSON |
//! | `GET /datasets/{dataset_id}/plot/{var}[.png, .webp, .svg, .gif, .json, .html]` | a plot |
//! | `GET /datasets/{dataset_id}/plot/{var}/{kind}/{cmap}/{selection…}` | a plot, as Cloudify's clients ask for it |
//! | `GET /datasets/{dataset_id}/plot/thumbnail.png` | a small picture of the dataset |
//! | `GET /datasets/{dataset_id}/legend/{var}.png`, `.svg`, `.json` | the colour bar alone |
//! | `GET /plot/kinds`, `/plot/colormaps`, `/plot/projections` | the words that plots know |
//! | `GET /plot/colormaps/{name}[.png, .json]` | a colour map |
//!
//! # Opens with
//! Browsers, `<img>`, whatever reads PNG.
//!
//! # Results of groupby
//! With `groupby=time.month&action=mean` the monthly mean is drawn instead of the variable, with whatever options both have:
//! `groupby=time.season&action=quantile&q=0.9&over=lon&cmap=magma`. An action is always named. `bins` is the histogram's if
//! it is a whole number, else that of groupby. A selection takes a part of the result if that has the dimension or
//! coordinate, `month=7` or `lat=-30:30`, else a part of the source before it is grouped, `time=2000:2009`. Results are those
//! of the groupby plugin: computed once, kept, and drawn again without computing.
//!
//! # Limits
//! Of a pyramid, a group whose subgroups `0`, `1`, … have the variable in several resolutions, the level that fits the
//! picture is drawn, and the canonical address names it; `group=` asks for one of them.
//! A plot reads at most `max_read` of its sources and takes at most `timeout`. Data on cold stores are drawn by a job: 202
//! with its address, whose result is the picture. Thumbnails recall nothing and are a grey picture until there is
//! something to show.

mod address;
mod answer;
mod api;
mod cold;
mod form;
mod grouped;
mod job;
mod legend;
mod lists;
mod page;
mod pictures;
mod thumbnail;
mod trouble;
mod variables;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Extension;
use axum::routing::{MethodRouter, get};
use thermocline_core::Result;
use thermocline_core::jobs::JobKind;
use thermocline_groupby::Engine;
use thermocline_http::{AccessMethod, AppState, Operation, Parameter, Route, ServePlugin};
use thermocline_plot::PlotSettings;
use thermocline_search::Summary;

use api::Api;
use job::PlotJob;

/// How plots are served.
#[derive(Debug, Clone)]
pub struct PlotPluginSettings {
    /// Bounds of what is read and drawn.
    pub plots: PlotSettings,
    /// Bytes of finished pictures that are kept.
    pub pictures_bytes: u64,
}

impl Default for PlotPluginSettings {
    fn default() -> Self {
        Self { plots: PlotSettings::default(), pictures_bytes: 256 << 20 }
    }
}

/// The plugin.
pub struct PlotPlugin {
    api: Arc<Api>,
}

impl PlotPlugin {
    /// The plugin with its bounds, which draws variables only.
    pub fn new(settings: PlotPluginSettings) -> Self {
        Self { api: Arc::new(Api::new(settings, None)) }
    }

    /// The plugin that draws results of groupby too, computed by an engine that others may share.
    pub fn with_groupby(settings: PlotPluginSettings, engine: Arc<Engine>) -> Self {
        Self { api: Arc::new(Api::new(settings, Some(engine))) }
    }

    fn route(&self, path: &'static str, handler: MethodRouter<AppState>, operation: Operation) -> Route {
        Route { path, handler: handler.layer(Extension(Arc::clone(&self.api))), operations: vec![operation] }
    }
}

impl Default for PlotPlugin {
    fn default() -> Self {
        Self::new(PlotPluginSettings::default())
    }
}

#[async_trait]
impl ServePlugin for PlotPlugin {
    fn id(&self) -> &'static str {
        "plot"
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let plot = Operation { query: PLOT.to_vec(), ..Operation::get("A plot of a variable", form::PNG) };
        let legend =
            Operation { query: PLOT.to_vec(), ..Operation::get("The colour bar of a plot", form::PNG) };
        let list =
            Operation::get("What of a dataset can be plotted", form::HTML).with_query("f", "html or json");
        vec![
            self.route("/plot", get(variables::list), list),
            self.route(
                thumbnail::PATH,
                get(thumbnail::show),
                Operation::get("A small picture of the dataset", form::PNG),
            ),
            self.route("/plot/{*plot}", get(answer::plot), plot),
            self.route("/legend/{*legend}", get(legend::show), legend),
        ]
    }

    fn app_routes(&self) -> Vec<Route> {
        let json = |summary| Operation::get(summary, form::JSON);
        vec![
            self.route("/plot/kinds", get(lists::kinds), json("Kinds of plots, and all options")),
            self.route("/plot/colormaps", get(lists::colormaps), json("Colour maps")),
            self.route("/plot/colormaps/{name}", get(lists::colormap), json("A colour map, as JSON or PNG")),
            self.route("/plot/projections", get(lists::projections), json("Map projections")),
        ]
    }

    fn access_methods(&self, summary: &Summary) -> Vec<AccessMethod> {
        thumbnail::access_method(summary).into_iter().collect()
    }

    fn job_kinds(&self) -> Vec<Arc<dyn JobKind>> {
        vec![Arc::new(PlotJob { api: Arc::clone(&self.api) })]
    }

    async fn start(&self, app: &AppState) -> Result<()> {
        self.api.start(app);
        Ok(())
    }

    fn cached_bytes(&self) -> Option<u64> {
        Some(self.api.pictures.used_bytes())
    }
}

const PLOT: [Parameter; 12] = [
    Parameter { name: "f", description: "png, webp, svg, gif, json or html; wins over the extension" },
    Parameter { name: "kind", description: "What is drawn; /plot/kinds lists them" },
    Parameter { name: "cmap", description: "The colour map; /plot/colormaps lists them" },
    Parameter { name: "vmin", description: "The value of the first colour" },
    Parameter { name: "vmax", description: "The value of the last colour" },
    Parameter { name: "proj", description: "The projection of a map; /plot/projections lists them" },
    Parameter { name: "extent", description: "west,east,south,north" },
    Parameter { name: "width", description: "Width in pixels" },
    Parameter { name: "group", description: "Path of the group that the variable is in" },
    Parameter { name: "groupby", description: "Draws groups of the variable, as time.month; with action" },
    Parameter {
        name: "action",
        description: "What is computed of each group; /plot/kinds lists all options",
    },
    Parameter { name: "source", description: "Selects before groups are made, as time=2000:2009" },
];

#[cfg(test)]
mod tests;
