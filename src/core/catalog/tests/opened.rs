//! How datasets are opened, watched, lost and found again.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use thermocline_model::Attribute;

use super::super::*;
use super::world::World;
use crate::format::is_missing;

#[tokio::test]
async fn a_file_is_indexed_once_however_many_open_it() {
    let world = World::new().await;
    world.add("a.nc", "FAKE 1").await;
    world.format.gate.close();
    let opens = (0..50).map(|_| {
        let catalog = world.catalog.clone();
        tokio::spawn(async move { catalog.open("a").await })
    });
    let opens: Vec<_> = opens.collect();
    tokio::task::yield_now().await;
    world.format.gate.open();
    for open in opens {
        assert!(open.await.unwrap().is_ok());
    }
    assert_eq!(world.n_indexed(), 1);
}

#[tokio::test]
async fn who_goes_away_while_waiting_stops_nothing() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    world.format.gate.close();
    let catalog = world.catalog.clone();
    let impatient = tokio::spawn(async move { catalog.open("a").await });
    tokio::task::yield_now().await;
    impatient.abort();
    world.format.gate.open();
    assert!(world.catalog.open("a").await.is_ok());
    assert_eq!(world.n_indexed(), 1);
}

#[tokio::test]
async fn opening_waits_for_a_while_and_then_asks_to_come_back() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    world.format.gate.close();
    let catalog = world.catalog.clone();
    let open = tokio::spawn(async move { catalog.open("a").await });
    while !open.is_finished() {
        world.seconds(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let error = open.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed { retry_after: Duration::from_secs(2) });
    assert!(matches!(world.catalog.state("a"), Some(DatasetState::Indexing)));
    world.format.gate.open();
    assert!(world.catalog.open("a").await.is_ok());
}

#[tokio::test]
async fn a_restart_indexes_nothing_again_and_keeps_the_revision() {
    let world = World::new().await;
    world.write("bad.nc", "");
    world.add("a.nc", "FAKE").await;
    world.catalog.index_ahead().await;
    let revision = world.catalog.open("a").await.unwrap().revision.clone();

    let world = world.restarted().await;
    world.catalog.index_ahead().await;
    assert!(matches!(world.catalog.state("a"), Some(DatasetState::Indexed)));
    assert!(matches!(world.catalog.state("bad"), Some(DatasetState::Refused(_))));
    assert_eq!(world.catalog.open("a").await.unwrap().revision, revision);
    assert_eq!(world.n_indexed(), 0);
}

#[tokio::test]
async fn a_changed_file_is_indexed_again_before_it_is_served() {
    let world = World::new().await;
    world.add("a.nc", "FAKE old").await;
    let old = world.catalog.open("a").await.unwrap();
    world.write("a.nc", "FAKE newer");
    assert!(Arc::ptr_eq(&old, &world.catalog.open("a").await.unwrap()));

    world.seconds(1);
    let new = world.catalog.open("a").await.unwrap();
    assert_eq!(new.dataset.root.attrs.text("text"), Some("FAKE newer"));
    assert_ne!(new.revision, old.revision);
}

#[tokio::test]
async fn a_file_that_was_replaced_by_one_of_the_same_size_and_time_is_noticed() {
    let world = World::new().await;
    world.add("a.nc", "FAKE 1").await;
    world.catalog.open("a").await.unwrap();
    let modified = fs::metadata(world.path("a.nc")).unwrap().modified().unwrap();
    let other = world.dir.path().join("other");
    fs::write(&other, "FAKE 2").unwrap();
    fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    fs::rename(&other, world.path("a.nc")).unwrap();

    world.seconds(1);
    assert_eq!(world.text("a").await.unwrap(), "FAKE 2");
}

#[tokio::test]
async fn an_entry_says_how_often_its_source_is_looked_at() {
    let world = World::new().await;
    world.write("a.nc", "FAKE 1");
    let spec = DatasetSpec::new(DatasetId::new("d").unwrap(), SourceSpec::Object(world.href("a.nc")), "test");
    *world.declared.0.lock() = Some(vec![DatasetSpec { invalidate_after: Duration::from_secs(60), ..spec }]);
    world.catalog.scan().await;
    world.catalog.open("d").await.unwrap();
    world.write("a.nc", "FAKE 22");
    world.seconds(59);
    assert_eq!(world.text("d").await.unwrap(), "FAKE 1");
    world.seconds(1);
    assert_eq!(world.text("d").await.unwrap(), "FAKE 22");
}

