use std::fs;

use tempfile::TempDir;

use super::*;

/// The datasets that a family entry makes of some files: their ids with what is served, or why not.
fn listed(files: &[&str], entry: &str) -> Vec<(String, Result<String, String>)> {
    let dir = TempDir::new().unwrap();
    for file in files {
        fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        fs::write(dir.path().join(file), b"x").unwrap();
    }
    let specs = specs_in(&dir, entry);
    let outcome = |spec: DatasetSpec| {
        let outcome = match spec.source {
            SourceSpec::Object(href) | SourceSpec::Directory(href) => {
                Ok(Path::new(&href).strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned())
            }
            SourceSpec::Refused(reason) => Err(reason),
        };
        (spec.id.to_string(), outcome)
    };
    specs.into_iter().map(outcome).collect()
}

fn specs_in(dir: &TempDir, entry: &str) -> Vec<DatasetSpec> {
    let file = crate::yaml::parse(&format!("families:\n  - {{{entry}}}\n")).unwrap();
    let family = crate::declare::parsed(&file, Path::new("/c.yaml")).families.pop().unwrap();
    list(&family, &Places { roots: &[], folder: dir.path() }, &mut Vec::new()).unwrap()
}

fn reason_of<'a>(listed: &'a [(String, Result<String, String>)], id: &str) -> &'a str {
    listed.iter().find(|(known, _)| known == id).unwrap().1.as_ref().unwrap_err()
}

#[test]
fn each_set_of_fields_is_a_dataset_and_several_files_of_one_wait_for_aggregation() {
    let files =
        ["c/tas_day_M1_2000.nc", "c/tas_day_M2_2000.nc", "c/pr_mon_M1_2000.nc", "c/pr_mon_M1_2001.nc"];
    let listed =
        listed(&files, "id: 'x.{m}.{t}', source: {paths: ['*/{v}_{t}_{m}_*.nc']}, aggregate: {join: time}");
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0].0, "x.M1.day");
    assert_eq!(listed[0].1.as_deref(), Ok("c/tas_day_M1_2000.nc"));
    assert_eq!(listed[2].1.as_deref(), Ok("c/tas_day_M2_2000.nc"));
    let reason = reason_of(&listed, "x.M1.mon");
    assert!(reason.starts_with("2 files") && reason.contains("`aggregate`"), "{reason}");
}

#[test]
fn fields_are_searchable_and_stand_in_titles() {
    let dir = TempDir::new().unwrap();
    for file in ["tas_M1.nc", "pr_M1.nc", "tas_M2.nc"] {
        fs::write(dir.path().join(file), b"x").unwrap();
    }
    let specs = specs_in(
        &dir,
        "id: 'x.{m}', title: 'Model {m} {other}', license: MIT, source: {paths: ['{v}_{m}.nc']}",
    );
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    // What differs between the files of a dataset is no field of it.
    assert_eq!(specs[0].about.fields, [field("m", "M1")]);
    assert_eq!(specs[1].about.fields, [field("m", "M2"), field("v", "tas")]);
    assert_eq!(specs[1].title.as_deref(), Some("Model M2 {other}"));
    assert_eq!(specs[1].about.license.as_deref(), Some("MIT"));
}

#[test]
fn ids_that_cannot_be_or_are_given_twice_are_refused_with_the_reason() {
    let twice = listed(&["x_yz.nc", "xy_z.nc"], "id: 'f.{a}{b}', source: {paths: ['{a}_{b}.nc']}");
    assert!(reason_of(&twice, "f.xyz").contains("several sets of fields"));

    let unnamed = listed(&["t+s.nc", "tas.nc"], "id: 'f.{a}', source: {paths: ['{a}.nc']}");
    assert_eq!(unnamed[0].1.as_deref(), Ok("tas.nc"));
    let reason = reason_of(&unnamed, "f.{a}");
    assert!(reason.contains("1 of its datasets") && reason.contains("f.t+s"), "{reason}");
}

#[test]
fn a_family_without_files_is_listed_with_the_reason() {
    let none = listed(&["a.txt"], "id: 'f.{a}', source: {paths: ['{a}.nc']}");
    assert!(reason_of(&none, "f.{a}").contains("no file matches"));
}

#[test]
fn what_would_change_a_single_file_is_refused_by_name() {
    for (rest, word) in [
        ("aggregate: {new: run, values: [1]}, source: {paths: ['{a}.nc']}", "`aggregate.new`"),
        (
            "aggregate: {join: t, preprocess: {drop: [x]}}, source: {paths: ['{a}.nc']}",
            "`aggregate.preprocess`",
        ),
        ("source: {prefix: 'x/'}", "`source.prefix`"),
    ] {
        let listed = listed(&["tas.nc"], &format!("id: 'f.{{a}}', {rest}"));
        assert!(reason_of(&listed, "f.{a}").contains(word), "{rest}: {listed:?}");
    }
}

#[test]
fn a_file_that_two_patterns_match_counts_once() {
    let entry = "id: 'f.{a}', source: {paths: ['{a}_*.nc', '{a}_1.nc']}";
    assert_eq!(listed(&["tas_1.nc"], entry), [("f.tas".to_owned(), Ok("tas_1.nc".to_owned()))]);
}

#[test]
fn stores_are_datasets_of_families_too() {
    let listed = listed(&["m1/tas.zarr/zarr.json"], "id: '{m}.{v}', source: {paths: ['{m}/{v}.zarr']}");
    assert_eq!(listed, [("m1.tas".to_owned(), Ok("m1/tas.zarr".to_owned()))]);
}
