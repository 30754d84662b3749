//! What is kept on disk survives, and what cannot be used is made again.

use std::path::Path;

use sha2::{Digest, Sha256};
use thermocline_core::ErrorKind;

use super::generate::empty;
use crate::entry::Entry;
use crate::store::{FILE, New, Packed, Store, VERSION};
use crate::summary::{
    CubeDimension, CubeVariable, DimensionKind, Extent, SourceObject, Summary, Value, VariableRole,
};

fn full(id: &str) -> Summary {
    Summary {
        title: Some("Title".to_owned()),
        extent: Some(Extent { bbox: [1.0, 2.0, 3.0, 4.0], footprint: Some(vec![[1.0, 2.0]]) }),
        dimensions: vec![CubeDimension {
            name: "time".to_owned(),
            len: 2,
            kind: DimensionKind::Temporal { calendar: "noleap".to_owned() },
            extent: Some([0.0, 1.0]),
            times_us: Some([0, 1]),
            step: Some(1.0),
            step_text: Some("P1D".to_owned()),
            values: Some(vec![Value::Integer(1), Value::Float(0.5), Value::Text("a".to_owned())]),
            unit: Some("days".to_owned()),
            description: None,
        }],
        variables: vec![CubeVariable {
            name: "tas".to_owned(),
            role: VariableRole::Data,
            dimensions: vec!["time".to_owned()],
            shape: vec![2],
            unit: Some("K".to_owned()),
            long_name: None,
            standard_name: Some("air_temperature".to_owned()),
            dtype: "float32".to_owned(),
            nodata: Some(1e20),
        }],
        attributes: vec![("table_id".to_owned(), Value::Texts(vec!["day".to_owned()]))],
        sources: vec![SourceObject { href: "/data/a.nc".to_owned(), len_bytes: 10 }],
        ..empty(id)
    }
}

fn new(id: &str, key: u8, created_ns: i64) -> New {
    let summary = Summary { created_ns, ..full(id) };
    New {
        key: [key; 16],
        created_ns,
        entry: Entry::of(&summary),
        hrefs: vec!["/data/a.nc".to_owned(), "/data/b.nc".to_owned()],
        summary: Packed::of(&summary).unwrap(),
    }
}

fn both(dir: &Path) -> [Store; 2] {
    [Store::open(Some(dir)).unwrap(), Store::open(None).unwrap()]
}

#[tokio::test]
async fn what_was_saved_is_found_by_id_and_number() {
    let dir = tempfile::tempdir().unwrap();
    for store in both(dir.path()) {
        let numbers = store.save(vec![new("x", 1, 5), new("y", 2, 6)]).await.unwrap();

        let found = store.find(&["x", "absent"]).unwrap();
        let content = found["x"].content.as_ref().unwrap();
        assert_eq!((found.len(), found["x"].created_ns, content.key), (1, 5, [1; 16]));
        assert_eq!((content.number, content.hrefs.len()), (numbers[0], 2));
        assert_eq!(content.entry, new("x", 1, 5).entry);
        assert_eq!(store.summary(numbers[1]).unwrap().unwrap(), Summary { created_ns: 6, ..full("y") });
    }
}

#[tokio::test]
async fn a_number_never_means_another_summary() {
    let dir = tempfile::tempdir().unwrap();
    for store in both(dir.path()) {
        let first = store.save(vec![new("x", 1, 5)]).await.unwrap()[0];
        let second = store.save(vec![new("x", 2, 5)]).await.unwrap()[0];
        assert_ne!(first, second);
        assert!(store.summary(first).unwrap().is_some(), "searches of the moment before go on");

        store.forget(vec![first], Vec::new()).await.unwrap();
        assert!(store.summary(first).unwrap().is_none());
        assert_eq!(store.find(&["x"]).unwrap()["x"].content.as_ref().unwrap().number, second);

        store.forget(Vec::new(), vec!["x".to_owned()]).await.unwrap();
        assert!(store.summary(second).unwrap().is_none() && store.ids().unwrap().is_empty());
        assert_ne!(store.save(vec![new("z", 1, 5)]).await.unwrap()[0], second);
    }
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let number = Store::open(Some(dir.path())).unwrap().save(vec![new("x", 1, 5)]).await.unwrap()[0];

    let store = Store::open(Some(dir.path())).unwrap();
    assert_eq!(store.find(&["x"]).unwrap()["x"].content.as_ref().unwrap().number, number);
    assert_eq!(store.summary(number).unwrap().unwrap().id, "x");
}

#[tokio::test]
async fn a_damaged_file_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), vec![7; 20_000]).unwrap();

    let store = Store::open(Some(dir.path())).unwrap();
    assert!(store.ids().unwrap().is_empty());
    assert!(store.save(vec![new("x", 1, 5)]).await.is_ok());
}

#[tokio::test]
async fn one_damaged_summary_is_told_from_a_damaged_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Some(dir.path())).unwrap();
    let numbers = store.save(vec![new("x", 1, 5), new("y", 2, 6)]).await.unwrap();
    let connection = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    connection.execute("UPDATE summaries SET summary = x'ff' WHERE number = ?1", [numbers[0]]).unwrap();

    assert_eq!(store.summary(numbers[0]).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(store.summary(numbers[1]).unwrap().is_some());
}

#[tokio::test]
async fn of_what_another_version_kept_only_the_time_of_creation_counts() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(Some(dir.path())).unwrap().save(vec![new("x", 1, 5)]).await.unwrap();
    let connection = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    connection.execute("UPDATE datasets SET version = version + 1, entry = x'ff'", []).unwrap();

    let found = Store::open(Some(dir.path())).unwrap().find(&["x"]).unwrap();
    assert_eq!(found["x"].created_ns, 5);
    assert!(found["x"].content.is_none());
}

/// If this fails, what is kept has another form: [`VERSION`] has to change, and then the expected number here.
#[test]
fn the_form_of_what_is_kept_changes_with_its_version_only() {
    let summary = Summary { created_ns: 5, ..full("x") };
    let form = postcard::to_stdvec(&(&summary, Entry::of(&summary))).unwrap();
    let digest = Sha256::digest(form);
    assert_eq!((VERSION, digest[0], digest[1]), (3, 153, 199));
}
