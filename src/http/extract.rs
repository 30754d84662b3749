//! Extractors that parse a request once, at the edge.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use http::Extensions;
use http::request::Parts;
use thermocline_core::manifest::Manifest;
use thermocline_model::{Group, Variable};

use crate::identity::AskedDataset;
use crate::{AppState, Problem};

/// Name of the path parameter that names a dataset.
pub(crate) const DATASET_ID: &str = "dataset_id";

/// The dataset that the path names, opened from the index. Never stages, never touches the archive.
///
/// In a path without `{dataset_id}` it is the one dataset of the server.
///
/// # Errors
/// 404 for an unknown dataset, 422 with the reason for a refused one, 503 while it is indexed; if its
/// source is lost, 500 on the key of a chunk or an object and 410 on all else.
pub struct OpenDataset(pub Arc<Manifest>);

impl FromRequestParts<AppState> for OpenDataset {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let params = path_params(parts, app).await?;
        let key = params.iter().filter(|(name, _)| *name != DATASET_ID).last().map(|(_, key)| key);
        let id = dataset_name(&params, app);
        not_hidden(&parts.extensions, id)?;
        open_dataset(app, id, parts.uri.path(), key).await.map(Self)
    }
}

/// Refuses a dataset that the router found not to be there for this client.
///
/// # Errors
/// 404, as for one that does not exist.
pub(crate) fn not_hidden(extensions: &Extensions, id: &str) -> Result<(), Problem> {
    let is_hidden = extensions.get::<AskedDataset>().is_some_and(|asked| asked.is_hidden);
    if is_hidden { Err(Problem::no_dataset(id)) } else { Ok(()) }
}

/// What [`OpenDataset`] extracts: the dataset of that name, for a request of `path` that ends in `key`.
pub(crate) async fn open_dataset(
    app: &AppState,
    id: &str,
    path: &str,
    key: Option<&str>,
) -> Result<Arc<Manifest>, Problem> {
    app.catalog.open(id).await.map_err(|error| {
        if names_bytes(path, key) { Problem::from(error) } else { Problem::for_metadata(error) }
    })
}

/// The dataset's name in the path, whether it exists or not; in a path without `{dataset_id}` that of the
/// one dataset of the server.
pub struct DatasetName(pub String);

impl FromRequestParts<AppState> for DatasetName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let params = path_params(parts, app).await?;
        Ok(Self(dataset_name(&params, app).to_owned()))
    }
}

/// The last parameter of the path that is not the dataset: the rest behind `{*key}`, percent-decoded,
/// without slashes at its ends. Empty if the route has none.
pub struct DatasetPath(pub String);

impl FromRequestParts<AppState> for DatasetPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let params = path_params(parts, app).await?;
        let rest = params.iter().filter(|(name, _)| *name != DATASET_ID).last();
        Ok(Self(rest.map(|(_, value)| value.trim_matches('/').to_owned()).unwrap_or_default()))
    }
}

/// The group at a path like `ocean/deep` (empty or `/` for the root).
///
/// # Errors
/// 404 as xpublish says it.
pub fn find_group<'a>(manifest: &'a Manifest, path: &str) -> Result<&'a Group, Problem> {
    let has_empty_names =
        path.trim_matches('/').split('/').count() > 1 && path.trim_matches('/').split('/').any(str::is_empty);
    let group = manifest.dataset.root.group(path).filter(|_| !has_empty_names);
    group.ok_or_else(|| Problem::not_found(format!("Group '{path}' not found in dataset '{}'", manifest.id)))
}

/// The variable at a path like `ocean/deep/temp`.
///
/// # Errors
/// 404 as xpublish says it, with the variables that exist.
pub fn find_variable<'a>(manifest: &'a Manifest, path: &str) -> Result<&'a Variable, Problem> {
    manifest.dataset.root.variable(path).ok_or_else(|| {
        let problem = Problem::not_found(format!("Variable '{path}' not found in dataset '{}'", manifest.id));
        problem
            .with_allowed(manifest.dataset.root.variables_below().into_iter().take(50).map(|(path, _)| path))
    })
}

fn dataset_name<'a>(params: &'a RawPathParams, app: &'a AppState) -> &'a str {
    let named = params.iter().find(|(name, _)| *name == DATASET_ID).map(|(_, id)| id);
    named.or(app.config.single.as_deref()).unwrap_or_default()
}

async fn path_params(parts: &mut Parts, app: &AppState) -> Result<RawPathParams, Problem> {
    RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| Problem::not_found("the path is not UTF-8"))
}

/// True if the path ends in the key of a chunk (`0.0`, `c/0/0`, `c`) or names a source object: there a
/// client must never read 410, and a mistake on this side costs nothing.
fn names_bytes(path: &str, key: Option<&str>) -> bool {
    path.contains("/objects/") || key.is_some_and(is_chunk_like)
}

/// True if a client may take "not found" for fill values: of bytes, and of files of references to them.
pub(crate) fn names_values(path: &str, key: Option<&str>) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    names_bytes(path, key) || (last.starts_with("refs.") && last.ends_with(".parq"))
}

fn is_chunk_like(key: &str) -> bool {
    let last = key.trim_matches('/').rsplit('/').next().unwrap_or_default();
    let is_index = last.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && last != ".";
    last == "c" || (is_index && !last.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_chunks_are_told_from_metadata() {
        for key in ["tas/0.0.1", "tas/c/0/1", "tas/c", "0", "a/b/12/"] {
            assert!(is_chunk_like(key), "{key}");
        }
        for key in [".zarray", "tas/.zattrs", "zarr.json", "", "tas", "ocean/deep", ".zgroup"] {
            assert!(!is_chunk_like(key), "{key}");
        }
    }
}
