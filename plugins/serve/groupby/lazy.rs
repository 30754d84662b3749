//! The lazy Zarr group of a result: documents and coordinates from its description, chunks of the variable computed one by
//! one when they are asked for.

use std::ops::Range;
use std::sync::Arc;

use axum::response::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::request::Parts;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_core::read::{Chunk, ChunkHead, Reader, encode_chunk};
use thermocline_core::{Error, ErrorKind};
use thermocline_groupby::{Engine, Failure};
use thermocline_http::clients::Computations;
use thermocline_http::{AppState, Problem};
use thermocline_zarr::{View, ZarrArray, chunk_key};
use thermocline_zarr_http::{ChunkSource, Store, StoreRequest, chunk_problem};

use crate::api::Api;
use crate::plans::Planned;
use crate::trouble::problem;

/// Keys of both formats below one path, as those of datasets are.
const STORE: Store = Store { views: &[View::V2, View::V3] };

/// Answers GET and HEAD of a key.
///
/// # Errors
/// Those of [`Store::answer`].
pub(crate) async fn answer(
    api: &Arc<Api>,
    app: &AppState,
    planned: Arc<Planned>,
    (key, parts): (String, &Parts),
) -> Result<Response, Problem> {
    STORE.answer(request(api, app, planned, (key, parts)).await?).await
}

/// Answers `PROPFIND` of a key.
///
/// # Errors
/// Those of [`Store::propfind`].
pub(crate) async fn propfind(
    api: &Arc<Api>,
    app: &AppState,
    planned: Arc<Planned>,
    (key, parts): (String, &Parts),
) -> Result<Response, Problem> {
    STORE.propfind(request(api, app, planned, (key, parts)).await?).await
}

async fn request(
    api: &Arc<Api>,
    app: &AppState,
    planned: Arc<Planned>,
    (key, parts): (String, &Parts),
) -> Result<StoreRequest, Problem> {
    let (described, manifest) = planned.described().await?;
    let (variable, manifest) = (described.variable.clone(), Arc::clone(manifest));
    let (engine, reader) = (Arc::clone(&api.engine), Arc::clone(&app.reader));
    let computations = Computations::of(app, parts);
    let result =
        LazyResult { engine, reader, computations, variable, manifest: Arc::clone(&manifest), planned };
    Ok(StoreRequest::of_made(app, manifest, key, parts, Arc::new(result)))
}

/// Computes the chunks of a result's variable.
struct LazyResult {
    engine: Arc<Engine>,
    reader: Arc<Reader>,
    computations: Computations,
    planned: Arc<Planned>,
    /// Name of the variable.
    variable: String,
    /// The result as a dataset without the values of the variable.
    manifest: Arc<Manifest>,
}

impl ChunkSource for LazyResult {
    fn makes(&self, array: &ZarrArray) -> bool {
        array.path == self.variable
    }

    fn head(&self, array: &ZarrArray, index: &[u64]) -> ChunkHead {
        ChunkHead {
            // How long chunks are is a setting, which the tag of the result says nothing of.
            etag: format!(
                "{}-{}-{}",
                self.planned.plan.etag(),
                chunk_key(View::V2, index),
                chunk_key(View::V2, array.grid.chunk_shape())
            ),
            len_bytes: plain_len(array),
            modified: None,
            is_passing: false,
        }
    }

    fn chunk<'c>(&'c self, array: &'c ZarrArray, index: &'c [u64]) -> BoxFuture<'c, Result<Chunk, Problem>> {
        self.compute(array, index).boxed()
    }
}

impl LazyResult {
    async fn compute(&self, array: &ZarrArray, index: &[u64]) -> Result<Chunk, Problem> {
        let (part, shape) = part(array, index);
        let _turn = self.computations.turn()?;
        let values = self.engine.part(&self.reader, &self.planned.plan, &part).await.map_err(of_chunk)?;
        let variable = array.variable(&self.manifest.dataset).cloned();
        let variable = variable.ok_or_else(|| Error::internal("a lazy result has no variable"))?;
        let (form, max_bytes) = (array.form.clone(), self.engine.settings().max_chunk_bytes);
        let bytes = blocking(move || encode_chunk(&form, &variable, &values, &shape, max_bytes));
        let bytes = bytes.await.map_err(chunk_problem)?;
        let head = ChunkHead { len_bytes: Some(bytes.len() as u64), ..self.head(array, index) };
        Ok(Chunk { bytes, head })
    }
}

/// The positions of a chunk along each dimension inside the result, and how many these are.
fn part(array: &ZarrArray, index: &[u64]) -> (Vec<Range<u64>>, Vec<u64>) {
    let starts = array.grid.start(index);
    let lengths = array.shape().iter().zip(array.grid.chunk_shape());
    let ranges = starts.into_iter().zip(lengths).map(|(start, (len, chunk_len))| {
        let start = start.min(*len);
        start..start.saturating_add(*chunk_len).min(*len)
    });
    let part: Vec<Range<u64>> = ranges.collect();
    let shape = part.iter().map(|range| range.end - range.start).collect();
    (part, shape)
}

/// The length of a chunk in which values stand as they are.
fn plain_len(array: &ZarrArray) -> Option<u64> {
    let size = array.form.dtype.len_bytes()? as u64;
    let n_elements = array.grid.chunk_len()?;
    array.form.codecs.is_empty().then(|| n_elements.checked_mul(size)).flatten()
}

/// Why there is no chunk: never 404, which would read as the fill value.
fn of_chunk(failure: Failure) -> Problem {
    match failure {
        Failure::Core(error) if error.kind() == ErrorKind::NotFound => chunk_problem(error),
        Failure::Core(error) => error.into(),
        other => problem(other),
    }
}
