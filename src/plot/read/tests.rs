//! What is read is what is selected, no more chunks than that takes, and statistics are those of everything selected.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use thermocline_core::select::{Selection, resolve};
use thermocline_model::Attributes;
use thermocline_render::NO_CELL;

use super::*;
use crate::PlotSettings;
use crate::testing::{Built, F4, I2, World, float, texts};

const STATISTICS: Wanted = Wanted { statistics: true, quantiles: None };
const NOTHING: Wanted = Wanted { statistics: false, quantiles: None };

/// 2 steps of 5 × 7 cells in chunks of 1 × 2 × 3: step 100, row 10, column 1.
fn world() -> Built {
    let values: Vec<f64> = (0..70).map(|i| f64::from(i / 35 * 100 + i % 35 / 7 * 10 + i % 7)).collect();
    World::default()
        .with("v", &[("t", 2), ("y", 5), ("x", 7)], (F4, Attributes::new()), &[1, 2, 3], &values)
        .build()
}

async fn selected(world: &Built, pairs: &[(&str, &str)]) -> ResolvedVariable {
    let mut selection = Selection::new();
    pairs.iter().for_each(|(dim, positions)| selection.positions(dim, positions).unwrap());
    let mut resolved = resolve(&world.manifest, &selection, &["v".to_owned()]).await.unwrap();
    resolved.variables.remove(0)
}

fn plotter(world: &Built) -> Plotter {
    Plotter::new(Arc::clone(&world.reader), PlotSettings::default())
}

fn values(field: &Field, n: u32) -> Vec<f64> {
    (0..n).map(|cell| field.value(cell)).collect()
}

#[tokio::test]
async fn a_field_is_one_step_with_its_statistics_and_reads_no_other() {
    let world = world();
    let selected = selected(&world, &[("t", "1")]).await;
    let axes = Axes { selected: &selected, drawn: &[1, 2] };
    let plotter = plotter(&world);
    let read =
        plotter.read_field(&world.manifest, &axes, Needs::All, STATISTICS, &Cancel::new()).await.unwrap();
    let expected: Vec<f64> = (0..35).map(|i| f64::from(100 + i / 7 * 10 + i % 7)).collect();
    assert_eq!(values(&read.field, 35), expected);
    let statistics = read.statistics.unwrap();
    assert_eq!((statistics.n_valid, statistics.n_missing), (35, 0));
    assert_eq!((statistics.min, statistics.max, statistics.mean), (100.0, 146.0, 123.0));
    assert_eq!((read.n_chunks, read.bytes_read), (9, 9 * 6 * 4));
    assert_eq!(world.n_read.load(Ordering::Relaxed), 9 * 6 * 4);
    let again =
        plotter.read_field(&world.manifest, &axes, Needs::All, STATISTICS, &Cancel::new()).await.unwrap();
    assert_eq!(again.bytes_read, 0);
    assert!(Arc::ptr_eq(&again.field, &read.field));
}

#[tokio::test]
async fn rows_and_columns_are_those_of_the_drawn_axes_in_any_order() {
    let world = world();
    let selected = selected(&world, &[("t", "0")]).await;
    let axes = Axes { selected: &selected, drawn: &[2, 1] };
    let read = plotter(&world)
        .read_field(&world.manifest, &axes, Needs::All, NOTHING, &Cancel::new())
        .await
        .unwrap();
    let expected: Vec<f64> = (0..35).map(|i| f64::from(i / 5 + i % 5 * 10)).collect();
    assert_eq!(values(&read.field, 35), expected);
}

#[tokio::test]
async fn only_chunks_with_a_needed_cell_are_read_when_nothing_else_is_wanted() {
    let world = world();
    let selected = selected(&world, &[("t", "0")]).await;
    let axes = Axes { selected: &selected, drawn: &[1, 2] };
    let plotter = plotter(&world);
    let separable = CellMap::Separable { rows: vec![0, NO_CELL, 1], columns: vec![4, 5], n_columns: 7 };
    let each = CellMap::Each(vec![4, 5, NO_CELL, 11, 12, 34]);
    for (cells, n_chunks) in [(separable, 1), (each, 2)] {
        let cells = Arc::new(cells);
        for bytes_read in [n_chunks * 24, 0] {
            let needs = Needs::Pixels(&cells);
            let read =
                plotter.read_field(&world.manifest, &axes, needs, NOTHING, &Cancel::new()).await.unwrap();
            assert_eq!((read.n_chunks, read.bytes_read), (n_chunks, bytes_read));
            assert_eq!(read.field.value(4), 4.0);
            assert_eq!(read.field.value(12), 15.0);
            assert!(read.statistics.is_none());
        }
    }
    let needs = CellMap::Each(vec![4]);
    let needs = Arc::new(needs);
    let needs = Needs::Pixels(&needs);
    let read = plotter.read_field(&world.manifest, &axes, needs, STATISTICS, &Cancel::new()).await.unwrap();
    assert_eq!(read.statistics.unwrap().max, 46.0, "statistics are of all that is selected");
}

