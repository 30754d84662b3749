//! The datasets of a folder, for programs that checks ask.

use std::sync::Arc;

use thermocline_core::Result;
use thermocline_core::bytes::{ObjectOpener, ObjectSettings, Objects, Root};
use thermocline_core::catalog::{Catalog, CatalogParts, CatalogSettings, DirectoryProvider};
use thermocline_core::index::{IndexSettings, IndexStore};
use thermocline_core::reference::InProcess;
use thermocline_core::verify::VerifyLevel;

/// The catalog of a folder, indexed into a state folder. Files may name others below `roots`.
pub(crate) fn catalog(folder: &str, state: &str, roots: &[String]) -> Result<Catalog> {
    let formats = thermocline::Registry::builtin().formats().to_vec();
    let runtime = tokio::runtime::Handle::current();
    let roots = roots.iter().map(String::as_str).chain([folder]).map(Root::directory);
    let roots = roots.collect::<Result<Vec<_>>>()?;
    let opener: Arc<dyn ObjectOpener> = Objects::new(roots, ObjectSettings::default(), runtime);
    let provider = DirectoryProvider::new(folder.to_owned(), Arc::clone(&opener), formats.clone());
    Ok(Catalog::new(CatalogParts {
        providers: vec![Arc::new(provider)],
        index: Arc::new(IndexStore::open(IndexSettings::new(state))?),
        opener,
        formats,
        references: Arc::new(InProcess),
        settings: CatalogSettings { verify: VerifyLevel::Off, ..CatalogSettings::default() },
    }))
}
