//! Disks that fail at any step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;

use super::fake::{Bench, object, pattern};
use crate::cold::Locality;
use crate::staging::cache::FileStep;
use crate::staging::landing::LandCause;

/// Lets the step of that number fail; how many steps there were.
fn fail_at(bench: &Bench, number: usize, errno: Errno) -> Arc<AtomicUsize> {
    let n_steps = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&n_steps);
    bench.dir.inject(Box::new(move |_| match counter.fetch_add(1, Ordering::SeqCst) {
        step if step == number => Err(errno.into()),
        _ => Ok(()),
    }));
    n_steps
}

#[tokio::test]
async fn whichever_step_fails_the_failure_has_its_cause_and_the_next_attempt_lands() {
    for (errno, cause) in [(Errno::NOSPC, LandCause::NoSpace), (Errno::IO, LandCause::CacheDisk)] {
        for number in 0.. {
            let bench = Bench::new();
            let mut store = bench.store(pattern(95));
            store.status.checksum = super::fake::checksums(&pattern(95)).pop();
            let n_steps = fail_at(&bench, number, errno);
            let outcome = bench.land(&store, &object("a")).await;
            if n_steps.load(Ordering::SeqCst) <= number {
                assert!(outcome.is_ok());
                assert!(number > 15, "only {number} steps were seen");
                break;
            }

            let failure = outcome.unwrap_err();
            assert_eq!(failure.cause, cause, "step {number}: {failure}");
            let shown = std::fs::read(bench.path(&store, &object("a"))).ok();
            assert!(shown.is_none_or(|bytes| bytes == pattern(95)), "step {number}");
            let landed = bench.land(&store, &object("a")).await.unwrap();
            assert_eq!(std::fs::read(landed.path).unwrap(), pattern(95), "step {number}");
        }
    }
}

#[tokio::test]
async fn nothing_has_the_final_name_before_it_is_flushed_and_whole() {
    let bench = Bench::new();
    let store = bench.store(pattern(95));
    let (path, partial) = (bench.path(&store, &object("a")), {
        let key = crate::staging::cache::CacheKey::of(&object("a"), &store.status);
        bench.dir.partial_path(&key)
    });
    let steps = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    bench.dir.inject(Box::new(move |step| {
        seen.lock().push(step);
        match step {
            FileStep::SyncFolder => assert_eq!(std::fs::read(&path)?, pattern(95)),
            _ => assert!(!path.exists()),
        }
        if step == FileStep::Rename {
            assert_eq!(std::fs::read(&partial)?, pattern(95));
        }
        Ok(())
    }));

    bench.land(&store, &object("a")).await.unwrap();

    let steps = steps.lock();
    let journal: Vec<&FileStep> =
        steps.iter().filter(|step| matches!(step, FileStep::Sync | FileStep::Journal)).collect();
    assert!(journal.len() > 3);
    for (position, step) in journal.iter().enumerate() {
        // Bytes are flushed before the journal says that they are there.
        assert!(**step == FileStep::Sync || *journal[position - 1] == FileStep::Sync);
    }
    assert_eq!(steps[..2], [FileStep::Open, FileStep::Reserve]);
    assert_eq!(steps[steps.len() - 3..], [FileStep::Sync, FileStep::Rename, FileStep::SyncFolder]);
}

#[tokio::test]
async fn an_object_that_does_not_fit_the_disk_takes_nothing_of_it_and_is_not_read() {
    let bench = Bench::new();
    let mut store = bench.store(pattern(95));
    store.status.len_bytes = bench.dir.free_bytes().unwrap() + (1 << 40);
    store.status.locality = Locality::Online;

    let failure = bench.land(&store, &object("a")).await.unwrap_err();

    assert_eq!(failure.cause, LandCause::NoSpace, "{failure}");
    assert_eq!(store.n_reads(), 0);
    assert_eq!(bench.temporaries(), 0);
}

#[tokio::test]
async fn a_folder_in_the_way_is_a_failure_of_the_disk() {
    let bench = Bench::new();
    let store = bench.store(pattern(95));
    let key = crate::staging::cache::CacheKey::of(&object("a"), &store.status);
    std::fs::create_dir(bench.dir.partial_path(&key)).unwrap();

    let failure = bench.land(&store, &object("a")).await.unwrap_err();

    assert_eq!(failure.cause, LandCause::CacheDisk);
    assert!(!failure.to_string().contains("/tmp"), "{failure}");
}
