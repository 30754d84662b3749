//! Prints what catalogs tell of files, for `catalogs/check_extents.py` to judge.
//!
//! `summary-bridge STATE FOLDER` indexes every dataset of a folder into a state folder and writes a JSON object a line:
//! `{"file": "a.nc", "bbox": […], "footprint": […], "start_us": 0, "end_us": 0, "is_instant": true, "dimensions": […],
//! "variables": […], "us": 120}`, with the microseconds that the summary took, or `{"file": "a.nc", "error": "…"}`.

mod folder;

use std::io::Write;
use std::time::Instant;

use serde_json::{Value, json};
use thermocline_core::catalog::{Catalog, SourceSpec};
use thermocline_core::{Error, Result};
use thermocline_search::{CubeDimension, CubeVariable, DimensionKind, Summary, describe};

type Failure = Box<dyn std::error::Error>;

fn main() -> std::result::Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (state, folder) = (arguments.next().ok_or("no state")?, arguments.next().ok_or("no folder")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(print_all(&state, &folder))
}

async fn print_all(state: &str, folder: &str) -> std::result::Result<(), Failure> {
    let catalog = folder::catalog(folder, state, &[])?;
    catalog.scan().await;
    let mut out = std::io::stdout().lock();
    for id in catalog.ids() {
        let line = match told(&catalog, id.as_str()).await {
            Ok(line) => line,
            Err(error) => json!({ "file": id.as_str(), "error": error.to_string() }),
        };
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

async fn told(catalog: &Catalog, id: &str) -> Result<Value> {
    let manifest = catalog.open(id).await?;
    let file = match &manifest.spec.source {
        SourceSpec::Object(href) | SourceSpec::Directory(href) => href.clone(),
        SourceSpec::Refused(reason) => return Err(Error::invalid_input(reason.clone())),
    };
    let work = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let summary = describe(&manifest);
        (summary, start.elapsed().as_micros() as u64)
    });
    let (summary, us) = work.await.map_err(|cause| Error::internal("no summary").with_source(cause))?;
    Ok(document(&file, &summary, us))
}

fn document(file: &str, summary: &Summary, us: u64) -> Value {
    let extent = summary.extent.as_ref();
    json!({
        "file": file,
        "bbox": extent.map(|extent| extent.bbox),
        "footprint": extent.and_then(|extent| extent.footprint.clone()),
        "start_us": summary.span.start_us,
        "end_us": summary.span.end_us,
        "is_instant": summary.span.is_instant,
        "note": summary.span.note,
        "dimensions": summary.dimensions.iter().map(dimension).collect::<Value>(),
        "variables": summary.variables.iter().map(variable).collect::<Value>(),
        "us": us,
    })
}

fn dimension(dimension: &CubeDimension) -> Value {
    let (kind, axis, about) = match &dimension.kind {
        DimensionKind::Horizontal { axis, reference_system } => {
            ("horizontal", Some(axis.to_string()), reference_system.clone())
        }
        DimensionKind::Vertical => ("vertical", None, None),
        DimensionKind::Temporal { calendar } => ("temporal", None, Some(calendar.clone())),
        DimensionKind::Index => ("index", None, None),
        DimensionKind::Other => ("other", None, None),
    };
    json!({
        "name": dimension.name,
        "len": dimension.len,
        "kind": kind,
        "axis": axis,
        "about": about,
        "extent": dimension.extent,
        "times_us": dimension.times_us,
        "step": dimension.step,
        "step_text": dimension.step_text,
        "n_values": dimension.values.as_ref().map(Vec::len),
        "unit": dimension.unit,
    })
}

fn variable(variable: &CubeVariable) -> Value {
    json!({
        "name": variable.name,
        "role": format!("{:?}", variable.role),
        "dimensions": variable.dimensions,
        "dtype": variable.dtype,
        "nodata": variable.nodata,
    })
}
