//! From a manifest to what catalogs tell of it.
//!
//! # Specification
//! | what | from |
//! |---|---|
//! | extent | latitudes and longitudes of data variables, else their mesh, HEALPix pixels or map projection; cell bounds |
//! | span | coordinates of time with their bounds, else `time_coverage_start` and `_end`, `date_created`, the newest object |
//! | dimensions, variables | the STAC extension `datacube` 2.3 |
//! | attributes | those that [`SearchableAttributes`] names, and the fields that the catalog found in names of sources |
//!
//! What the catalog entry says goes before what the data say.
//!
//! # Limits
//! Coordinates that are not kept with the manifest or cannot be decoded make a part of the summary missing, never
//! wrong: a dataset with a grid of which nobody knows where it lies has no extent, and a span without all of its times
//! carries a note. [`MAX_VARIABLES`], [`MAX_GROUPS`] and [`MAX_SOURCES`] bound what is told of huge datasets; extent and
//! span are those of the variables within, and a note says so.

mod attributes;
mod coordinates;
mod dimensions;
mod instants;
mod place;
mod steps;
mod times;
mod tree;
mod variables;

#[cfg(test)]
mod tests;

use thermocline_core::manifest::Manifest;

use crate::summary::{Extent, SourceObject, Summary};
use coordinates::Coordinates;
use tree::DataVariable;

pub use attributes::SearchableAttributes;
pub use place::union_of_boxes;

/// Most source objects that a summary names.
const MAX_SOURCES: usize = 100;

/// Most variables that a summary tells of.
const MAX_VARIABLES: usize = 10_000;

/// Most groups with variables that a summary tells of.
const MAX_GROUPS: usize = 1_000;

/// The collection of datasets for which the catalog names none.
pub(crate) const DEFAULT_COLLECTION: &str = "datasets";

/// What catalogs tell of a dataset. Blocking: coordinates are read from the index. Never touches the archive.
pub fn describe(manifest: &Manifest) -> Summary {
    describe_with(manifest, &SearchableAttributes::default())
}

/// What catalogs tell of a dataset, with these of its global attributes searchable. Blocking, as [`describe`].
pub fn describe_with(manifest: &Manifest, searchable: &SearchableAttributes) -> Summary {
    let about = &manifest.spec.about;
    let dataset = &manifest.dataset;
    let root = &dataset.root;
    let tree = tree::variables(root);
    let coordinates = Coordinates::of(manifest);
    let dimensions = dimensions::of(&tree, &coordinates);
    let (license, license_url) = attributes::license(about, &root.attrs);
    Summary {
        id: manifest.id.to_string(),
        collection: about.collection.clone().unwrap_or_else(|| DEFAULT_COLLECTION.to_owned()),
        title: manifest.title().map(str::to_owned),
        description: manifest
            .description()
            .map(str::to_owned)
            .or_else(|| attributes::text(&root.attrs, "comment")),
        keywords: attributes::keywords(about, &root.attrs),
        providers: attributes::providers(about, &root.attrs),
        license,
        license_url,
        version: about.version.clone(),
        doi: about.doi.clone().or_else(|| attributes::doi(&root.attrs)),
        extent: extent(manifest, &tree.data, &coordinates),
        span: times::span(manifest, &tree, &coordinates),
        dimensions,
        variables: variables::of(&tree),
        attributes: attributes::searchable(searchable, about, &root.attrs),
        sources: dataset
            .objects
            .iter()
            .take(MAX_SOURCES)
            .map(|object| SourceObject { href: object.href.clone(), len_bytes: object.len_bytes })
            .collect(),
        n_sources: dataset.objects.len() as u64,
        len_bytes: dataset.objects.iter().fold(0, |sum, object| sum.saturating_add(object.len_bytes)),
        format: manifest.format.clone(),
        created_ns: 0,
        updated_ns: 0,
    }
}

fn extent(manifest: &Manifest, data: &[DataVariable<'_>], coordinates: &Coordinates<'_>) -> Option<Extent> {
    let about = &manifest.spec.about;
    match about.bbox {
        Some(bbox) => Some(Extent { bbox, footprint: None }),
        None => place::of(data, coordinates, about.has_footprint),
    }
}
