//! URLs that clients cut: names with `#` and `?` in them.
//!
//! fsspec and aiohttp take what is behind `#` for a fragment and do not send it, and what is behind `?` for a
//! query, unless the client encodes both. The query can be put back. Of a name with `#` only the beginning
//! arrives, which is no key: its answer must not be 404, which reads as the fill value, nor a listing, which
//! reads as a chunk.

use std::collections::HashSet;
use std::sync::Arc;

use axum::response::Response;
use http::header::ACCEPT;
use percent_encoding::percent_decode_str;
use thermocline_core::{Error, ErrorKind};
use thermocline_http::Problem;
use thermocline_model::ChunkIndex;
use thermocline_zarr::{Hierarchy, Node, View, ZarrArray};

use crate::href::encoded_path;
use crate::{Store, StoreRequest, chunk};

/// Most arrays of all views that a cut name is compared with.
const MAX_MEANT: usize = 16;

/// Puts the query of a request back into its key, if there are names that begin with the key and `?`.
pub(crate) fn put_back_query(store: Store, request: &mut StoreRequest) {
    let Some(query) = request.query.take() else { return };
    let beginning = format!("{}?", request.key);
    let is_name =
        |view: &View| Hierarchy::of(&request.manifest, *view).nodes_beginning(&beginning).next().is_some();
    if store.views.iter().any(is_name) {
        request.key = with_query(&request.key, &query);
        request.put_back = format!("%3F{}", encoded_path(&query));
    }
}

fn with_query(key: &str, query: &str) -> String {
    let query = percent_decode_str(query).decode_utf8_lossy();
    format!("{key}?{}", query.trim_end_matches('/'))
}

/// The arrays that a client may have meant when `#` was cut off with what follows.
fn arrays_cut_to<'h>(hierarchy: &'h Hierarchy, key: &str) -> Vec<&'h ZarrArray> {
    let beginning = format!("{key}#");
    let nodes = hierarchy.nodes_beginning(&beginning).filter_map(|node| match node {
        Node::Array(array) => Some(array.as_ref()),
        Node::Group(_) => None,
    });
    nodes.collect()
}

/// Answers a key that is the beginning of names with `#`: the chunk, if all that can be meant have the same bytes.
///
/// Gives `Ok(None)` for a key that no such name begins with.
///
/// # Errors
/// 400 if it cannot be told what was asked for.
pub(crate) async fn answer(store: Store, request: &StoreRequest) -> Result<Option<Response>, Problem> {
    let views = store.views.iter().map(|view| Hierarchy::of(&request.manifest, *view));
    let views: Vec<Arc<Hierarchy>> = views.collect();
    let found: Vec<&ZarrArray> = views.iter().flat_map(|view| arrays_cut_to(view, &request.key)).collect();
    let Some(first) = found.first() else { return Ok(None) };
    if found.len() > MAX_MEANT || !are_same_bytes(request, &found).await? {
        return Err(ambiguous(&request.key));
    }
    chunk::answer(request, first, &first_index(first)).await.map(Some)
}

/// True if each array has one chunk and all of them have one entity tag.
async fn are_same_bytes(request: &StoreRequest, arrays: &[&ZarrArray]) -> Result<bool, Problem> {
    let mut tags = HashSet::new();
    for array in arrays {
        if array.grid.n_chunks() != 1 {
            return Ok(false);
        }
        let Some(head) = request.chunks(array)?.head(&first_index(array)).await? else { return Ok(false) };
        tags.insert(head.etag);
    }
    Ok(tags.len() == 1)
}

fn first_index(array: &ZarrArray) -> ChunkIndex {
    vec![0; array.shape().len()]
}

/// Refuses the listing of a node whose path is also the beginning of names with `#`, but for browsers.
///
/// # Errors
/// 400, as [`answer`].
pub(crate) fn check_listing(store: Store, request: &StoreRequest) -> Result<(), Problem> {
    let accept = request.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_cut =
        |view: &View| !arrays_cut_to(&Hierarchy::of(&request.manifest, *view), &request.key).is_empty();
    if accept.contains("text/html") || !store.views.iter().any(is_cut) {
        return Ok(());
    }
    Err(ambiguous(&request.key))
}

fn ambiguous(key: &str) -> Problem {
    let message = format!(
        "'{key}' is the beginning of names with '#': the client cut its URL there, '#' must be sent as %23"
    );
    Error::new(ErrorKind::InvalidInput, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_put_back() {
        assert_eq!(with_query("x", "y/c/0"), "x?y/c/0");
        assert_eq!(with_query("x", "y%20z/0.0"), "x?y z/0.0");
    }
}
