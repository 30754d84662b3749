//! What a landing promises, against stores that fail and lie, disks that fail, and being cut off anywhere.

mod cuts;
mod fake;
mod faults;

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::*;
use crate::cold::Checksum;
use crate::staging::cache::Identified;
use crate::{Error, ErrorKind};
use fake::{Bench, object, pattern};

#[tokio::test]
async fn objects_of_all_sizes_land_whole() {
    let bench = Bench::new();
    for (number, len_bytes) in [0, 1, 9, 10, 11, 99, 1000].into_iter().enumerate() {
        let store = bench.store(pattern(len_bytes));
        let object = object(&format!("folder/file {number}.nc"));

        let landed = bench.land(&store, &object).await.unwrap();

        assert_eq!(std::fs::read(&landed.path).unwrap(), pattern(len_bytes));
        assert_eq!(landed.path, bench.dir.path(&landed.key));
        assert_eq!(landed.inode, std::fs::metadata(&landed.path).unwrap().ino());
        assert_eq!(bench.temporaries(), 0);
    }
}

#[tokio::test]
async fn the_time_of_the_source_becomes_the_time_of_the_file() {
    let bench = Bench::new();
    let mut store = bench.store(pattern(5));
    store.status.version = "1700000000123456789".into();

    let landed = bench.land(&store, &object("a")).await.unwrap();

    assert_eq!(landed.mtime_ns, 1_700_000_000_123_456_789);
    let metadata = std::fs::metadata(&landed.path).unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_700_000_000, 123_456_789));
}

#[tokio::test]
async fn an_object_that_is_there_is_not_read_again() {
    let bench = Bench::new();
    let store = bench.store(pattern(50));
    let first = bench.land(&store, &object("a")).await.unwrap();
    let n_reads = store.n_reads();

    let second = bench.land(&store, &object("a")).await.unwrap();

    assert_eq!(second, first);
    assert_eq!(store.n_reads(), n_reads);
}

#[tokio::test]
async fn a_landed_file_tells_which_object_it_holds() {
    let bench = Bench::new();
    let store = bench.store(pattern(50));
    let object = object("ocean/tas \u{fc}.nc");
    let landed = bench.land(&store, &object).await.unwrap();

    let identified = bench.dir.identify(&landed.key);

    let has_attributes =
        rustix::fs::setxattr(&landed.path, "user.probe", b"1", rustix::fs::XattrFlags::empty()).is_ok();
    let expected = Identified { id: object.id.clone(), version: "1".into(), len_bytes: 50 };
    assert_eq!(identified, has_attributes.then_some(expected));
    // What it says is believed only if it fits the name of the file.
    std::fs::OpenOptions::new().write(true).open(&landed.path).unwrap().set_len(49).unwrap();
    assert_eq!(bench.dir.identify(&landed.key), None);
}

#[tokio::test]
async fn a_replaced_object_lands_beside_the_old_one() {
    let bench = Bench::new();
    let old = bench.store(pattern(50));
    let mut new = bench.store(vec![7; 50]);
    new.status.version = "2".into();

    let old = bench.land(&old, &object("a")).await.unwrap();
    let new = bench.land(&new, &object("a")).await.unwrap();

    assert_eq!(std::fs::read(old.path).unwrap(), pattern(50));
    assert_eq!(std::fs::read(new.path).unwrap(), vec![7; 50]);
}

#[tokio::test]
async fn two_landings_of_one_object_read_it_once() {
    let bench = Bench::new();
    let store = bench.store(pattern(50));
    let object = object("a");

    let (one, other) = tokio::join!(bench.land(&store, &object), bench.land(&store, &object));

    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(store.n_reads(), 5);
}

