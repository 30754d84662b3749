//! Chunks.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::Method;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use thermocline_core::cold::Locality;
use thermocline_core::read::ChunkHead;
use thermocline_core::{Error, ErrorKind};
use thermocline_http::Problem;
use thermocline_http::conditional::{
    Representation, Wanted, evaluate, precondition, respond, respond_head, respond_part,
};
use thermocline_http::hold::with_locality;
use thermocline_model::Variable;
use thermocline_zarr::ZarrArray;

use crate::StoreRequest;
use crate::source::Chunks;

/// Sends a chunk, or what is known of it for HEAD.
pub(crate) async fn answer(
    request: &StoreRequest,
    array: &ZarrArray,
    index: &[u64],
) -> Result<Response, Problem> {
    let chunks = request.chunks(array)?;
    if request.method == Method::HEAD || is_conditional(request) {
        let head = chunks.head(index).await?.ok_or_else(|| request.not_found())?;
        let representation = representation(request, &head);
        if request.method == Method::HEAD {
            let response = respond_head(&request.headers, &representation, head.len_bytes);
            return Ok(with_locality(response, locality(request, &chunks, array, index).await));
        }
        if let Some(response) = precondition(&request.headers, &representation) {
            return Ok(response);
        }
        if let Some(len_bytes) = head.len_bytes
            && let Wanted::Part(part) =
                evaluate(&request.method, &request.headers, &representation, len_bytes)
        {
            let read = chunks.part(index, part.clone()).await;
            let bytes = reported(read, request, &chunks, array, index).await?;
            return Ok(respond_part(&representation, part, len_bytes, bytes));
        }
    }
    let read = chunks.chunk(index).await;
    let chunk = reported(read, request, &chunks, array, index).await?;
    let representation = representation(request, &chunk.head);
    Ok(respond(&request.method, &request.headers, &representation, chunk.bytes))
}

/// Where the bytes of a chunk are, as far as one is known and it is read.
async fn locality(
    request: &StoreRequest,
    chunks: &Chunks<'_>,
    array: &ZarrArray,
    index: &[u64],
) -> Option<Locality> {
    if chunks.are_made() {
        return None;
    }
    let reader = &request.app.reader;
    let locality = reader.chunk_locality(&request.manifest, chunks.variable, &array.form, index).await;
    locality.unwrap_or_default()
}

/// Objects that will be wanted after the chunk, for readers that may have them brought online.
pub(crate) async fn objects_ahead(request: &StoreRequest, array: &ZarrArray, index: &[u64]) -> Vec<Arc<str>> {
    let Ok(chunks) = request.chunks(array) else { return Vec::new() };
    if chunks.are_made() {
        return Vec::new();
    }
    let reader = &request.app.reader;
    let found = reader.objects_ahead(&request.manifest, chunks.variable, &array.form, index).await;
    // It is no reason to fail that nothing is read ahead.
    found.unwrap_or_default()
}

/// What was read; a missing chunk is 404, and the catalog learns of objects that are not as they were indexed.
async fn reported<T>(
    read: Result<Option<T>, Problem>,
    request: &StoreRequest,
    chunks: &Chunks<'_>,
    array: &ZarrArray,
    index: &[u64],
) -> Result<T, Problem> {
    match read {
        Ok(found) => found.ok_or_else(|| request.not_found()),
        Err(problem) => {
            let is_changed = matches!(problem.error.kind(), ErrorKind::Changed { .. } | ErrorKind::Lost);
            if is_changed && !chunks.are_made() {
                report_change(request, chunks.variable, array, index).await;
            }
            Err(problem)
        }
    }
}

/// Tells the catalog which objects to look at: one of them is not as it was indexed.
async fn report_change(request: &StoreRequest, variable: &Variable, array: &ZarrArray, index: &[u64]) {
    let found = request.app.reader.objects_of(&request.manifest, variable, &array.form, index).await;
    for number in found.unwrap_or_default() {
        request.app.catalog.suspect(request.manifest.id.as_str(), number);
    }
}

/// The problem that an error is for a chunk: never 404, which would read as the fill value.
pub fn chunk_problem(error: Error) -> Problem {
    if error.kind() == ErrorKind::NotFound {
        return Error::internal("what a chunk is made of was not found").with_source(error).into();
    }
    error.into()
}

fn is_conditional(request: &StoreRequest) -> bool {
    let names = [RANGE, IF_NONE_MATCH, IF_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    names.iter().any(|name| request.headers.contains_key(name))
}

fn representation(request: &StoreRequest, head: &ChunkHead) -> Representation {
    Representation {
        media_type: "application/octet-stream",
        etag: head.etag.clone(),
        modified: head.modified,
        max_age: if head.is_passing { Duration::ZERO } else { request.app.config.chunk_max_age },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_whose_object_is_not_found_is_never_404() {
        assert_eq!(chunk_problem(Error::not_found("object 3")).status, 500);
        assert_eq!(chunk_problem(Error::corrupt("checksum")).status, 500);
    }
}
