//! Chunks.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::Method;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
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

/// Sends a chunk, or what is known of it for HEAD.
pub(crate) async fn answer(
    request: &StoreRequest,
    array: &ZarrArray,
    index: &[u64],
) -> Result<Response, Problem> {
    let reader = &request.app.reader;
    let variable = array.variable(&request.manifest.dataset);
    let variable =
        variable.ok_or_else(|| Error::internal(format!("array {:?} has no variable", array.path)))?;
    if request.method == Method::HEAD || is_conditional(request) {
        let head = reader.chunk_head(&request.manifest, variable, &array.form, index).await;
        let head = head.map_err(chunk_problem)?.ok_or_else(|| request.not_found())?;
        let representation = representation(request, &head);
        if request.method == Method::HEAD {
            let response = respond_head(&request.headers, &representation, head.len_bytes);
            let locality = reader.chunk_locality(&request.manifest, variable, &array.form, index).await;
            return Ok(with_locality(response, locality.unwrap_or_default()));
        }
        if let Some(response) = precondition(&request.headers, &representation) {
            return Ok(response);
        }
        if let Some(len_bytes) = head.len_bytes
            && let Wanted::Part(part) =
                evaluate(&request.method, &request.headers, &representation, len_bytes)
        {
            let read = reader.chunk_part(&request.manifest, variable, &array.form, index, part.clone());
            let bytes = reported(read.await, request, variable, array, index).await?;
            return Ok(respond_part(&representation, part, len_bytes, bytes));
        }
    }
    let read = reader.chunk(&request.manifest, variable, &array.form, index);
    let chunk = reported(read.await, request, variable, array, index).await?;
    let representation = representation(request, &chunk.head);
    Ok(respond(&request.method, &request.headers, &representation, chunk.bytes))
}

/// Objects that will be wanted after the chunk, for readers that may have them brought online.
pub(crate) async fn objects_ahead(request: &StoreRequest, array: &ZarrArray, index: &[u64]) -> Vec<Arc<str>> {
    let Some(variable) = array.variable(&request.manifest.dataset) else { return Vec::new() };
    let reader = &request.app.reader;
    let found = reader.objects_ahead(&request.manifest, variable, &array.form, index).await;
    // It is no reason to fail that nothing is read ahead.
    found.unwrap_or_default()
}

/// What was read; a missing chunk is 404, and the catalog learns of objects that are not as they were indexed.
async fn reported<T>(
    read: thermocline_core::Result<Option<T>>,
    request: &StoreRequest,
    variable: &Variable,
    array: &ZarrArray,
    index: &[u64],
) -> Result<T, Problem> {
    match read {
        Ok(found) => found.ok_or_else(|| request.not_found()),
        Err(error) => {
            if matches!(error.kind(), ErrorKind::Changed { .. } | ErrorKind::Lost) {
                report_change(request, variable, array, index).await;
            }
            Err(chunk_problem(error))
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
