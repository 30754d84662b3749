use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use thermocline_core::catalog::{DatasetSpec, Provider, SourceSpec};
use thermocline_core::clock::ManualClock;

use super::*;

fn write(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn mistakes_of(name: &str, text: &str) -> Vec<Mistake> {
    let dir = TempDir::new().unwrap();
    check(&[write(&dir, name, text)], None)
}

/// One dataset with these keys besides id and source, on line 3.
fn with(keys: &str) -> String {
    format!("version: 1\ndatasets:\n  - {{id: a, source: {{paths: [a.nc]}}, {keys}}}\n")
}

#[test]
fn a_file_without_mistakes_has_none() {
    let full = r#"# `no`, `on`, `off` and `y` are text in YAML 1.2
version: 1
defaults: {license: CC-BY-4.0, collection: reanalysis, keywords: [reanalysis]}
collections:
  - {id: reanalysis, title: Reanalyses, description: Gridded reanalyses., license: other}
datasets:
  - {id: no, title: on, keywords: [off, y], source: {paths: [no.nc]}}
  - id: era5.t2m
    source: {paths: ["era5/t2m_*.nc"], root: archive}
    aggregate: {join: time, sort: true, duplicates: first, mismatch: derive}
    attributes: {encoding: true, global: {comment: null}, variables: {t2m: {scale_factor: 0.1}}}
    spatial: {bbox: [170, -10, -170, 10], geometry: footprint}
    temporal: ["1940-01-01T00:00:00Z", "2024-12-31T23:00:00Z"]
    doi: 10.24381/cds.adbb2d47
families:
  - id: cmip6.{source_id}.{table_id}
    source: {paths: ["CMIP6/*/{variable_id}_{table_id}_{source_id}_*.nc"]}
    fields: {table_id: "[A-Za-z]+"}
    aggregate: {join: time, union: [variable_id]}
harvest:
  - {id: terra, source: {prefix: "s3://terra/fused/", include: ["*.h5"]}, dataset_per: object, every: 1h}
"#;
    assert_eq!(mistakes_of("a.yaml", full), []);
    assert_eq!(
        mistakes_of("a.toml", "version = 1\n\n[[datasets]]\nid = \"a\"\nsource = { paths = [\"a.nc\"] }\n"),
        []
    );
}

#[test]
fn every_mistake_has_its_line_and_place() {
    for (text, line, place) in [
        (with("titel: x"), 3, "datasets[0].titel"),
        (with("spatial: {bbox: [0, 0, 1, 100]}"), 3, "datasets[0].spatial.bbox[3]"),
        (with("invalidate_after: soon"), 3, "datasets[0].invalidate_after"),
        (with("attributes: {variables: {tas: {scale_factor: 0.1}}}"), 3, "datasets[0].attributes.variables.tas.scale_factor"),
        (with("\n     aggregate: {new: run}"), 4, "datasets[0].aggregate"),
        (with("id: b"), 3, ""),
        (with("title: !!str x"), 3, ""),
        ("datasets: []\n".to_owned(), 1, ""),
        ("version: 2\ndatasets: []\n".to_owned(), 1, "version"),
        ("version: 1\n\ndataset: []\n".to_owned(), 3, "dataset"),
        ("version: 1\ndatasets:\n  - id: a\n    source: {paths: [a.nc, ../b.nc]}\n".to_owned(), 4, "datasets[0].source.paths[1]"),
        ("version: 1\ndatasets:\n  - id: a\n    source:\n      paths: [/a.nc]\n".to_owned(), 5, "datasets[0].source.paths[0]"),
        ("version: 1\ndatasets:\n  - {id: a, source: {}}\n".to_owned(), 3, "datasets[0].source"),
        ("version: 1\ndatasets:\n  - {id: a, source: {paths: [a.nc]}\n".to_owned(), 4, ""),
        ("version: 1\nfamilies:\n  - {id: 'x.{m}', source: {paths: ['{s}.nc']}}\n".to_owned(), 3, "families[0].id"),
        ("version: 1\nfamilies:\n  - {id: 'x.{m}', source: {paths: ['{m}_a.nc',\n      '{s}.nc']}}\n".to_owned(), 3, "families[0].id"),
        ("version: 1\nfamilies:\n  - {id: 'x.{m}', source: {paths: ['{m}[.nc']}}\n".to_owned(), 3, "families[0].source.paths[0]"),
        ("version: 1\nfamilies:\n  - {id: 'x.{m}', source: {paths: ['{m}/**']}}\n".to_owned(), 3, "families[0].source.paths[0]"),
        ("version: 1\nfamilies:\n  - {id: 'x.{m}', fields: {m: '('}, source: {paths: ['{m}.nc']}}\n".to_owned(), 3, "families[0].fields.m"),
        ("version: 1\nfamilies:\n  - {id: 'x.{m}', fields: {n: a}, source: {paths: ['{m}.nc']}}\n".to_owned(), 3, "families[0].fields.n"),
        ("version: 1\nharvest:\n  - {id: h, fields: {n: '['}, source: {prefix: 'a/'}}\n".to_owned(), 3, "harvest[0].fields.n"),
        ("version: 1\nharvest:\n  - {id: h, source: {prefix: 'a/', include: ['a[']}}\n".to_owned(), 3, "harvest[0].source.include[0]"),
        ("version: 1\ncollections:\n  - {id: c, description: C}\n  - {id: c, description: D}\n".to_owned(), 4, ""),
        (with("temporal: ['2000-02-30T00:00:00Z', '2001-01-01T00:00:00Z']"), 3, "datasets[0].temporal[0]"),
        (with("spatial: {bbox: [0, 10, 1, 5]}"), 3, "datasets[0].spatial.bbox"),
        ("version: 1\ndatasets:\n  - {id: a, source: {paths: [a.nc]}}\n  - {id: a, source: {paths: [b.nc]}}\n".to_owned(), 4, ""),
    ] {
        let mistakes = mistakes_of("a.yaml", &text);
        assert_eq!(mistakes.len(), 1, "{text}: {mistakes:?}");
        assert_eq!((mistakes[0].line, mistakes[0].path.as_str()), (line, place), "{text}: {}", mistakes[0]);
    }
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text = "version: 1\ndatasets:\n  - {id: a, titel: x, source: {paths: []}}\n  - {id: .b, source: {paths: [b.nc]}}\n";
    let lines: Vec<usize> = mistakes_of("a.yaml", text).iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [3, 3, 4]);
}

