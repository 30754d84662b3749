//! The catalog of one dataset.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use thermocline_core::Result;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::{Reader, Route};
use thermocline_http::conditional::{Representation, content_tag, respond, source_modified};
use thermocline_http::links::BaseUrl;
use thermocline_http::{AppState, OpenDataset, Problem};
use thermocline_search::Summary;
use thermocline_zarr::{Hierarchy, View};

use crate::source::{SourceWriter, methods};
use crate::yaml::{quoted, scalar};
use crate::{YAML, jinja};

/// Sources of the dataset: by its id with the parameter `method`, and one for each method.
pub(crate) async fn answer(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let summary = app.search.describe(&manifest).await?;
    let has_stored_form = has_stored_form(&app.reader, &manifest).await?;
    let body = document(&app, &summary, &base, has_stored_form).into_bytes();
    let representation = Representation {
        media_type: YAML,
        etag: content_tag(&body),
        modified: source_modified(&manifest.dataset),
        max_age: app.config.metadata_max_age,
    };
    Ok(respond(&parts.method, &parts.headers, &representation, body.into()))
}

fn document(app: &AppState, summary: &Summary, base: &BaseUrl, has_stored_form: bool) -> String {
    let url = format!("{}/catalog.yaml", base.dataset(&summary.id));
    let mut yaml = format!(
        "name: {}\nmetadata: {{version: 1, source: thermocline, access_url: {}}}\nsources:",
        scalar(&summary.id),
        quoted(&jinja::escaped(&url))
    );
    let methods = methods(app, summary);
    if methods.is_empty() {
        return yaml + " {}\n";
    }
    yaml.push('\n');
    let writer = SourceWriter::new(app, base);
    for method in methods.iter().filter(|method| has_stored_form || **method != "kerchunk") {
        writer.push_method(&mut yaml, summary, method);
    }
    writer.push(&mut yaml, summary);
    yaml
}

/// True unless a variable has chunks that readers of Zarr cannot decode as they are stored: a source that promises
/// the stored chunks would have none of them.
async fn has_stored_form(reader: &Reader, manifest: &Arc<Manifest>) -> Result<bool> {
    let hierarchy = Hierarchy::of(manifest, View::V2);
    for (path, variable) in manifest.dataset.root.variables_below() {
        let Some(array) = hierarchy.array(&path) else { continue };
        if reader.route(manifest, variable, &array.form).await? == Route::Derived {
            return Ok(false);
        }
    }
    Ok(true)
}