#[tokio::test]
async fn refreshing_looks_at_the_source_at_once() {
    let world = World::new().await;
    world.add("a.nc", "FAKE 1").await;
    world.catalog.open("a").await.unwrap();
    world.write("a.nc", "FAKE 22");
    let manifest = world.catalog.refresh("a").await.unwrap();
    assert_eq!(manifest.dataset.root.attrs.text("text"), Some("FAKE 22"));
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_indexed_is_not_kept() {
    let world = World::new().await;
    world.add("a.nc", "FAKE 1").await;
    *world.format.meanwhile.lock() = Some(Box::new(|path| fs::write(path, "FAKE 22").unwrap()));
    let error = world.catalog.open("a").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
    *world.format.meanwhile.lock() = None;

    world.seconds(2);
    assert_eq!(world.text("a").await.unwrap(), "FAKE 22");
}

#[tokio::test]
async fn a_refused_file_is_looked_at_again_when_it_changes_and_only_then() {
    let world = World::new().await;
    world.add("a.nc", "FAKE refuse").await;
    for _ in 0..3 {
        world.seconds(1);
        world.refusal("a").await;
    }
    assert_eq!(world.n_indexed(), 1);
    world.write("a.nc", "FAKE complete");
    world.seconds(1);
    assert_eq!(world.text("a").await.unwrap(), "FAKE complete");
}

#[tokio::test]
async fn a_refused_file_that_is_mended_becomes_a_dataset_by_itself() {
    let world = World::new().await;
    world.add("a.nc", "FAKE refuse").await;
    world.catalog.index_ahead().await;
    world.write("a.nc", "FAKE complete");
    world.seconds(1);
    world.catalog.index_ahead().await;
    assert!(matches!(world.catalog.state("a"), Some(DatasetState::Ready(_))));
}

#[tokio::test]
async fn a_file_that_changes_in_place_is_indexed_again_by_itself() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    world.add("b.nc", "FAKE").await;
    world.catalog.index_ahead().await;
    world.write("a.nc", "FAKE complete");
    world.catalog.note_changed(vec![world.path("a.nc")]).await;
    world.catalog.index_ahead().await;
    assert_eq!(world.n_indexed(), 2, "it may be half written");
    world.seconds(2);
    world.catalog.index_ahead().await;
    assert_eq!(world.n_indexed(), 3);
}

#[tokio::test]
async fn a_file_that_changed_between_two_starts_is_noticed() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    world.add("b.nc", "FAKE").await;
    world.catalog.index_ahead().await;
    world.write("a.nc", "FAKE complete");
    let world = world.restarted().await;
    world.catalog.index_ahead().await;
    let changed = world.catalog.changed_in_place(world.catalog.entries().all().to_vec());
    let ids: Vec<&str> = changed.iter().map(|entry| entry.spec.id.as_str()).collect();
    assert_eq!(ids, ["a"]);
}

#[tokio::test]
async fn a_dataset_whose_index_is_torn_is_indexed_again_when_that_is_noticed() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    world.catalog.index_ahead().await;
    let path = world.catalog.index().path(&indexing::source_key(&world.catalog.spec("a").unwrap()));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(7);
    fs::write(&path, bytes).unwrap();

    let world = world.restarted().await;
    world.catalog.index_ahead().await;
    assert!(world.catalog.listing().datasets[0].fingerprint.is_some());
    let spec = world.catalog.spec("a").unwrap();
    assert!(world.catalog.indexed_manifests().get(&spec).unwrap().is_none());
    world.catalog.index_ahead().await;
    assert_eq!(world.n_indexed(), 1);
    assert!(world.catalog.indexed_manifests().get(&spec).unwrap().is_some());
}

#[tokio::test]
async fn a_vanished_file_is_waited_for_then_lost_then_found_again() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    world.catalog.open("a").await.unwrap();
    fs::rename(world.path("a.nc"), world.dir.path().join("away")).unwrap();

    world.seconds(1);
    let error = world.catalog.open("a").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
    world.seconds(30);
    assert_eq!(world.catalog.open("a").await.unwrap_err().kind(), ErrorKind::Lost);
    assert!(matches!(world.catalog.state("a"), Some(DatasetState::Lost(_))));

    fs::rename(world.dir.path().join("away"), world.path("a.nc")).unwrap();
    world.seconds(2);
    assert_eq!(world.text("a").await.unwrap(), "FAKE");
    assert_eq!(world.n_indexed(), 1);
}

#[tokio::test]
async fn a_dataset_that_is_not_declared_any_more_is_lost_and_never_unheard_of() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    fs::remove_file(world.path("a.nc")).unwrap();
    world.catalog.scan().await;
    let error = world.catalog.open("a").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");

    world.seconds(30);
    world.add("b.nc", "FAKE").await;
    assert_eq!(world.catalog.open("a").await.unwrap_err().kind(), ErrorKind::Lost);
    assert!(matches!(world.catalog.state("a"), Some(DatasetState::Lost(_))));

    world.add("a.nc", "FAKE back").await;
    assert_eq!(world.text("a").await.unwrap(), "FAKE back");
}