#[test]
fn a_file_that_is_not_utf_8_is_a_mistake_on_its_line() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, b"version: 1\ndatasets:\n  - {id: a, title: \xe9, source: {paths: [a.nc]}}\n").unwrap();
    assert_eq!(check(&[path], None)[0].line, 3);
}

#[test]
fn an_id_of_two_files_is_a_mistake_that_names_both() {
    let dir = TempDir::new().unwrap();
    write(&dir, "a.yaml", &with("title: x"));
    write(&dir, "sub/b.yml", &with("title: x"));
    let mistakes = check(&[dir.path().to_owned()], None);
    assert_eq!(mistakes.len(), 1);
    let said = mistakes[0].to_string();
    assert!(said.contains("b.yml:3") && said.contains("a.yaml:3"), "{said}");
}

#[test]
fn a_root_that_is_not_configured_is_a_mistake_only_with_a_configuration() {
    let dir = TempDir::new().unwrap();
    let file =
        write(&dir, "a.yaml", "version: 1\ndatasets:\n  - {id: a, source: {paths: [a.nc], root: x}}\n");
    assert_eq!(check(std::slice::from_ref(&file), None), []);
    let roots = |name: &str| Configured { roots: vec![name.to_owned()], ..Configured::default() };
    assert_eq!(check(std::slice::from_ref(&file), Some(&roots("x"))), []);
    assert_eq!(check(&[file], Some(&roots("y"))).len(), 1);
}

