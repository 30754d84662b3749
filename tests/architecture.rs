//! Rules of the architecture that the compiler does not enforce: who may depend on whom, how files begin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Folders of all crates, relative to the repository, with the names of what they are built from.
fn crates() -> BTreeMap<String, Vec<String>> {
    let repository = repository();
    let manifests =
        ["src/*", "plugins/*/*", "tests"].into_iter().flat_map(|pattern| expand(&repository, pattern));
    manifests
        .map(|folder| {
            let table: toml::Table =
                read(&repository.join(&folder).join("Cargo.toml")).parse().expect("TOML");
            let names = |key: &str| {
                let dependencies = table.get(key).and_then(toml::Value::as_table);
                dependencies.into_iter().flat_map(toml::Table::keys).cloned().collect::<Vec<_>>()
            };
            (folder, names("dependencies"))
        })
        .collect()
}

/// Folders that match a pattern with `*` for one level and hold a `Cargo.toml`.
pub(crate) fn expand(repository: &Path, pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for level in pattern.split('/') {
        found = found
            .into_iter()
            .flat_map(|folder| {
                let names =
                    if level == "*" { folders(&repository.join(&folder)) } else { vec![level.to_owned()] };
                names
                    .into_iter()
                    .map(move |name| format!("{folder}/{name}").trim_start_matches('/').to_owned())
            })
            .collect();
    }
    found.retain(|folder| repository.join(folder).join("Cargo.toml").is_file());
    found
}

fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Dependencies of one crate that are not among those allowed.
fn beyond<'a>(found: &'a BTreeMap<String, Vec<String>>, folder: &str, allowed: &[&str]) -> Vec<&'a String> {
    let own = found.get(folder).unwrap_or_else(|| panic!("no crate {folder}"));
    own.iter().filter(|name| name.starts_with("thermocline") && !allowed.contains(&name.as_str())).collect()
}

const LIBRARIES: [&str; 4] =
    ["thermocline-model", "thermocline-codec", "thermocline-core", "thermocline-zarr"];

const SEARCH: &str = "thermocline-search";

/// What draws, of which only what serves plots knows.
const DRAWING: [&str; 2] = ["thermocline-plot", "thermocline-render"];

/// What computes diagnostics, of which what serves them, and plots of them, know.
const GROUPBY: &str = "thermocline-groupby";

const HTTP: [&str; 2] = ["thermocline-http", "thermocline-zarr-http"];

#[test]
fn dependencies_point_from_the_server_to_the_model() {
    let found = crates();
    let none: [&String; 0] = [];
    assert_eq!(beyond(&found, "src/model", &[]), none);
    assert_eq!(beyond(&found, "src/codec", &LIBRARIES[..1]), none);
    assert_eq!(beyond(&found, "src/core", &LIBRARIES[..2]), none);
    assert_eq!(beyond(&found, "src/zarr", &LIBRARIES[..3]), none);
    assert_eq!(beyond(&found, "src/render", &LIBRARIES[..1]), none);
    assert_eq!(beyond(&found, "src/plot", &[&LIBRARIES[..3], &DRAWING[1..]].concat()), none);
    assert_eq!(beyond(&found, "src/groupby", &LIBRARIES[..3]), none);
    assert_eq!(beyond(&found, "src/search", &LIBRARIES[..3]), none);
    assert_eq!(beyond(&found, "src/http", &[&LIBRARIES[..3], &[SEARCH]].concat()), none);
    assert_eq!(beyond(&found, "src/catalog-files", &LIBRARIES[..3]), none);
}

#[test]
fn plugins_never_depend_on_plugins() {
    let found = crates();
    for (folder, dependencies) in found.iter().filter(|(folder, _)| folder.starts_with("plugins/")) {
        let others: Vec<&String> = dependencies
            .iter()
            .filter(|name| {
                ["thermocline-format-", "thermocline-serve-", "thermocline-cold-"]
                    .iter()
                    .any(|kind| name.starts_with(kind))
            })
            .collect();
        assert!(others.is_empty(), "{folder} depends on {others:?}");
    }
}