#[tokio::test]
async fn an_edited_entry_needs_no_new_index() {
    let world = World::new().await;
    world.write(".a.nc", "FAKE");
    let spec =
        DatasetSpec::new(DatasetId::new("d").unwrap(), SourceSpec::Object(world.href(".a.nc")), "test");
    *world.declared.0.lock() = Some(vec![spec.clone()]);
    world.catalog.scan().await;
    let before = world.catalog.open("d").await.unwrap();

    let value = Some(Attribute::Text("T".to_owned()));
    let change = AttributeOverride { variable: None, name: "title".to_owned(), value };
    let edited =
        DatasetSpec { attributes: vec![change].into(), exclude_variables: vec!["b".to_owned()], ..spec };
    *world.declared.0.lock() = Some(vec![edited]);
    world.catalog.scan().await;
    let after = world.catalog.open("d").await.unwrap();

    assert_eq!(after.dataset.root.attrs.text("title"), Some("T"));
    assert_eq!(after.dataset.root.variables.len(), 1);
    assert_ne!(after.revision, before.revision);
    assert_eq!(world.n_indexed(), 1);
}

#[tokio::test]
async fn where_an_entry_stands_does_not_change_the_revision() {
    let world = World::new().await;
    world.write(".a.nc", "FAKE");
    let spec = |origin: &str| {
        DatasetSpec::new(DatasetId::new("d").unwrap(), SourceSpec::Object(world.href(".a.nc")), origin)
    };
    *world.declared.0.lock() = Some(vec![spec("c.yaml:3")]);
    world.catalog.scan().await;
    let before = world.catalog.open("d").await.unwrap();
    *world.declared.0.lock() = Some(vec![spec("c.yaml:4")]);
    world.catalog.scan().await;
    assert_eq!(world.catalog.open("d").await.unwrap().revision, before.revision);
}

#[tokio::test]
async fn a_store_is_indexed_again_when_anything_in_it_changes() {
    let world = World::new().await;
    world.write("s/.fake", "FAKE");
    world.add("s/0.0", "chunk").await;
    let before = world.catalog.open("s").await.unwrap();
    world.write("s/0.1", "chunk");
    world.seconds(1);
    assert_ne!(world.catalog.open("s").await.unwrap().revision, before.revision);
    assert_eq!(world.n_indexed(), 2);
}

#[tokio::test]
async fn a_neighbour_that_changes_leads_to_a_new_index() {
    let world = World::new().await;
    world.write("raw.bin", "one");
    world.add("a.nc", "FAKE with raw.bin").await;
    let before = world.catalog.open("a").await.unwrap();
    assert_eq!(before.dataset.objects.len(), 2);
    for content in ["three", "eleven"] {
        world.write("raw.bin", content);
        world.seconds(1);
        let after = world.catalog.open("a").await.unwrap();
        assert_eq!(after.dataset.objects[1].len_bytes, content.len() as u64);
        assert_ne!(after.revision, before.revision);
    }
    world.seconds(1);
    world.catalog.open("a").await.unwrap();
    assert_eq!(world.n_indexed(), 3);
}

#[tokio::test]
async fn a_neighbour_that_changed_while_the_server_was_down_is_noticed() {
    let world = World::new().await;
    world.write("raw.bin", "one");
    world.add("a.nc", "FAKE with raw.bin").await;
    world.catalog.open("a").await.unwrap();
    let world = world.restarted().await;
    world.write("raw.bin", "three");
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[1].len_bytes, 5);
}

#[tokio::test]
async fn a_neighbour_that_arrives_or_vanishes_leads_to_a_new_index() {
    let world = World::new().await;
    world.add("a.nc", "FAKE with raw.bin").await;
    let before = world.catalog.open("a").await.unwrap();
    assert!(is_missing(&before.dataset.objects[1]));
    for (content, len_bytes) in [(Some("one"), 3), (None, 0), (Some(""), 0), (None, 0)] {
        match content {
            Some(content) => world.write("raw.bin", content),
            None => fs::remove_file(world.path("raw.bin")).unwrap(),
        }
        world.seconds(1);
        let after = world.catalog.open("a").await.unwrap();
        assert_eq!(after.dataset.objects[1].len_bytes, len_bytes);
        assert_eq!(is_missing(&after.dataset.objects[1]), content.is_none());
    }
    assert_eq!(world.n_indexed(), 5);
}