fn provider(path: &Path) -> CatalogFilesProvider {
    CatalogFilesProvider::new(vec![path.to_owned()], vec![])
}

fn ids(specs: &[DatasetSpec]) -> Vec<&str> {
    specs.iter().map(|spec| spec.id.as_str()).collect()
}

fn dataset(id: &str) -> String {
    format!("version: 1\ndatasets:\n  - {{id: {id}, source: {{urls: ['https://x.org/{id}.nc']}}}}\n")
}

#[tokio::test]
async fn an_entry_declares_its_file_beside_the_catalog_and_says_where_it_stands() {
    let dir = TempDir::new().unwrap();
    write(&dir, "data/a.nc", "x");
    let file = write(
        &dir,
        "c.yaml",
        "version: 1\ndatasets:\n\n  - {id: a, title: T, source: {paths: [data/*.nc]}}\n",
    );
    let specs = provider(&file).specs().await.unwrap();
    let href = dir.path().join("data/a.nc").to_str().unwrap().to_owned();
    assert_eq!(specs[0].source, SourceSpec::Object(href));
    assert_eq!(specs[0].title.as_deref(), Some("T"));
    assert_eq!(specs[0].origin, format!("{}:4", file.display()));
}

#[tokio::test]
async fn a_broken_edit_keeps_the_previous_state_until_it_is_mended() {
    let dir = TempDir::new().unwrap();
    write(&dir, "a.yaml", &dataset("a"));
    write(&dir, "b.yaml", &dataset("b"));
    let provider = provider(dir.path());
    assert_eq!(ids(&provider.specs().await.unwrap()), ["a", "b"]);
    assert_eq!(provider.mistakes(), []);

    write(&dir, "a.yaml", "version: 1\ndatasets: [");
    assert_eq!(ids(&provider.specs().await.unwrap()), ["a", "b"]);
    assert_eq!(provider.problems().len(), 1);

    write(&dir, "a.yaml", &dataset("a2"));
    assert_eq!(ids(&provider.specs().await.unwrap()), ["a2", "b"]);
    assert_eq!(provider.mistakes(), []);
}

#[tokio::test]
async fn a_file_that_takes_an_id_is_refused_whole_until_the_id_is_free() {
    let dir = TempDir::new().unwrap();
    write(&dir, "a.yaml", &dataset("a"));
    write(
        &dir,
        "b.yaml",
        &format!("{}  - {{id: b, source: {{urls: ['https://x.org/b.nc']}}}}\n", dataset("a")),
    );
    let provider = provider(dir.path());
    assert_eq!(ids(&provider.specs().await.unwrap()), ["a"]);
    assert_eq!(provider.mistakes().len(), 1);

    write(&dir, "a.yaml", &dataset("other"));
    assert_eq!(ids(&provider.specs().await.unwrap()), ["other", "a", "b"]);
    assert_eq!(provider.mistakes(), []);
}

#[tokio::test]
async fn a_file_that_is_removed_withdraws_its_datasets_and_a_missing_folder_does_not() {
    let dir = TempDir::new().unwrap();
    write(&dir, "c/a.yaml", &dataset("a"));
    write(&dir, "c/b.yaml", &dataset("b"));
    let folder = dir.path().join("c");
    let provider = provider(&folder);
    assert_eq!(ids(&provider.specs().await.unwrap()), ["a", "b"]);

    fs::remove_file(folder.join("b.yaml")).unwrap();
    assert_eq!(ids(&provider.specs().await.unwrap()), ["a"]);

    fs::rename(&folder, dir.path().join("away")).unwrap();
    assert_eq!(ids(&provider.specs().await.unwrap()), ["a"]);
    assert_eq!(provider.mistakes().len(), 1);
}

