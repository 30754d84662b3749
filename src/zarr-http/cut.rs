//! URLs that clients cut: names with `#` and `?` in them.
//!
//! fsspec and aiohttp take what is behind `#` for a fragment and do not send it, and what is behind `?` for a
//! query, unless the client encodes both. The query can be put back. Of a name with `#` only the beginning
//! arrives, which is no key: its answer must not be 404, which reads as the fill value, nor a listing, which
//! reads as a chunk.

use std::sync::Arc;

use axum::response::Response;
use http::header::ACCEPT;
use percent_encoding::percent_decode_str;
use thermocline_core::{Error, ErrorKind};
use thermocline_http::Problem;
use thermocline_zarr::{Hierarchy, Node, View, ZarrArray};

use crate::href::encoded_path;
use crate::{Store, StoreRequest, chunk};

/// Puts the query of a request back into its key, if there are names that begin with the key and `?`.
pub(crate) fn put_back_query(store: Store, request: &mut StoreRequest) {
    let Some(query) = request.query.take() else { return };
    let beginning = format!("{}?", request.key);
    let is_name =
        |view: &View| Hierarchy::of(&request.manifest, *view).nodes_beginning(&beginning).next().is_some();
    if store.views.iter().any(is_name) {
        request.key = with_query(&request.key, &query);
        request.path = format!("{}%3F{}", request.path, encoded_path(&query));
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

/// Answers a key that is the beginning of names with `#`: the chunk, if no other can be meant.
///
/// Gives `Ok(None)` for a key that no such name begins with.
///
/// # Errors
/// 400 if it cannot be told what was asked for.
pub(crate) async fn answer(store: Store, request: &StoreRequest) -> Result<Option<Response>, Problem> {
    let views = store.views.iter().map(|view| Hierarchy::of(&request.manifest, *view));
    let found: Vec<Arc<Hierarchy>> =
        views.filter(|hierarchy| !arrays_cut_to(hierarchy, &request.key).is_empty()).collect();
    if found.is_empty() {
        return Ok(None);
    }
    match only_chunk(found.iter().map(AsRef::as_ref), &request.key) {
        Some(array) => {
            let index = vec![0; array.shape().len()];
            chunk::answer(request, array, &index).await.map(Some)
        }
        None => Err(ambiguous(&request.key)),
    }
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

/// The array whose name was cut, if it is the only one, has one chunk, and has the same bytes in all views.
fn only_chunk<'h>(mut views: impl Iterator<Item = &'h Hierarchy>, key: &str) -> Option<&'h ZarrArray> {
    let only = |hierarchy: &'h Hierarchy| match arrays_cut_to(hierarchy, key).as_slice() {
        [array] if array.grid.n_chunks() == 1 => Some(*array),
        _ => None,
    };
    let first = only(views.next()?)?;
    let is_same = |other: &ZarrArray| other.path == first.path && other.form == first.form;
    views.all(|view| only(view).is_some_and(is_same)).then_some(first)
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
