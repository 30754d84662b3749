//! Reading objects: never short bytes, never bytes of another state.

use std::fs;
use std::os::unix::fs::symlink;
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

#[tokio::test]
async fn a_file_that_cannot_be_looked_at_is_not_taken_for_absent() {
    let directory = tempfile::tempdir().unwrap();
    symlink(directory.path().join("loop"), directory.path().join("loop")).unwrap();
    let objects = objects(directory.path());
    let href = href(directory.path(), "loop");
    let errors = [
        objects.stat(&href).err().unwrap(),
        objects.open(&href).err().unwrap(),
        objects.others(&href).open("loop").err().unwrap(),
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_a_broken_link_stands_for_is_not_taken_for_absent() {
    let directory = tempfile::tempdir().unwrap();
    symlink(directory.path().join("not fetched"), directory.path().join("link")).unwrap();
    let objects = objects(directory.path());
    let href = href(directory.path(), "link");
    let error = objects.others(&href).open("link").err().unwrap();
    assert!(error.to_string().contains("leads nowhere"), "{error}");
}

#[tokio::test]
async fn a_list_never_leaves_out_what_a_link_stands_for() {
    let directory = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a"), b"a").unwrap();
    let objects = objects(directory.path());
    for (store, target) in [
        ("file", outside.path().join("a")),
        ("folder", outside.path().to_owned()),
        ("broken", directory.path().join("not fetched")),
    ] {
        fs::create_dir(directory.path().join(store)).unwrap();
        symlink(target, directory.path().join(store).join("0.0")).unwrap();
        let error = objects.list(&href(directory.path(), store)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{store}: {error}");
        assert!(error.to_string().contains("0.0"), "{store}: {error}");
    }
}

#[tokio::test]
async fn links_inside_the_roots_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("store")).unwrap();
    fs::write(directory.path().join("annexed"), b"bytes").unwrap();
    symlink("../annexed", directory.path().join("store/0.0")).unwrap();
    let objects = objects(directory.path());
    let found = objects.list(&href(directory.path(), "store")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(objects.read(&found[0], 0..5).await.unwrap().as_ref(), b"bytes");
}

#[tokio::test]
async fn the_first_read_of_a_replaced_file_gives_its_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let objects = objects(directory.path());
    for name in ["a", "b"] {
        fs::write(at(name), b"old").unwrap();
        let object = objects.stat(&href(directory.path(), name)).unwrap().unwrap();
        objects.read(&object, 0..3).await.unwrap();
    }
    fs::write(at("next"), b"new").unwrap();
    fs::rename(at("next"), at("a")).unwrap();

    let object = objects.stat(&href(directory.path(), "a")).unwrap().unwrap();
    assert_eq!(objects.read(&object, 0..3).await.unwrap().as_ref(), b"new");
    assert!(objects.files.get(&href(directory.path(), "b")).is_some(), "other files stay open");
}

#[tokio::test]
async fn a_file_written_again_within_one_tick_of_the_clock_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let objects = objects(directory.path());
    let href = href(directory.path(), "a");
    for _ in 0..20 {
        fs::write(directory.path().join("a"), b"old").unwrap();
        let opened = objects.open(&href).unwrap();
        fs::write(directory.path().join("a"), b"new").unwrap();
        assert_ne!(objects.stat(&href).unwrap().as_ref(), Some(opened.object()));
        let error = opened.read_at(0, 3).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_folder_switched_by_its_link_is_read_anew() {
    let archive = tempfile::tempdir().unwrap();
    let at = |name: &str| archive.path().join(name);
    for version in ["v1", "v2"] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("a"), version).unwrap();
    }
    symlink(at("v1"), at("current")).unwrap();
    let objects = objects(&at("current"));
    let href = at("current").join("a").to_str().unwrap().to_owned();
    let old = objects.stat(&href).unwrap().unwrap();
    assert_eq!(objects.read(&old, 0..2).await.unwrap().as_ref(), b"v1");

    symlink(at("v2"), at("next")).unwrap();
    fs::rename(at("next"), at("current")).unwrap();

    let new = objects.stat(&href).unwrap().unwrap();
    assert_eq!(objects.read(&new, 0..2).await.unwrap().as_ref(), b"v2");
}

#[tokio::test]
async fn a_pipe_is_no_file_and_nobody_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(directory.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let objects = objects(directory.path());
    assert!(objects.open(&href(directory.path(), "pipe")).is_err());
}

#[tokio::test]
async fn a_folder_that_hangs_does_not_stop_another() {
    let (hanging, sound) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let roots = [&hanging, &sound].map(|directory| Root::directory(directory.path()).unwrap()).to_vec();
    let wait = Duration::from_millis(10);
    let settings = ObjectSettings { max_local_reads: 2, local_wait: wait, ..ObjectSettings::default() };
    let objects = Objects::new(roots, settings, tokio::runtime::Handle::current());
    let known = [&hanging, &sound].map(|directory| {
        fs::write(directory.path().join("a"), b"bytes").unwrap();
        objects.stat(&href(directory.path(), "a")).unwrap().unwrap()
    });
    // Reads that never come back keep what they hold.
    let gate = objects.gate(&known[0].href);
    let _held = [gate.enter(wait, "a").await.unwrap(), gate.enter(wait, "b").await.unwrap()];

    let error = objects.read(&known[0], 0..5).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    assert!(objects.stat(&known[0].href).is_err());
    assert_eq!(objects.read(&known[1], 0..5).await.unwrap().as_ref(), b"bytes");
}

mod cold;
mod refusing;
