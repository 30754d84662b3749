//! What a plot will show: looked up in metadata and coordinates, without reading data.

use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_core::select::Resolved;

use crate::{Failure, Kind, Placement, Plotter, Request};

/// A plot that can be drawn: the request with every choice made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The dataset.
    pub manifest: Arc<Manifest>,
    /// Path of the variable from the root.
    pub path: String,
    /// What was asked for.
    pub request: Request,
    /// What is drawn.
    pub kind: Kind,
    /// Where its cells lie, of kinds that are drawn on a map.
    pub placement: Option<Placement>,
    /// What is read, of all variables that take part, axes that are neither named nor drawn set to their defaults.
    pub selected: Arc<Resolved>,
}

impl Plan {
    /// Every option with its value in a fixed order, as a query without `?`: requests with the same one give the same
    /// picture.
    pub fn canonical(&self) -> String {
        String::new()
    }

    /// A strong entity tag without quotes: of the dataset's revision, the canonical parameters, the form of the answer
    /// and the version of the renderer.
    pub fn etag(&self) -> String {
        String::new()
    }

    /// A name for the file that a browser saves.
    pub fn file_name(&self) -> String {
        format!("{}.png", self.request.variable)
    }
}

impl Plotter {
    /// Looks a request up in a dataset.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotFound`] for a variable that does not exist; [`Failure::Mistake`] for what the
    /// dataset does not have; [`Failure::Undrawable`].
    pub async fn plan(&self, manifest: &Arc<Manifest>, request: Request) -> Result<Plan, Failure> {
        let _ = (manifest, request);
        Err(Failure::Undrawable("no plans yet".into()))
    }
}