#[tokio::test]
async fn cells_that_are_not_selected_are_missing_and_count_nowhere() {
    let world = world();
    let selected = selected(&world, &[("t", "0"), ("y", "1:3"), ("x", "0:7:2")]).await;
    let axes = Axes { selected: &selected, drawn: &[1, 2] };
    let read = plotter(&world)
        .read_field(&world.manifest, &axes, Needs::All, STATISTICS, &Cancel::new())
        .await
        .unwrap();
    for cell in 0..35 {
        let (row, column) = (cell / 7, cell % 7);
        let is_selected = (1..3).contains(&row) && column % 2 == 0;
        let expected = if is_selected { f64::from(row * 10 + column) } else { f64::NAN };
        assert_eq!(read.field.value(cell).to_bits(), expected.to_bits(), "{cell}");
    }
    let statistics = read.statistics.unwrap();
    assert_eq!(
        (statistics.n_valid, statistics.n_missing, statistics.min, statistics.max),
        (8, 0, 10.0, 26.0)
    );
}

#[tokio::test]
async fn boxes_on_grids_of_two_dimensions_select_cells() {
    let degrees = |scale: f64, by_row: bool| -> Vec<f64> {
        (0..6).map(|i| scale * f64::from(if by_row { i / 3 } else { i % 3 })).collect()
    };
    let dims = [("y", 2), ("x", 3)];
    let lat = [("standard_name", "latitude"), ("units", "degrees_north")];
    let lon = [("standard_name", "longitude"), ("units", "degrees_east")];
    let world = World::default().coordinate("lat", &dims, &lat, &degrees(10.0, true)).coordinate(
        "lon",
        &dims,
        &lon,
        &degrees(10.0, false),
    );
    let world = world.with(
        "v",
        &dims,
        (F4, texts(&[("coordinates", "lat lon")])),
        &[1, 2],
        &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    );
    let world = world.build();
    let mut selection = Selection::new();
    selection.bounding_box([5.0, 5.0, 25.0, 15.0]).unwrap();
    let resolved = resolve(&world.manifest, &selection, &["v".to_owned()]).await.unwrap();
    let selected = &resolved.variables[0];
    assert_eq!(selected.masks.len(), 1);
    let axes = Axes { selected, drawn: &[0, 1] };
    let read = plotter(&world)
        .read_field(&world.manifest, &axes, Needs::All, STATISTICS, &Cancel::new())
        .await
        .unwrap();
    let statistics = read.statistics.unwrap();
    assert_eq!((statistics.n_valid, statistics.n_missing, statistics.min, statistics.max), (2, 0, 4.0, 5.0));
    assert!(read.field.value(1).is_nan());
}

#[tokio::test]
async fn packed_values_are_unpacked_and_missing_ones_are_nan() {
    let mut attrs = texts(&[]);
    attrs.set("scale_factor", float(0.5));
    attrs.set("add_offset", float(10.0));
    attrs.set("_FillValue", float(-1.0));
    let world = World::default()
        .with("v", &[("y", 1), ("x", 4)], (I2, attrs), &[1, 2], &[3.0, -1.0, 0.0, 7.0])
        .build();
    let selected = selected(&world, &[]).await;
    let axes = Axes { selected: &selected, drawn: &[0, 1] };
    let read = plotter(&world)
        .read_field(&world.manifest, &axes, Needs::All, STATISTICS, &Cancel::new())
        .await
        .unwrap();
    let expected = Values::F64(vec![11.5, f64::NAN, 10.0, 13.5]);
    assert_eq!(format!("{:?}", read.field.values), format!("{expected:?}"));
    let statistics = read.statistics.unwrap();
    assert_eq!(
        (statistics.n_valid, statistics.n_missing, statistics.min, statistics.max),
        (3, 1, 10.0, 13.5)
    );
}

