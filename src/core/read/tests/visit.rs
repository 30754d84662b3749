//! Visits of decoded chunks.

use parking_lot::Mutex;

use super::*;

const SPAWN: &Spawn<'static> = &|work| {
    std::thread::spawn(work);
};

fn visit(chunks: Vec<u64>) -> Visit<'static> {
    Visit { chunks, max_in_flight: 2, spawn: SPAWN }
}

#[tokio::test]
async fn every_chunk_is_seen_once_and_those_never_written_are_fill() {
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2]), (2, [5, 6])]).build();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    let each: Arc<Each> = Arc::new(move |chunk| {
        into.lock().push((chunk.linear, chunk.index.to_vec(), chunk.values.clone()));
        Ok(())
    });
    let visited = reader.visit(&manifest, &variable, visit(vec![2, 1, 0]), each).await.unwrap();
    assert_eq!(visited, Visited { n_chunks: 3, bytes_read: 8 });
    let mut seen = std::mem::take(&mut *seen.lock());
    seen.sort_by_key(|(linear, ..)| *linear);
    let chunk = |linear: u64, values: [i16; 2]| (linear, vec![linear], ArrayBytes::Fixed(bytes_of(&values)));
    assert_eq!(seen, [chunk(0, [1, 2]), chunk(1, [-1, -1]), chunk(2, [5, 6])]);
}

#[tokio::test]
async fn the_error_of_the_callback_ends_the_visit() {
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2]), (2, [5, 6])]).build();
    let each: Arc<Each> = Arc::new(|_| Err(Error::invalid_input("enough")));
    let error = reader.visit(&manifest, &variable, visit(vec![0, 2]), each).await.unwrap_err();
    assert_eq!(error.message(), "enough");
}

#[tokio::test]
async fn a_callback_that_panics_is_an_error_and_gives_its_memory_back() {
    let (reader, manifest, variable) = Fixture::raw(&[(0, [1, 2])]).build();
    let free = reader.work.available_permits();
    let each: Arc<Each> = Arc::new(|_| panic!("on purpose"));
    assert!(reader.visit(&manifest, &variable, visit(vec![0]), each).await.is_err());
    assert_eq!(reader.work.available_permits(), free);
}
