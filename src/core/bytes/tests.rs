//! Reading objects: never short bytes, never bytes of another state.

use std::fs;
use std::path::Path;

use super::*;

fn objects(directory: &Path) -> Arc<Objects> {
    let roots = vec![Root::directory(directory).unwrap()];
    Objects::new(roots, ObjectSettings::default(), tokio::runtime::Handle::current())
}

fn href(directory: &Path, name: &str) -> String {
    directory.canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_range_of_a_file_is_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), b"0123456789").unwrap();
    let objects = objects(directory.path());
    let object = objects.stat(&href(directory.path(), "a")).unwrap().unwrap();
    assert_eq!(objects.read(&object, 3..7).await.unwrap().as_ref(), b"3456");
    assert_eq!(objects.read(&object, 9..11).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_file_written_again_is_an_error_and_not_data() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), b"0123456789").unwrap();
    let objects = objects(directory.path());
    let object = objects.stat(&href(directory.path(), "a")).unwrap().unwrap();
    objects.read(&object, 0..4).await.unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(directory.path().join("a"), b"abcdefghij").unwrap();
    let error = objects.read(&object, 0..4).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
}

#[tokio::test]
async fn a_file_cut_short_is_an_error_and_not_short_bytes() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), b"0123456789").unwrap();
    let objects = objects(directory.path());
    let object = objects.stat(&href(directory.path(), "a")).unwrap().unwrap();
    fs::OpenOptions::new().write(true).open(directory.path().join("a")).unwrap().set_len(5).unwrap();
    let error = objects.read(&object, 0..10).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
}

#[tokio::test]
async fn a_deleted_file_gives_its_old_bytes_or_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), b"0123456789").unwrap();
    let objects = objects(directory.path());
    let object = objects.stat(&href(directory.path(), "a")).unwrap().unwrap();
    fs::remove_file(directory.path().join("a")).unwrap();
    let error = objects.read(&object, 0..4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn neighbours_are_found_by_relative_names() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::write(directory.path().join("a"), b"a").unwrap();
    fs::write(directory.path().join("sub/b"), b"bb").unwrap();
    let objects = objects(directory.path());
    let others = objects.others(&href(directory.path(), "a"));
    assert_eq!(others.open("sub/b").unwrap().unwrap().object().len_bytes, 2);
    assert!(others.open("nothing").unwrap().is_none());
    assert!(others.open("../../etc/passwd").is_err() || others.open("../../etc/passwd").unwrap().is_none());
    assert!(others.open("/etc/passwd").is_err());
    assert_eq!(others.list("").unwrap(), [("a".to_owned(), 1), ("sub/b".to_owned(), 2)]);
}