#[tokio::test]
async fn catalog_files_conform_with_mistakes_and_without() {
    let dir = TempDir::new().unwrap();
    write(&dir, "good.yaml", "version: 1\ndatasets:\n  - {id: a, source: {paths: [a.nc]}}\n");
    write(
        &dir,
        "more/good.toml",
        "version = 1\n\n[[datasets]]\nid = \"b\"\nsource = { urls = [\"s3://b/b.nc\"] }\n",
    );
    write(&dir, "bad.yaml", "version: 1\ndatasets:\n  - {id: c}\n");
    let files = CatalogFilesProvider::new(vec![dir.path().to_owned()], Vec::new());
    thermocline_testkit::conformance::provider(&files).await.unwrap();
    assert_eq!(files.specs().await.unwrap().len(), 2);
    assert_eq!(files.problems().len(), 1);
}

#[tokio::test]
async fn what_is_said_to_be_cold_is_refused_where_its_root_is_bound_to_no_such_store() {
    let dir = TempDir::new().unwrap();
    for file in ["tape/a.nc", "disk/a.nc", "disk/a.json"] {
        write(&dir, file, "x");
    }
    let root = |name: &str, store: Option<&str>| CatalogRoot {
        name: Some(name.to_owned()),
        base: dir.path().join(name).to_string_lossy().into_owned(),
        store: store.map(str::to_owned),
    };
    let roots = vec![root("tape", Some("library")), root("disk", None)];
    for (source, cold, refused) in [
        ("{paths: [a.nc], root: tape}", "library", None),
        ("{paths: [a.nc], root: tape}", "glacier", Some("no root lies on a cold store")),
        ("{paths: [a.nc], root: disk}", "library", Some("is not bound to it")),
        // Where references point is looked up object by object.
        ("{references: a.json, root: disk}", "library", None),
    ] {
        let text = format!("version: 1\ndatasets:\n  - {{id: a, cold: {cold}, source: {source}}}\n");
        let file = write(&dir, "catalog.yaml", &text);
        let specs = CatalogFilesProvider::new(vec![file], roots.clone()).specs().await.unwrap();
        let reason = specs.first().and_then(|spec| match &spec.source {
            SourceSpec::Refused(reason) => Some(reason.as_str()),
            _ => None,
        });
        assert_eq!(reason.is_some(), refused.is_some(), "{source} on {cold}: {reason:?}");
        assert!(reason.unwrap_or_default().contains(refused.unwrap_or_default()), "{reason:?}");
    }
}

#[tokio::test]
async fn the_same_list_is_given_again_while_nothing_changes() {
    let dir = TempDir::new().unwrap();
    write(&dir, "data/a.nc", "x");
    let entries = "version: 1\ndatasets:\n  - {id: a, source: {paths: [data/a.nc]}}\n  - {id: b, source: {paths: [data/b*.nc]}}\n";
    write(&dir, "a.yaml", entries);
    write(&dir, "b.yaml", &dataset("c"));
    let provider = provider(dir.path());
    let first = provider.shared_specs().await.unwrap();
    assert!(Arc::ptr_eq(&first, &provider.shared_specs().await.unwrap()));

    write(&dir, "data/b1.nc", "x");
    let second = provider.shared_specs().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(matches!(second[1].source, SourceSpec::Object(_)));
    // What did not change is not made again.
    assert!(Arc::ptr_eq(&first[0], &second[0]) && Arc::ptr_eq(&first[2], &second[2]));
    assert!(Arc::ptr_eq(&second, &provider.shared_specs().await.unwrap()));
}

#[tokio::test]
async fn a_file_that_vanished_keeps_its_dataset_which_is_lost_rather_than_refused() {
    let dir = TempDir::new().unwrap();
    let data = write(&dir, "a.nc", "x");
    let file = write(&dir, "c.yaml", &with("title: T"));
    let provider = provider(&file);
    let before = provider.shared_specs().await.unwrap();
    fs::remove_file(data).unwrap();
    assert!(Arc::ptr_eq(&before, &provider.shared_specs().await.unwrap()));
}

