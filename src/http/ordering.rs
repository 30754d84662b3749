//! From a selection of a dataset to the objects that it needs: for every face that has them brought online.

use std::collections::BTreeSet;
use std::sync::Arc;

use thermocline_core::Error;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::{Selection, objects, resolve};
use thermocline_core::staging::{Staging, Wanted};

use crate::Problem;
use crate::identity::Paths;
use crate::lists::wanted;

/// The objects that hold a chunk of a selection of these variables; of all without names.
///
/// # Errors
/// 400 for a selection that is empty, outside the dataset, or needs no object.
pub async fn needed(
    staging: &Staging,
    manifest: &Arc<Manifest>,
    selection: &Selection,
    variables: &[String],
) -> Result<Vec<Wanted>, Problem> {
    let resolved = Arc::new(resolve(manifest, selection, variables).await?);
    let numbers = objects(manifest, &resolved).await?;
    // What a dataset needs is under the rule of the dataset.
    let (manifest, paths) = (Arc::clone(manifest), Paths::all(Arc::clone(staging.namespace())));
    let naming = tokio::task::spawn_blocking(move || named(&manifest, &paths, &numbers));
    naming.await.map_err(|_| Error::internal("naming the objects of a selection stopped by a mistake"))?
}

/// What objects of a dataset are called. There may be very many of them.
fn named(manifest: &Manifest, paths: &Paths, numbers: &[u32]) -> Result<Vec<Wanted>, Problem> {
    let sources = &manifest.dataset.objects;
    let found = numbers.iter().filter_map(|number| sources.get(*number as usize));
    // One file may be several objects of a dataset that was put together from references.
    let hrefs: BTreeSet<&str> = found.map(|object| &*object.href).collect();
    if hrefs.is_empty() {
        return Err(Problem::invalid_input(
            "the selection needs no object: all its values are kept with the index",
        ));
    }
    Ok(hrefs.into_iter().map(|href| wanted(paths, href)).collect())
}
