//! What every provider of datasets must do.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, ensure};
use thermocline_core::catalog::{Provider, SourceSpec};

/// Checks a provider of which nothing changes meanwhile: it declares the same datasets in the same order each time,
/// at places that do not depend on the working directory, and says where each declaration stands.
///
/// # Errors
/// The first claim that does not hold.
pub async fn provider(provider: &dyn Provider) -> anyhow::Result<()> {
    let specs = provider.specs().await.context("the first time")?;
    let problems = provider.problems();
    for _ in 0..2 {
        let again = provider.specs().await.context("another time")?;
        ensure!(specs == again, "asked again it declares something else");
        ensure!(problems == provider.problems(), "asked again it has other problems");
    }
    let distinct: BTreeSet<String> = problems.iter().cloned().collect();
    ensure!(distinct.len() == problems.len(), "a problem is told twice: {problems:?}");
    for spec in &specs {
        let id = &spec.id;
        ensure!(!spec.origin.is_empty(), "{id}: nobody knows where it is declared");
        match &spec.source {
            SourceSpec::Object(href) | SourceSpec::Directory(href) => {
                ensure!(
                    href.contains("://") || Path::new(href).is_absolute(),
                    "{id}: {href} is not absolute"
                );
            }
            SourceSpec::Refused(reason) => ensure!(!reason.is_empty(), "{id}: refused without a reason"),
        }
    }
    for path in provider.watched() {
        ensure!(path.is_absolute(), "{} is watched, which is not absolute", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use thermocline_core::bytes::{ObjectSettings, Objects, Root};
    use thermocline_core::catalog::DirectoryProvider;

    use super::*;

    #[tokio::test]
    async fn folders_and_files_conform() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.nc", "b.h5", "notes.txt"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let roots = vec![Root::directory(folder.path()).unwrap()];
        let objects = Objects::new(roots, ObjectSettings::default(), tokio::runtime::Handle::current());
        for place in [folder.path().to_owned(), folder.path().join("a.nc"), folder.path().join("later.nc")] {
            let place = place.to_str().unwrap().to_owned();
            let directory = DirectoryProvider::new(place, Arc::clone(&objects) as _, Vec::new());
            provider(&directory).await.unwrap();
            assert!(!directory.specs().await.unwrap().is_empty());
        }
    }
}