#[tokio::test]
async fn no_more_parts_are_in_flight_than_allowed() {
    let mut bench = Bench::new();
    bench.settings.parts_in_flight = 3;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut store = bench.store(pattern(200));
    let counters = (Arc::clone(&now), Arc::clone(&most));
    store.while_reading(move || {
        counters.1.fetch_max(counters.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let now = Arc::clone(&counters.0);
        async move {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
        }
    });

    bench.land(&store, &object("a")).await.unwrap();

    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn progress_begins_at_nothing_and_ends_at_the_size() {
    let bench = Bench::new();
    let store = bench.store(pattern(95));
    let seen = Mutex::new(Vec::new());

    bench
        .land_with(&store, &object("a"), &|bytes| seen.lock().push(bytes), &CancellationToken::new())
        .await
        .unwrap();

    let seen = seen.into_inner();
    assert_eq!((seen.first(), seen.last()), (Some(&0), Some(&95)));
    assert!(seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn the_checksum_of_the_store_is_that_of_the_file() {
    let bench = Bench::new();
    for (number, checksum) in fake::checksums(&pattern(123)).into_iter().enumerate() {
        let mut store = bench.store(pattern(123));
        store.status.checksum = Some(checksum);
        bench.land(&store, &object(&number.to_string())).await.unwrap();
        assert_eq!(store.n_reads(), 13);
    }
}

#[tokio::test]
async fn bytes_with_a_wrong_checksum_are_read_again_once() {
    let bench = Bench::new();
    for (number, checksum) in fake::checksums(&pattern(95)).into_iter().enumerate() {
        let mut store = bench.store(pattern(95));
        store.status.checksum = Some(checksum);
        store.answer(|read, range, mut bytes| {
            if read < 10 && range.start == 40 {
                bytes[3] ^= 1;
            }
            Ok(bytes)
        });

        let landed = bench.land(&store, &object(&number.to_string())).await.unwrap();

        assert_eq!(std::fs::read(landed.path).unwrap(), pattern(95));
        assert_eq!(store.n_reads(), 20);
    }
}

#[tokio::test]
async fn bytes_with_a_wrong_checksum_twice_are_given_up_and_never_shown() {
    let bench = Bench::new();
    let mut store = bench.store(pattern(95));
    store.status.checksum = Some(Checksum::Adler32(0));

    let failure = bench.land(&store, &object("a")).await.unwrap_err();

    assert_eq!(failure.cause, LandCause::Corrupt);
    assert!(failure.to_string().contains("root:a"), "{failure}");
    assert!(failure.to_string().contains("adler32 00000000"), "{failure}");
    assert_eq!(store.n_reads(), 20);
    assert_eq!((bench.temporaries(), bench.landed()), (0, 0));
}

#[tokio::test]
async fn an_answer_of_another_length_is_no_data() {
    for change in [-1_i64, 1, -10, 10_000] {
        let bench = Bench::new();
        let mut store = bench.store(pattern(95));
        store.answer(move |read, _, mut bytes| {
            if read == 4 {
                bytes.resize(bytes.len().saturating_add_signed(change as isize), 0);
            }
            Ok(bytes)
        });

        let failure = bench.land(&store, &object("a")).await.unwrap_err();

        assert_eq!(failure.cause, LandCause::Retryable { after: None });
        assert_eq!(bench.landed(), 0);
        let landed = bench.land(&store, &object("a")).await.unwrap();
        assert_eq!(std::fs::read(landed.path).unwrap(), pattern(95));
    }
}

#[tokio::test]
async fn what_came_before_an_error_is_not_read_again() {
    let mut bench = Bench::new();
    bench.settings.parts_in_flight = 1;
    let mut store = bench.store(pattern(95));
    let busy = ErrorKind::Unavailable { retry_after: Duration::from_secs(9) };
    store.answer(move |read, _, bytes| if read == 4 { Err(Error::new(busy, "busy")) } else { Ok(bytes) });

    let failure = bench.land(&store, &object("a")).await.unwrap_err();

    assert_eq!(failure.cause, LandCause::Retryable { after: Some(Duration::from_secs(9)) });
    let landed = bench.land(&store, &object("a")).await.unwrap();
    assert_eq!(std::fs::read(landed.path).unwrap(), pattern(95));
    assert_eq!(store.n_reads(), 4 + 1 + 6);
}

#[tokio::test]
async fn what_the_store_says_decides_what_can_be_done() {
    let changed = ErrorKind::Changed { retry_after: Duration::from_secs(1) };
    for (kind, cause) in [
        (ErrorKind::NotFound, LandCause::Gone),
        (ErrorKind::Lost, LandCause::Lost),
        (ErrorKind::Refused, LandCause::Refused),
        (ErrorKind::Unsupported, LandCause::Refused),
        (ErrorKind::Corrupt, LandCause::Retryable { after: None }),
        (changed, LandCause::Changed),
    ] {
        let bench = Bench::new();
        let mut store = bench.store(pattern(95));
        store.answer(move |read, _, bytes| if read == 7 { Err(Error::new(kind, "no")) } else { Ok(bytes) });

        let failure = bench.land(&store, &object("a")).await.unwrap_err();

        assert_eq!(failure.cause, cause);
        assert_eq!(bench.landed(), 0);
        if cause != (LandCause::Retryable { after: None }) {
            assert_eq!(bench.temporaries(), 0, "{cause:?}");
        }
    }
}

#[tokio::test]
async fn parts_of_two_states_never_make_one_file() {
    // This store does not notice that the object changed between two reads, and has no checksum.
    let bench = Bench::new();
    let mut store = bench.store(pattern(95));
    store.replaced_after(5, "2");

    let failure = bench.land(&store, &object("a")).await.unwrap_err();

    assert_eq!(failure.cause, LandCause::Changed);
    assert!(failure.to_string().contains("version \"1\""), "{failure}");
    assert_eq!((bench.temporaries(), bench.landed()), (0, 0));
}

#[tokio::test]
async fn a_store_that_never_answers_is_noticed() {
    let bench = Bench::new();
    let mut store = bench.store(pattern(95));
    store.while_reading(std::future::pending);
    let landing = async { bench.land(&store, &object("a")).await };
    let time = async {
        bench.until_reading(&store).await;
        bench.clock.advance(Duration::from_secs(599));
        tokio::task::yield_now().await;
        bench.clock.advance(Duration::from_secs(1));
    };

    let (outcome, ()) = tokio::join!(landing, time);

    assert_eq!(outcome.unwrap_err().cause, LandCause::Stalled);
}

#[tokio::test]
async fn a_cancelled_landing_ends_at_once_and_keeps_its_parts() {
    let mut bench = Bench::new();
    bench.settings.parts_in_flight = 1;
    let store = bench.store(pattern(95));
    let cancel = CancellationToken::new();
    let stop_half_way = |bytes| {
        if bytes >= 50 {
            cancel.cancel()
        }
    };

    let failure = bench.land_with(&store, &object("a"), &stop_half_way, &cancel).await.unwrap_err();

    assert_eq!(failure.cause, LandCause::Cancelled);
    let n_before = store.n_reads();
    bench.land(&store, &object("a")).await.unwrap();
    assert_eq!(store.n_reads() - n_before, 5);
}

#[tokio::test]
async fn what_a_given_up_landing_left_can_be_removed() {
    let bench = Bench::new();
    let mut store = bench.store(pattern(95));
    store.answer(|read, _, bytes| if read == 7 { Err(Error::internal("no")) } else { Ok(bytes) });
    bench.land(&store, &object("a")).await.unwrap_err();
    assert!(bench.temporaries() > 0);

    bench.dir.remove(CacheKey::of(&object("a"), &store.status)).await.unwrap();

    assert_eq!(bench.temporaries(), 0);
}
