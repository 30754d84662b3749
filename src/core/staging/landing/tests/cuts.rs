//! A landing that is cut off at any point goes on, and shows nothing that is not whole.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::fake::{Bench, FakeStore, checksums, object, pattern};
use crate::cold::ColdObject;
use crate::staging::cache::CacheKey;
use crate::staging::landing::journal;

/// The outcome of a future unless it needs more than `n_polls` polls: it is dropped then.
async fn cut_after<F: Future>(future: F, n_polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = n_polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Loses what a disk without power may lose: bytes that were not flushed, the end of the journal.
fn lose_power(bench: &Bench, key: &CacheKey, keep_of_journal: f64) {
    let Ok(file) = File::options().write(true).open(bench.dir.partial_path(key)) else { return };
    let journal = std::fs::read(bench.dir.journal_path(key)).unwrap_or_default();
    let n_kept = (journal.len() as f64 * keep_of_journal) as usize;
    if !journal.is_empty() {
        std::fs::write(bench.dir.journal_path(key), &journal[..n_kept]).unwrap();
    }
    let len_bytes = file.metadata().unwrap().len();
    let (done, _) = journal::read(&journal[..n_kept], &journal::head(&key.to_string()), len_bytes);
    for range in done.missing(len_bytes, u64::MAX) {
        file.write_all_at(&vec![0; (range.end - range.start) as usize], range.start).unwrap();
    }
}

async fn land_with_cuts(
    bench: &Bench,
    store: &FakeStore,
    object: &ColdObject,
    cuts: &[(usize, Option<f64>)],
) -> Vec<u8> {
    let key = CacheKey::of(object, &store.status);
    let whole = pattern(store.status.len_bytes as usize);
    for (n_polls, power) in cuts {
        cut_after(bench.land(store, object), *n_polls).await;
        // What goes on in the pool has ended once the claim is free.
        drop(bench.dir.claim(key).await);
        if let Ok(shown) = std::fs::read(bench.path(store, object)) {
            assert_eq!(shown, whole, "a file was shown that is not whole");
        }
        if let Some(keep_of_journal) = power {
            lose_power(bench, &key, *keep_of_journal);
        }
    }
    let landed = bench.land(store, object).await.unwrap();
    assert!(!bench.dir.partial_path(&key).exists() && !bench.dir.journal_path(&key).exists());
    std::fs::read(landed.path).unwrap()
}

#[test]
fn after_any_cuts_the_object_lands_whole() {
    let bench = Bench::new();
    let n_cases = AtomicUsize::new(0);
    let cut = (0_usize..40, proptest::option::of(0.0..=1.0));
    let cases = (0_usize..200, any::<bool>(), proptest::collection::vec(cut, 0..6));
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&cases, |(len_bytes, has_checksum, cuts)| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut store = bench.store(pattern(len_bytes));
        store.status.checksum = checksums(&pattern(len_bytes)).pop().filter(|_| has_checksum);
        let object = object(&format!("case {}", n_cases.fetch_add(1, Ordering::SeqCst)));

        let bytes = runtime.block_on(land_with_cuts(&bench, &store, &object, &cuts));

        prop_assert_eq!(bytes, pattern(len_bytes));
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn after_a_cut_at_each_point_the_object_lands_whole() {
    let bench = Bench::new();
    for n_polls in 0..80 {
        let store = bench.store(pattern(95));
        let object = object(&format!("point {n_polls}"));
        let bytes = land_with_cuts(&bench, &store, &object, &[(n_polls, None)]).await;
        assert_eq!(bytes, pattern(95));
    }
}

#[tokio::test]
async fn bytes_that_the_disk_lost_although_it_had_flushed_them_are_read_again() {
    let bench = Bench::new();
    let mut store = bench.store(pattern(95));
    store.answer(|read, _, bytes| if read == 9 { Err(crate::Error::internal("no")) } else { Ok(bytes) });
    bench.land(&store, &object("a")).await.unwrap_err();
    let key = CacheKey::of(&object("a"), &store.status);
    File::options().write(true).open(bench.dir.partial_path(&key)).unwrap().write_all_at(&[0], 33).unwrap();
    let n_before = store.n_reads();

    let landed = bench.land(&store, &object("a")).await.unwrap();

    assert_eq!(std::fs::read(landed.path).unwrap(), pattern(95));
    assert!((2..10).contains(&(store.n_reads() - n_before)));
}
