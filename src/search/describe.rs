//! From a manifest to what catalogs tell of it.

use thermocline_core::manifest::Manifest;

use crate::summary::{SourceObject, Span, Summary};

/// Most source objects that a summary names.
const MAX_SOURCES: usize = 100;

/// The collection of datasets for which the catalog names none.
pub(crate) const DEFAULT_COLLECTION: &str = "datasets";

/// What catalogs tell of a dataset. Blocking: coordinates are read from the index. Never touches the archive.
pub fn describe(manifest: &Manifest) -> Summary {
    let about = &manifest.spec.about;
    let dataset = &manifest.dataset;
    Summary {
        id: manifest.id.to_string(),
        collection: about.collection.clone().unwrap_or_else(|| DEFAULT_COLLECTION.to_owned()),
        title: manifest.title().map(str::to_owned),
        description: manifest.description().map(str::to_owned),
        keywords: about.keywords.clone(),
        providers: about.providers.clone(),
        license: about.license.clone(),
        license_url: about.license_url.clone(),
        version: about.version.clone(),
        doi: about.doi.clone(),
        extent: None,
        span: Span { start_us: 0, end_us: 0, is_instant: true, note: None },
        dimensions: Vec::new(),
        variables: Vec::new(),
        attributes: Vec::new(),
        sources: dataset
            .objects
            .iter()
            .take(MAX_SOURCES)
            .map(|object| SourceObject { href: object.href.clone(), len_bytes: object.len_bytes })
            .collect(),
        n_sources: dataset.objects.len() as u64,
        len_bytes: dataset.objects.iter().map(|object| object.len_bytes).sum(),
        format: manifest.format.clone(),
        created_ns: 0,
        updated_ns: 0,
    }
}
