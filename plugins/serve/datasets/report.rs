//! The report of a dataset: which route each variable takes, what is left out and why.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use thermocline_core::Error;
use thermocline_core::cold::Locality;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::{Reader, Route};
use thermocline_model::{
    ChunkPart, ChunkRef, ChunkTable, Dataset, Object, ObjectIdentity, Place, Refusal, Variable, Verification,
};
use thermocline_zarr::{Hierarchy, View, ZarrArray, codec_names};

use crate::decoded::typestr;

/// The report of a dataset that cannot be opened.
pub(crate) fn refused(id: &str, reason: &str) -> Value {
    json!({"dataset": id, "refused": reason, "objects": [], "variables": {}, "notes": []})
}

/// The report of a dataset. Reads chunk tables, never the archive.
///
/// # Errors
/// A chunk table that cannot be read.
pub(crate) async fn report(reader: &Reader, manifest: &Arc<Manifest>) -> Result<Value, Error> {
    let dataset = &manifest.dataset;
    let hierarchy = Hierarchy::of(manifest, View::V2);
    let mut variables = Map::new();
    for (path, variable) in dataset.root.variables_below() {
        let described = match hierarchy.array(&path) {
            Some(array) => served(reader, manifest, variable, array).await?,
            None => json!({"route": "refused", "reason": "its type has no Zarr counterpart",
                "dtype": typestr(&variable.dtype), "shape": variable.shape}),
        };
        variables.insert(path, described);
    }
    for Refusal { path, reason, dtype, shape } in &dataset.refusals {
        let described = json!({"route": "refused", "reason": reason, "dtype": dtype, "shape": shape});
        variables.insert(path.clone(), described);
    }
    Ok(json!({
        "dataset": manifest.id.as_str(),
        "refused": null,
        "objects": objects(reader, dataset),
        "variables": variables,
        "notes": notes(manifest),
    }))
}

async fn served(
    reader: &Reader,
    manifest: &Arc<Manifest>,
    variable: &Variable,
    array: &ZarrArray,
) -> Result<Value, Error> {
    let route = reader.route(manifest, variable, &array.form).await?;
    let table = manifest.table(variable).await?;
    let codecs = variable.storage.encodings.first().map(|encoding| codec_names(&encoding.codecs));
    let stored_bytes = table.stored_bytes();
    Ok(json!({
        "route": route_name(route),
        "dtype": typestr(&variable.dtype),
        "shape": variable.shape,
        "chunks": variable.storage.served_chunk_shape,
        "codecs": codecs.unwrap_or_default(),
        "n_chunks": array.grid.n_chunks(),
        "stored_bytes": stored_bytes,
        "online_bytes": online_bytes(reader, manifest, &table).await?,
    }))
}

/// Bytes of stored chunks that can be read now, as far as that is known without asking.
async fn online_bytes(
    reader: &Reader,
    manifest: &Arc<Manifest>,
    table: &Arc<ChunkTable>,
) -> Result<u64, Error> {
    let is_online = |part: &ChunkPart| match part.place {
        Place::Object(number) | Place::Format(number) | Place::Assembled(number) => {
            let object = manifest.dataset.objects.get(number as usize);
            object.and_then(|object| reader.locality(object)).is_none_or(Locality::is_online)
        }
        Place::Inline => true,
    };
    let cold: HashSet<ChunkPart> = table.parts().iter().filter(|part| !is_online(part)).copied().collect();
    if cold.is_empty() {
        return Ok(table.stored_bytes());
    }
    // There may be millions of them.
    let table = Arc::clone(table);
    let counted = tokio::task::spawn_blocking(move || {
        let is_stored = |chunk: &ChunkRef| !matches!(chunk.part.place, Place::Assembled(_));
        let online = table.iter().filter(|(_, chunk)| !cold.contains(&chunk.part) && is_stored(chunk));
        online.map(|(_, chunk)| u64::from(chunk.len_bytes)).sum()
    });
    counted.await.map_err(|cause| Error::internal("a report was not finished").with_source(cause))
}

fn route_name(route: Route) -> &'static str {
    match route {
        Route::Ranges => "ranges",
        Route::Inline => "inline",
        Route::Derived => "derived",
        Route::Mixed => "mixed",
    }
}

fn objects(reader: &Reader, dataset: &Dataset) -> Vec<Value> {
    let described = dataset.objects.iter().enumerate().map(|(number, described)| {
        let locality = reader.locality(described).unwrap_or(Locality::Online);
        object(number, described, locality)
    });
    described.collect()
}

fn object(number: usize, object: &Object, locality: Locality) -> Value {
    let identity = match &object.identity {
        ObjectIdentity::Modified { mtime_ns, inode } => format!("mtime {mtime_ns} ns, inode {inode}"),
        ObjectIdentity::ETag(etag) => format!("etag {etag}"),
    };
    json!({"n": number, "href": shown_href(&object.href), "bytes": object.len_bytes, "identity": identity,
        "locality": locality.as_str()})
}

/// URLs as they are; of files on this machine the name only.
fn shown_href(href: &str) -> &str {
    if href.contains("://") {
        return href;
    }
    href.rsplit('/').next().unwrap_or(href)
}

fn notes(manifest: &Manifest) -> Vec<Value> {
    let dataset = &manifest.dataset;
    let noted = dataset.notes.iter().map(|note| json!({"path": note.path, "note": note.note}));
    let unverified = dataset.root.variables_below().into_iter().filter_map(|(path, variable)| {
        let Verification::Unverified { reason } = &variable.verification else { return None };
        Some(json!({"path": path, "note": format!("not compared with the reference library: {reason}")}))
    });
    noted.chain(unverified).collect()
}