#[tokio::test]
async fn a_family_follows_its_files_and_never_takes_an_id_that_an_entry_has() {
    let dir = TempDir::new().unwrap();
    write(&dir, "m_1.nc", "x");
    write(&dir, "n_1.nc", "x");
    let text = "version: 1\ndatasets:\n  - {id: f.n, source: {urls: ['https://x.org/n.nc']}}\nfamilies:\n  - {id: 'f.{m}', source: {paths: ['{m}_*.nc']}}\n";
    let file = write(&dir, "c.yaml", text);
    let clock = Arc::new(ManualClock::new(0));
    let files = CatalogFilesProvider::with_clock(vec![file], Vec::new(), clock);
    assert_eq!(ids(&files.specs().await.unwrap()), ["f.n", "f.m"]);
    let said = files.problems();
    assert!(said.len() == 1 && said[0].contains("c.yaml:5") && said[0].contains("c.yaml:3"), "{said:?}");

    write(&dir, "o_1.nc", "x");
    write(&dir, "m_2.nc", "x");
    let specs = files.specs().await.unwrap();
    assert_eq!(ids(&specs), ["f.n", "f.m", "f.o"]);
    assert!(matches!(&specs[1].source, SourceSpec::Refused(reason) if reason.starts_with("2 files")));
    thermocline_testkit::conformance::provider(&files).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_away_for_a_moment_takes_nothing_with_it() {
    let dir = TempDir::new().unwrap();
    write(&dir, "data/m_1.nc", "x");
    write(&dir, "data/n_1.nc", "x");
    let text = "version: 1\nfamilies:\n  - {id: 'f.{m}', source: {paths: ['data/{m}_*.nc']}}\nharvest:\n  - {id: h, source: {prefix: data/}}\n";
    let file = write(&dir, "c.yaml", text);
    let clock = Arc::new(ManualClock::new(0));
    let files = CatalogFilesProvider::with_clock(vec![file], Vec::new(), clock).harvested();
    let before = files.shared_specs().await.unwrap();
    assert_eq!(before.len(), 2);

    for is_mount in [true, false] {
        fs::rename(dir.path().join("data"), dir.path().join("away")).unwrap();
        if is_mount {
            fs::create_dir(dir.path().join("data")).unwrap();
        }
        assert!(Arc::ptr_eq(&before, &files.shared_specs().await.unwrap()));
        assert_eq!(files.harvests().len(), 1);
        let said = files.problems();
        assert_eq!(said.len(), if is_mount { 1 } else { 2 }, "{said:?}");
        assert!(said[0].contains("c.yaml:3") && said[0].contains("no file matches"), "{said:?}");
        if is_mount {
            fs::remove_dir(dir.path().join("data")).unwrap();
        }
        fs::rename(dir.path().join("away"), dir.path().join("data")).unwrap();
        assert!(Arc::ptr_eq(&before, &files.shared_specs().await.unwrap()));
        assert_eq!(files.problems(), [""; 0]);
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_below_a_folder_stays_in_force_and_is_a_mistake() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write(&dir, "a.yaml", "version: 1\ndatasets:\n  - {id: a, source: {urls: ['https://x.org/a.nc']}}\n");
    write(&other, "b.yaml", "version: 1\ndatasets:\n  - {id: b, source: {urls: ['https://x.org/b.nc']}}\n");
    let link = dir.path().join("other");
    std::os::unix::fs::symlink(other.path(), &link).unwrap();
    let files = provider(dir.path());
    assert_eq!(ids(&files.specs().await.unwrap()), ["a", "b"]);

    drop(other);
    assert_eq!(ids(&files.specs().await.unwrap()), ["a", "b"]);
    assert!(files.problems()[0].contains("other"), "{:?}", files.problems());
    assert_eq!(check(&[dir.path().to_owned()], None).len(), 1);

    // What was taken away is no mistake, and editors' hidden files neither.
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("nobody@host.1", dir.path().join(".#a.yaml")).unwrap();
    assert_eq!(ids(&files.specs().await.unwrap()), ["a"]);
    assert_eq!(check(&[dir.path().to_owned()], None), []);
}

#[tokio::test]
async fn harvests_can_be_asked_for_before_anything_else() {
    let dir = TempDir::new().unwrap();
    let text = "version: 1\nharvest:\n  - {id: h, source: {prefix: 's3://b/c/'}}\n";
    let files = provider(&write(&dir, "c.yaml", text)).harvested();
    assert!(files.harvests().is_empty());
    thermocline_core::harvest::HarvestSource::read_once(&files).await.unwrap();
    assert_eq!(files.harvests().len(), 1);
}

#[tokio::test]
async fn collections_of_all_files_are_declared_and_of_two_of_one_id_the_first_counts() {
    let dir = TempDir::new().unwrap();
    let declaring = |description: &str| {
        format!(
            "version: 1\ncollections:\n  - {{id: c, description: {description}}}\n  - {{id: same, description: S}}\n"
        )
    };
    write(&dir, "a.yaml", &declaring("A"));
    write(&dir, "b.yaml", &declaring("B"));
    let provider = provider(dir.path());
    provider.specs().await.unwrap();
    let collections = provider.collections();
    let declared: Vec<_> = collections.iter().map(|c| (c.id.as_str(), c.description.as_str())).collect();
    assert_eq!(declared, [("c", "A"), ("same", "S")]);
    assert_eq!(provider.problems().len(), 1);
    assert!(provider.problems()[0].contains("b.yaml:3"), "{:?}", provider.problems());
}

#[tokio::test]
async fn harvests_are_given_to_who_harvests_and_refused_datasets_elsewhere() {
    let dir = TempDir::new().unwrap();
    let text = "version: 1\nharvest:\n  - {id: h, source: {prefix: 's3://b/c/'}}\n  - {id: none, source: {prefix: none}}\n";
    let file = write(&dir, "c.yaml", text);
    let idle = provider(&file);
    assert_eq!(ids(&idle.specs().await.unwrap()), ["h", "none"]);
    assert!(idle.harvests().is_empty());

    let harvested = provider(&file).harvested();
    assert_eq!(ids(&harvested.specs().await.unwrap()), ["none"]);
    let harvests = harvested.harvests();
    assert_eq!(harvests.iter().map(|harvest| harvest.id.as_str()).collect::<Vec<_>>(), ["h"]);
    harvested.specs().await.unwrap();
    assert!(Arc::ptr_eq(&harvests[0], &harvested.harvests()[0]));
}

#[test]
fn access_rules_that_are_not_configured_are_mistakes_where_a_configuration_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let text = "version: 1
defaults: {access: staf}
datasets:
  - {id: a, access: staff, source: {paths: [a.nc]}}
families:
  - {id: 'f.{x}', access: guests, source: {paths: ['{x}.nc']}}
";
    let file = write(&dir, "c.yaml", text);
    assert_eq!(check(std::slice::from_ref(&file), None), []);
    let access_rules = ["default", "public", "staff"].map(str::to_owned).to_vec();
    let configured = Configured { access_rules, ..Configured::default() };
    let mistakes = check(&[file], Some(&configured));
    let found: Vec<(usize, &str)> =
        mistakes.iter().map(|mistake| (mistake.line, mistake.path.as_str())).collect();
    assert_eq!(found, [(2, "access"), (6, "access")]);
    assert!(
        mistakes[0].message.contains("\"staf\"") && mistakes[0].message.contains("staff"),
        "{mistakes:?}"
    );
}