#[tokio::test]
async fn a_neighbour_that_is_written_all_the_time_is_looked_at_again_later() {
    let world = World::new().await;
    world.write("raw.bin", "one");
    let raw = world.path("raw.bin");
    *world.format.afterwards.lock() = Some(Box::new(move |_| fs::write(&raw, "three").unwrap()));
    world.add("a.nc", "FAKE with raw.bin").await;
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[1].len_bytes, 3);
    *world.format.afterwards.lock() = None;
    world.seconds(1);
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[1].len_bytes, 3);
    world.seconds(10);
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[1].len_bytes, 5);
}

/// A file with a hundred neighbours, opened, of which the last has changed.
async fn with_many_neighbours() -> World {
    let world = World::new().await;
    let names: Vec<String> = (0..100).map(|number| format!("raw{number}.bin")).collect();
    names.iter().for_each(|name| world.write(name, "one"));
    world.add("a.nc", &format!("FAKE with {}", names.join(" "))).await;
    world.catalog.open("a").await.unwrap();
    world.write("raw99.bin", "three");
    world
}

#[tokio::test]
async fn when_what_the_format_decodes_is_suspected_every_neighbour_is_looked_at() {
    let world = with_many_neighbours().await;
    world.seconds(1);
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[100].len_bytes, 3);
    world.catalog.suspect("a", 0);
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[100].len_bytes, 5);
}

#[tokio::test]
async fn many_neighbours_are_looked_at_in_turn() {
    let world = with_many_neighbours().await;
    for _ in 0..6 {
        world.seconds(1);
        world.catalog.open("a").await.unwrap();
    }
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[100].len_bytes, 5);
    assert_eq!(world.n_indexed(), 2);
}

#[tokio::test]
async fn what_a_read_suspects_is_looked_at_when_the_dataset_is_opened_next() {
    let world = World::new().await;
    world.write("raw.bin", "one");
    world.add("a.nc", "FAKE with raw.bin").await;
    world.catalog.open("a").await.unwrap();
    world.write("raw.bin", "three");
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[1].len_bytes, 3);
    world.catalog.suspect("a", 1);
    assert_eq!(world.catalog.open("a").await.unwrap().dataset.objects[1].len_bytes, 5);
}

#[tokio::test]
async fn a_directory_that_is_no_store_is_refused() {
    let world = World::new().await;
    world.write("s/readme", "text");
    let spec = DatasetSpec::new(DatasetId::new("d").unwrap(), SourceSpec::Directory(world.href("s")), "test");
    *world.declared.0.lock() = Some(vec![spec]);
    world.catalog.scan().await;
    assert!(world.refusal("d").await.contains(".fake"));
}

#[tokio::test]
async fn what_lies_outside_the_roots_is_refused() {
    let world = World::new().await;
    let outside = world.dir.path().join("secret.nc");
    fs::write(&outside, "FAKE").unwrap();
    let href = outside.to_str().unwrap().to_owned();
    *world.declared.0.lock() =
        Some(vec![DatasetSpec::new(DatasetId::new("d").unwrap(), SourceSpec::Object(href), "test")]);
    world.catalog.scan().await;
    world.refusal("d").await;
    assert_eq!(world.n_indexed(), 0);
}

#[tokio::test]
async fn an_index_file_that_is_damaged_is_made_again() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    let manifest = world.catalog.open("a").await.unwrap();
    let file = world.catalog.index().path(&format!("object auto {}", world.href("a.nc")));
    let mut bytes = fs::read(&file).unwrap();
    // The chunk table is the last thing before the directory.
    let directory = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    bytes[directory - 1] ^= 1;
    fs::write(&file, bytes).unwrap();

    let error = manifest.table(&manifest.dataset.root.variables[0]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");
    let again = world.catalog.open("a").await.unwrap();
    assert_eq!(again.table(&again.dataset.root.variables[0]).await.unwrap().len(), 1);
    assert_eq!(again.revision, manifest.revision);
    assert_eq!(world.n_indexed(), 2);
}

#[tokio::test]
async fn manifests_leave_memory_when_others_need_it_and_come_back_from_the_index() {
    let world = World::with(|settings| settings.manifest_memory_bytes = 1).await;
    world.write("b.nc", "FAKE");
    world.add("a.nc", "FAKE").await;
    drop(world.catalog.open("a").await.unwrap());
    drop(world.catalog.open("b").await.unwrap());
    assert!(matches!(world.catalog.state("a"), Some(DatasetState::Indexed)));
    assert!(matches!(world.catalog.state("b"), Some(DatasetState::Ready(_))));
    assert!(world.catalog.open("a").await.is_ok());
    assert_eq!(world.n_indexed(), 2);
}