#[test]
fn formats_and_cold_stores_never_see_http() {
    let found = crates();
    let is_blind = |folder: &&String| {
        ["plugins/format/", "plugins/cold/", "src/core", "src/model", "src/codec"]
            .iter()
            .any(|kind| folder.starts_with(kind))
    };
    for folder in found.keys().filter(is_blind) {
        for name in ["axum", "hyper", "tower-http", "thermocline-http", "thermocline-zarr-http"] {
            assert!(!found[folder].iter().any(|dependency| dependency == name), "{folder} depends on {name}");
        }
    }
}

#[test]
fn the_model_has_no_io_clock_async_or_json() {
    let found = crates();
    for name in ["tokio", "serde", "serde_json", "futures", "hdf5", "object_store"] {
        assert!(
            !found["src/model"].iter().any(|dependency| dependency == name),
            "src/model depends on {name}"
        );
    }
}

#[test]
fn the_reference_libraries_are_linked_by_formats_only() {
    for (folder, dependencies) in &crates() {
        let is_format = folder.starts_with("plugins/format/");
        let linked: Vec<&String> = dependencies
            .iter()
            .filter(|name| ["hdf5", "hdf5-sys", "netcdf", "netcdf-sys"].contains(&name.as_str()))
            .collect();
        assert!(is_format || linked.is_empty(), "{folder} links {linked:?}");
    }
}

#[test]
fn cold_stores_use_the_libraries_only() {
    let found = crates();
    for folder in found.keys().filter(|folder| folder.starts_with("plugins/cold/")) {
        let others = beyond(&found, folder, &LIBRARIES);
        assert!(others.is_empty(), "{folder} depends on {others:?}");
    }
}

#[test]
fn serving_plugins_use_the_libraries_and_http_only() {
    let found = crates();
    let allowed: Vec<&str> = LIBRARIES.iter().chain(&HTTP).chain([&SEARCH]).copied().collect();
    let drawing = [allowed.as_slice(), &DRAWING, &[GROUPBY]].concat();
    let grouping = [allowed.as_slice(), &[GROUPBY]].concat();
    for folder in found.keys().filter(|folder| folder.starts_with("plugins/serve/")) {
        let others = match folder.as_str() {
            "plugins/serve/plot" => beyond(&found, folder, &drawing),
            "plugins/serve/groupby" => beyond(&found, folder, &grouping),
            _ => beyond(&found, folder, &allowed),
        };
        assert!(others.is_empty(), "{folder} depends on {others:?}");
    }
}

/// Every Rust file of the repository.
fn rust_files() -> Vec<PathBuf> {
    let repository = repository();
    let files = ["src", "plugins", "tests", "benches"].into_iter().flat_map(move |folder| {
        WalkDir::new(repository.join(folder)).into_iter().flatten().map(walkdir::DirEntry::into_path)
    });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<PathBuf> = rust_files()
        .into_iter()
        // Tests beside a module are explained by it.
        .filter(|path| !path.ends_with("tests.rs") && !read(path).starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "files that do not begin with //!: {silent:#?}");
}

#[test]
fn modules_are_files_of_their_own_name() {
    let old: Vec<PathBuf> = rust_files().into_iter().filter(|path| path.ends_with("mod.rs")).collect();
    assert!(old.is_empty(), "use foo.rs and foo/ instead of {old:#?}");
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let allowing: Vec<PathBuf> = rust_files()
        .into_iter()
        .filter(|path| !path.ends_with("architecture.rs") && read(path).contains("#[allow("))
        .collect();
    assert!(allowing.is_empty(), "use #[expect(…, reason = …)] in {allowing:#?}");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let repository = repository();
    for folder in crates().keys() {
        let manifest = read(&repository.join(folder).join("Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder}/Cargo.toml has no lints");
    }
}
