use super::*;
use proptest::prelude::*;

fn fixed(shape: &[u64], element_bytes: u64) -> VariableLayout {
    let len_bytes = shape.iter().product::<u64>() * element_bytes;
    VariableLayout { shape: shape.to_vec(), begin: 1000, len_bytes, record_stride: None, is_unwritten: false }
}

fn record(shape: &[u64], element_bytes: u64, stride: u64) -> VariableLayout {
    let len_bytes = shape[1..].iter().product::<u64>() * element_bytes;
    VariableLayout {
        shape: shape.to_vec(),
        begin: 1000,
        len_bytes,
        record_stride: Some(stride),
        is_unwritten: false,
    }
}

#[test]
fn small_arrays_are_one_chunk() {
    assert_eq!(cut(&[2, 1 << 20], 8), [2, 1 << 20]);
    assert_eq!(cut(&[], 8), [] as [u64; 0]);
    assert_eq!(cut(&[0, 5], 8), [1, 5]);
}

#[test]
fn large_arrays_are_cut_evenly_where_a_divisor_gives_4_to_16_mebibytes() {
    assert_eq!(cut(&[365, 721, 1440], 4), [1, 721, 1440]);
    assert_eq!(cut(&[1000, 1 << 17], 4), [10, 1 << 17]);
    assert_eq!(cut(&[3, 1 << 23], 4), [1, 1 << 21]);
}

#[test]
fn rows_without_a_divisor_leave_a_short_last_chunk() {
    let layout = fixed(&[101, 1 << 18], 4);
    let plan = plan(&layout, 4);
    assert_eq!(plan.chunk_shape, [8, 1 << 18]);
    let table = table(&layout, &plan, 4).unwrap();
    assert_eq!(table.len(), 13);
    let last = table.get(12).unwrap();
    assert_eq!((last.len_bytes, last.part.is_short), (5 << 20, true));
    assert_eq!(last.offset, 1000 + (96 << 20));
}

#[test]
fn large_records_are_a_chunk_each() {
    let layout = record(&[3, 8192], 4, 100_000);
    let plan = plan(&layout, 4);
    assert_eq!(plan.chunk_shape, [1, 8192]);
    assert_eq!(plan.served_chunk_shape, [1, 8192]);
    let table = table(&layout, &plan, 4).unwrap();
    let chunk = table.get(2).unwrap();
    assert_eq!((chunk.part.place, chunk.offset, chunk.len_bytes), (Place::Object(0), 201_000, 32_768));
}

#[test]
fn small_interleaved_records_are_kept_or_gathered() {
    assert_eq!(plan(&record(&[10, 8], 4, 100), 4).bytes, PlannedBytes::Inline);
    let layout = record(&[100_000, 256], 4, 2000);
    let many = plan(&layout, 4);
    assert_eq!(many.bytes, PlannedBytes::Gathered);
    assert_eq!(many.chunk_shape, [1024, 256]);
    assert_eq!(many.served_chunk_shape, [1024, 256]);
    let table = table(&layout, &many, 4).unwrap();
    assert_eq!(table.len(), 98);
    assert_eq!(table.get(1).map(|chunk| chunk.part.place), Some(Place::Format(0)));
}

#[test]
fn gathering_a_chunk_reads_no_more_than_is_bearable() {
    let n_records = |stride| plan(&record(&[2_000_000, 1], 4, stride), 4).chunk_shape[0];
    assert_eq!(n_records(20), 262_144);
    assert_eq!(n_records(16 << 10), 1024);
    assert_eq!(n_records(10 << 20), 256);
}

#[test]
fn the_length_of_chunks_is_found_quickly_for_any_axis() {
    // A prime, of which no length divides.
    for _ in 0..10_000 {
        let chunk_shape = cut(&[2_147_483_647], 1);
        assert_eq!(chunk_shape, [8 << 20]);
    }
}

#[test]
fn small_records_without_neighbours_are_contiguous() {
    assert_eq!(plan(&record(&[10, 3], 1, 3), 1).bytes, PlannedBytes::Contiguous);
}

proptest! {
    #[test]
    fn chunks_of_a_contiguous_array_tile_it(
        shape in prop::collection::vec(1_u64..5000, 1..4),
        element_bytes in prop::sample::select(vec![1_u64, 2, 4, 8]),
    ) {
        let layout = fixed(&shape, element_bytes);
        prop_assume!(layout.len_bytes < 1 << 34);
        let table = table(&layout, &plan(&layout, element_bytes), element_bytes).unwrap();
        let mut next = layout.begin;
        for (_, chunk) in table.iter() {
            prop_assert_eq!(chunk.offset, next);
            prop_assert!(u64::from(chunk.len_bytes) <= MAX_CHUNK_BYTES);
            next += u64::from(chunk.len_bytes);
        }
        prop_assert_eq!(next, layout.begin + layout.len_bytes);
    }
}
