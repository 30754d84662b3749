//! A landing that is cut off at any point goes on, and shows nothing that is not whole.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use proptest::prelude::*;

use super::fake::{Bench, FakeStore, checksums, object, pattern};
use crate::cold::{Checksum, ColdObject};
use crate::staging::cache::CacheKey;
use crate::staging::landing::journal;

static BENCH: LazyLock<Bench> = LazyLock::new(Bench::new);
static N_CASES: AtomicUsize = AtomicUsize::new(0);

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
fn lose_power(key: &CacheKey, keep_of_journal: f64) {
    let Ok(file) = File::options().write(true).open(BENCH.dir.partial_path(key)) else { return };
    let journal = std::fs::read(BENCH.dir.journal_path(key)).unwrap_or_default();
    let n_kept = (journal.len() as f64 * keep_of_journal) as usize;
    if !journal.is_empty() {
        std::fs::write(BENCH.dir.journal_path(key), &journal[..n_kept]).unwrap();
    }
    let len_bytes = file.metadata().unwrap().len();
    let (done, _) = journal::read(&journal[..n_kept], &journal::head(&key.to_string()), len_bytes);
    for range in done.missing(len_bytes, u64::MAX) {
        file.write_all_at(&vec![0; (range.end - range.start) as usize], range.start).unwrap();
    }
}

async fn land_with_cuts(store: &FakeStore, object: &ColdObject, cuts: &[(usize, Option<f64>)]) -> Vec<u8> {
    let key = CacheKey::of(object, &store.status);
    let whole = pattern(store.status.len_bytes as usize);
    for (n_polls, power) in cuts {
        cut_after(BENCH.land(store, object), *n_polls).await;
        // What goes on in the pool has ended once the claim is free.
        drop(BENCH.dir.claim(key).await);
        if let Ok(shown) = std::fs::read(BENCH.path(store, object)) {
            assert_eq!(shown, whole, "a file was shown that is not whole");
        }
        if let Some(keep_of_journal) = power {
            lose_power(&key, *keep_of_journal);
        }
    }
    let landed = BENCH.land(store, object).await.unwrap();
    assert!(!BENCH.dir.partial_path(&key).exists() && !BENCH.dir.journal_path(&key).exists());
    std::fs::read(landed.path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_cuts_the_object_lands_whole(
        len_bytes in 0_usize..200,
        has_checksum in any::<bool>(),
        cuts in proptest::collection::vec((0_usize..40, proptest::option::of(0.0..=1.0)), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut store = BENCH.store(pattern(len_bytes));
        let checksum = || -> Option<Checksum> { checksums(&pattern(len_bytes)).pop() };
        store.status.checksum = has_checksum.then(checksum).flatten();
        let object = object(&format!("case {}", N_CASES.fetch_add(1, Ordering::SeqCst)));

        let bytes = runtime.block_on(land_with_cuts(&store, &object, &cuts));

        prop_assert_eq!(bytes, pattern(len_bytes));
    }
}

#[tokio::test]
async fn after_a_cut_at_each_point_the_object_lands_whole() {
    for (number, n_polls) in (0..120).enumerate() {
        let store = BENCH.store(pattern(95));
        let bytes = land_with_cuts(&store, &object(&format!("point {number}")), &[(n_polls, None)]).await;
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