#[tokio::test]
async fn a_field_without_values_has_statistics_of_nothing() {
    let mut attrs = texts(&[]);
    attrs.set("missing_value", float(0.0));
    let world =
        World::default().with("v", &[("y", 2), ("x", 2)], (F4, attrs), &[2, 2], &[f64::NAN; 4]).build();
    let selected = selected(&world, &[]).await;
    let axes = Axes { selected: &selected, drawn: &[0, 1] };
    let wanted = Wanted { statistics: true, quantiles: Some([0.02, 0.98]) };
    let read =
        plotter(&world).read_field(&world.manifest, &axes, Needs::All, wanted, &Cancel::new()).await.unwrap();
    let statistics = read.statistics.unwrap();
    assert_eq!((statistics.n_valid, statistics.n_missing), (0, 4));
    assert!(statistics.min.is_nan() && statistics.mean.is_nan());
    assert!(read.quantiles.unwrap().iter().all(|quantile| quantile.is_nan()));
}

#[tokio::test]
async fn more_than_a_plot_may_read_is_refused_with_what_would_help() {
    let world = world();
    let selected = selected(&world, &[("t", "0")]).await;
    let axes = Axes { selected: &selected, drawn: &[1, 2] };
    let settings = PlotSettings { max_read_bytes: 100, ..PlotSettings::default() };
    let plotter = Plotter::new(Arc::clone(&world.reader), settings);
    let error =
        plotter.read_field(&world.manifest, &axes, Needs::All, STATISTICS, &Cancel::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.message().contains("216 bytes") && error.message().contains("vmin"), "{error}");
    let cells = Arc::new(CellMap::Each(vec![4]));
    let read =
        plotter.read_field(&world.manifest, &axes, Needs::Pixels(&cells), NOTHING, &Cancel::new()).await;
    assert_eq!(read.unwrap().bytes_read, 24);
}

#[tokio::test]
async fn reading_that_was_called_off_reads_nothing() {
    let world = world();
    let selected = selected(&world, &[("t", "0")]).await;
    let axes = Axes { selected: &selected, drawn: &[1, 2] };
    let cancel = Cancel::new();
    cancel.set();
    assert!(
        plotter(&world).read_field(&world.manifest, &axes, Needs::All, STATISTICS, &cancel).await.is_err()
    );
    assert_eq!(world.n_read.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_axis_that_is_neither_drawn_nor_at_one_position_is_refused() {
    let world = world();
    let selected = selected(&world, &[]).await;
    let axes = Axes { selected: &selected, drawn: &[1, 2] };
    let error = plotter(&world)
        .read_field(&world.manifest, &axes, Needs::All, NOTHING, &Cancel::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn series_have_the_positions_of_the_selection_in_its_order() {
    let world = world();
    let selected = selected(&world, &[("t", "::-1"), ("y", "2"), ("x", "1:7:3")]).await;
    let axes = Axes { selected: &selected, drawn: &[0, 2] };
    let read = plotter(&world).read_series(&world.manifest, &axes, &Cancel::new()).await.unwrap();
    assert_eq!(read.values, Values::F32(vec![121.0, 124.0, 21.0, 24.0]));
    assert_eq!(read.positions, [vec![1, 0], vec![1, 4]]);
    assert_eq!(read.n_chunks, 4);
}

/// numpy's `percentile` with `method="linear"`, by sorting.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn quantiles_of_whole_fields_and_by_passes_are_those_of_sorting(
        seeds in prop::collection::vec(-1000_i32..1000, 12),
        low in 0.0_f64..0.5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stored: Vec<f64> = seeds.iter().map(|seed| f64::from(*seed) / 7.0).collect();
            let single: Vec<f64> = stored.iter().map(|value| f64::from(*value as f32)).collect();
            let dims = [("y", 3), ("x", 4)];
            let world = World::default().with("v", &dims, (F4, Attributes::new()), &[2, 2], &stored).build();
            let selected = selected(&world, &[]).await;
            let axes = Axes { selected: &selected, drawn: &[0, 1] };
            let shares = [low, 1.0 - low];
            let wanted = Wanted { statistics: true, quantiles: Some(shares) };
            let expected = shares.map(|share| percentile(&single, share));
            for field_cache_bytes in [1 << 20, 0] {
                let settings = PlotSettings { field_cache_bytes, ..PlotSettings::default() };
                let plotter = Plotter::new(Arc::clone(&world.reader), settings);
                let cells = Arc::new(CellMap::Each(vec![0]));
                let (needs, cancel) = (Needs::Pixels(&cells), Cancel::new());
                let read = plotter.read_field(&world.manifest, &axes, needs, wanted, &cancel);
                let quantiles = read.await.unwrap().quantiles.unwrap();
                for (found, expected) in quantiles.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-9, "{found} {expected}");
                }
            }
        });
    }
}
