//! Finds the places where harvests look.

use std::path::{Path, PathBuf};

use thermocline_core::catalog::{DatasetSpec, HarvestPlace, HarvestSpec, SourceSpec};

use crate::declare::{DeclaredHarvest, Look};
use crate::find::{Places, is_pattern};

/// A harvest with its places; a refused dataset if it cannot be made.
pub(crate) fn found(
    harvest: &DeclaredHarvest,
    places: &Places<'_>,
    is_harvested: bool,
) -> Result<HarvestSpec, Box<DatasetSpec>> {
    let refused = |reason: String| {
        let source = SourceSpec::Refused(reason);
        Box::new(DatasetSpec { source, ..harvest.spec.template.clone() })
    };
    if let Some(reason) = &harvest.refused {
        return Err(refused(reason.clone()));
    }
    if !is_harvested {
        return Err(refused("this program does not look for what `harvest` names".to_owned()));
    }
    let found: Result<Vec<HarvestPlace>, String> =
        harvest.looks.iter().map(|look| place(look, places)).collect();
    let found = found.map_err(refused)?;
    for place in &found {
        let source = SourceSpec::Directory(place.base.clone());
        let format = harvest.spec.template.format.as_deref();
        if let SourceSpec::Refused(reason) = places.on_store(source, harvest.store.as_deref(), format) {
            return Err(refused(reason));
        }
    }
    Ok(HarvestSpec { places: found, ..harvest.spec.clone() })
}

fn place(look: &Look, places: &Places<'_>) -> Result<HarvestPlace, String> {
    match look {
        Look::Below { path, include, .. } if path.contains("://") => {
            Ok(HarvestPlace { base: path.trim_end_matches('/').to_owned(), include: include.clone() })
        }
        Look::Below { path, root, include } => {
            let base = folder(path.trim_end_matches('/'), root.as_deref(), places)?;
            Ok(HarvestPlace { base, include: include.clone() })
        }
        Look::Matching { pattern, root } => matching(pattern, root.as_deref(), places),
    }
}

/// The folder before the first part of a pattern that leaves names open, and what it has to match below.
fn matching(pattern: &str, root: Option<&str>, places: &Places<'_>) -> Result<HarvestPlace, String> {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    // The last part is a name below the folder, whatever it is.
    let n_fixed =
        parts.iter().take_while(|part| !is_pattern(part)).count().min(parts.len().saturating_sub(1));
    let (fixed, open) = parts.split_at(n_fixed);
    let base = folder(&fixed.join("/"), root, places)?;
    Ok(HarvestPlace { base, include: vec![format!("/{}", open.join("/"))] })
}

/// The folder below the root of the name, or below the first root that has it.
fn folder(path: &str, root: Option<&str>, places: &Places<'_>) -> Result<String, String> {
    let bases = places.bases(root)?;
    let below = |base: &String| {
        let base = base.trim_end_matches('/');
        if base.contains("://") {
            let is_root = path.is_empty();
            return Some(if is_root { base.to_owned() } else { format!("{base}/{path}") });
        }
        let folder: PathBuf = Path::new(base).join(path);
        folder
            .is_dir()
            .then(|| folder.to_str().map(|folder| folder.trim_end_matches('/').to_owned()))
            .flatten()
    };
    let found = bases.iter().find_map(below);
    found.ok_or_else(|| format!("no folder {path:?} is below {}", bases.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use thermocline_core::catalog::DatasetPer;

    use super::*;

    fn harvest(entry: &str, folder: &Path, is_harvested: bool) -> Result<HarvestSpec, String> {
        let file =
            crate::yaml::parse(&format!("defaults: {{license: MIT}}\nharvest:\n  - {{{entry}}}\n")).unwrap();
        let declared = crate::declare::parsed(&file, Path::new("/c.yaml")).harvests.pop().unwrap();
        found(&declared, &Places { roots: &[], folder }, is_harvested).map_err(|spec| match spec.source {
            SourceSpec::Refused(reason) => reason,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_harvest_has_every_key_of_its_entry() {
        let entry = "id: terra, source: {prefix: 's3://terra/fused/', include: ['*.h5'], exclude: ['*_old*'], recursive: false},
            dataset_per: directory, every: 1h, keep_missing: 2d, fields: {year: '\\\\d{4}'}, title: T, format: hdf5";
        let harvest = harvest(&entry.replace("\\\\", "\\"), Path::new("/"), true).unwrap();
        assert_eq!(harvest.id, "terra");
        let place = HarvestPlace { base: "s3://terra/fused".to_owned(), include: vec!["*.h5".to_owned()] };
        assert_eq!(harvest.places, [place]);
        assert_eq!((harvest.exclude, harvest.is_recursive), (vec!["*_old*".to_owned()], false));
        assert_eq!(harvest.dataset_per, DatasetPer::Directory);
        assert_eq!(harvest.every, Some(Duration::from_secs(3600)));
        assert_eq!(harvest.keep_missing, Duration::from_secs(2 * 86_400));
        assert_eq!(harvest.fields, [("year".to_owned(), "\\d{4}".to_owned())]);
        assert_eq!(harvest.template.title.as_deref(), Some("T"));
        assert_eq!(harvest.template.format.as_deref(), Some("hdf5"));
        assert_eq!(harvest.template.about.license.as_deref(), Some("MIT"));
        assert_eq!(harvest.template.origin, "/c.yaml:3");
    }

    #[test]
    fn paths_are_looked_for_below_their_fixed_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let base = |below: &str| dir.path().join(below).to_str().unwrap().to_owned();
        let found =
            harvest("id: h, source: {paths: ['a/b/*/t_*.nc', 'a/*.nc', 'a/b/t.nc']}", dir.path(), true)
                .unwrap();
        let place = |below: &str, include: &str| HarvestPlace {
            base: base(below),
            include: vec![include.to_owned()],
        };
        assert_eq!(found.places, [place("a/b", "/*/t_*.nc"), place("a", "/*.nc"), place("a/b", "/t.nc")]);
        let below = harvest("id: h, source: {prefix: 'a/b/'}", dir.path(), true).unwrap();
        assert_eq!(below.places, [HarvestPlace { base: base("a/b"), include: Vec::new() }]);
        assert_eq!((below.every, below.keep_missing), (None, HarvestSpec::KEEP_MISSING));
        assert!(below.is_recursive);
    }

    #[test]
    fn what_cannot_be_harvested_is_refused_with_the_reason() {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        for (rest, word) in [
            ("source: {prefix: 'none/'}", "no folder"),
            ("source: {store: 'a.zarr'}", "not for `store`"),
            ("source: {stac: {url: 'https://x', collections: [c]}}", "`source.stac`"),
            ("source: {prefix: 'a/'}, aggregate: {join: time}", "`aggregate`"),
            ("source: {prefix: 's3://a/b/'}, cold: tape", "`cold`"),
        ] {
            let reason = harvest(&format!("id: h, {rest}"), dir.path(), true).unwrap_err();
            assert!(reason.contains(word), "{rest}: {reason}");
        }
        let reason = harvest("id: h, source: {prefix: 's3://a/b/'}", dir.path(), false).unwrap_err();
        assert!(reason.contains("`harvest`"), "{reason}");
    }
}
