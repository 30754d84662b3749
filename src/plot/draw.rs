//! Draws what was planned.

use bytes::Bytes;
use serde_json::{Map, Value};
use thermocline_render::Cancel;

use crate::{Failure, Plan, Plotter};

/// A plot.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The answer in its form; of [`crate::Format::Html`] the picture is left to the page, and this is empty.
    pub body: Bytes,
    /// What it shows.
    pub facts: Facts,
}

/// What a plot shows, as the `json` answer says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Variable, resolved selection, vmin and vmax, norm, extent, projection, statistics, chunks and bytes read.
    pub document: Map<String, Value>,
}

impl Plotter {
    /// Draws a plan.
    ///
    /// # Errors
    /// Those of reading; [`thermocline_core::ErrorKind::NotStaged`] names the cold objects; [`Failure::Cancelled`].
    pub async fn draw(&self, plan: &Plan, cancel: &Cancel) -> Result<Drawn, Failure> {
        let _ = plan;
        cancel.check()?;
        Err(Failure::Undrawable("nothing is drawn yet".into()))
    }
}
