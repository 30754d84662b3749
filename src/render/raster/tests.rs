use super::*;
use crate::{Cells, Color, Colormap, Levels, NO_CELL, Norm};

fn scale() -> Result<Scale> {
    let mut scale = Scale::new(0.0, 256.0, Norm::Linear, Levels::Continuous, Colormap::named("gray")?)?;
    scale.bad = Color::rgb(255, 0, 0);
    Ok(scale)
}

fn view(width: u32, height: u32) -> View {
    View::globe(width, height)
}

/// The red of each pixel, or `None` where it is transparent.
fn reds(image: &Image) -> Vec<Option<u8>> {
    image.pixels.chunks(4).map(|pixel| (pixel[3] == 255).then_some(pixel[0])).collect()
}

const SEPARABLE: [(u32, u32); 2] = [(2, 0), (0, 1)];

fn separable() -> CellMap {
    CellMap::Separable {
        rows: vec![1, 1, 0, NO_CELL],
        columns: SEPARABLE.map(|(column, _)| column).to_vec(),
        n_columns: 3,
    }
}

#[test]
fn rows_and_columns_of_cells_become_pixels() -> Result<()> {
    let values = Values::F32(vec![0.5, 1.5, 2.5, 10.5, 11.5, f32::NAN]);
    let field = Field { values, cells: Cells::All, n_columns: 3 };

    let image = paint(&separable(), &field, &scale()?, &view(2, 4), &Cancel::new())?;
    assert_eq!(reds(&image), [Some(255), Some(10), Some(255), Some(10), Some(2), Some(0), None, None]);
    assert_eq!(image.pixels[..4], [255, 0, 0, 255]);
    Ok(())
}

#[test]
fn cells_that_were_not_read_are_transparent() -> Result<()> {
    let cells =
        Cells::Lattice { rows: vec![0, Cells::ABSENT], columns: vec![1, Cells::ABSENT, 0], n_columns: 2 };
    let field = Field { values: Values::F64(vec![7.0, 8.0]), cells, n_columns: 3 };
    let each = CellMap::Each(vec![0, 1, 2, 3, 5, NO_CELL]);

    let image = paint(&separable(), &field, &scale()?, &view(2, 4), &Cancel::new())?;
    assert_eq!(reds(&image), [None, None, None, None, Some(7), Some(8), None, None]);
    let image = paint(&each, &field, &scale()?, &view(3, 2), &Cancel::new())?;
    assert_eq!(reds(&image), [Some(8), None, Some(7), None, None, None]);
    Ok(())
}

#[test]
fn each_pixel_has_its_cell() -> Result<()> {
    let field = Field { values: Values::F64(vec![5.0, 6.0]), cells: Cells::All, n_columns: 2 };

    let image =
        paint(&CellMap::Each(vec![1, 0, NO_CELL, 2]), &field, &scale()?, &view(2, 2), &Cancel::new())?;
    assert_eq!(reds(&image), [Some(6), Some(5), None, None]);
    Ok(())
}

#[test]
fn cells_of_another_picture_are_refused() -> Result<()> {
    let field = Field { values: Values::F64(vec![5.0]), cells: Cells::All, n_columns: 1 };

    for cells in [CellMap::Each(vec![0]), separable()] {
        assert!(matches!(
            paint(&cells, &field, &scale()?, &view(2, 2), &Cancel::new()),
            Err(Error::Invalid(_))
        ));
    }
    Ok(())
}

#[test]
fn painting_can_be_called_off() -> Result<()> {
    let field = Field { values: Values::F64(vec![5.0]), cells: Cells::All, n_columns: 1 };
    let cancel = Cancel::new();
    cancel.set();

    let painted = paint(&CellMap::Each(vec![0; 4]), &field, &scale()?, &view(2, 2), &cancel);
    assert_eq!(painted, Err(Error::Cancelled));
    Ok(())
}

#[test]
fn values_between_centres_are_interpolated() -> Result<()> {
    let grid = Grid::rectilinear(&[-120.0, 0.0, 120.0], &[-45.0, 45.0])?;
    let reds_of = |values: [f64; 6]| {
        let field = Field { values: Values::F64(values.to_vec()), cells: Cells::All, n_columns: 3 };
        let image = paint_bilinear(&grid, &field, &scale()?, &view(6, 2), &Cancel::new())?;
        Ok::<_, Error>(reds(&image)[..6].to_vec())
    };

    // Centres of pixels are a quarter of the way from one centre to the next, those at the sides around the globe.
    let found = reds_of([0.0, 40.0, 80.0, 100.0, 140.0, 160.0])?;
    assert_eq!(found, [115, 110, 130, 145, 155, 145].map(Some));
    let found = reds_of([0.0, 40.0, 80.0, f64::NAN, 140.0, 160.0])?;
    assert_eq!(found, [255, 255, 140, 145, 155, 160].map(Some));
    Ok(())
}

#[test]
fn only_grids_with_axes_are_interpolated() -> Result<()> {
    let field = Field { values: Values::F64(vec![1.0; 4]), cells: Cells::All, n_columns: 2 };
    let native = Grid::native(2, 2)?;
    let wide = Grid::rectilinear(&[0.0, 1.0, 2.0], &[0.0, 1.0])?;

    for grid in [native, wide] {
        let painted = paint_bilinear(&grid, &field, &scale()?, &view(2, 2), &Cancel::new());
        assert!(matches!(painted, Err(Error::Invalid(_))));
    }
    Ok(())
}
