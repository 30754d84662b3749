//! Draws every kind of plot of made-up values: `cargo run --example kinds -- FOLDER [WIDTH THEME]`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use thermocline_model::cf::{Calendar, LonLat, TimeUnits};
use thermocline_render::figure::{self, Plane};
use thermocline_render::kinds::contour::{contour_map, filled_map};
use thermocline_render::kinds::quiver::{Heading, Reference, quiver};
use thermocline_render::kinds::section::Direction;
use thermocline_render::kinds::{
    ContourStyle, Edges, Histogram, Lattice, LineColor, LineShape, LineStyle, QuiverStyle, SectionAxis,
    Series, Wind, contour, contour_levels, filled, filled_levels, line, palette, points, scatter,
    section_cells,
};
use thermocline_render::ticks::{Axis, Quantity};
use thermocline_render::{
    Cancel, Cells, Color, Colormap, Field, Figure, Frame, Grid, Layout, Levels, MapProjection, Mark, Norm,
    Scale, Theme, Values, View, encode,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |i: usize| words.get(i).map(String::as_str);
    let theme = match word(2) {
        Some("dark") => Theme::Dark,
        _ => Theme::Light,
    };
    let studio = Studio {
        folder: word(0).unwrap_or(".").into(),
        width: word(1).and_then(|text| text.parse().ok()).unwrap_or(1000),
        theme,
    };
    match studio.draw_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Studio {
    folder: String,
    width: u32,
    theme: Theme,
}

impl Studio {
    fn draw_all(&self) -> Outcome<()> {
        use MapProjection::{Mollweide, NorthPolar, Orthographic, PlateCarree, Robinson};
        self.contours("contour", PlateCarree, 2.0)?;
        self.contours("contour_coarse", PlateCarree, 10.0)?;
        self.contours("contour_robinson", Robinson, 2.0)?;
        self.contours("contour_fine", Mollweide, 0.25)?;
        self.filled("contourf", PlateCarree, 2.0)?;
        self.filled("contourf_coarse", NorthPolar, 5.0)?;
        self.lines("line", LineShape::Line)?;
        self.lines("step", LineShape::Step)?;
        self.lines("area", LineShape::Area)?;
        self.histogram()?;
        self.section()?;
        self.arrows("quiver", PlateCarree)?;
        self.arrows("quiver_polar", NorthPolar)?;
        self.arrows("quiver_globe", Orthographic)?;
        self.stations()?;
        self.scatter()
    }

    fn figure(&self, title: &str, plane: Plane) -> Figure {
        Figure {
            width: self.width,
            height: None,
            frame: Frame::Full,
            theme: self.theme,
            scale: 1.0,
            title: title.into(),
            subtitle: String::new(),
            plane,
            has_grid: true,
            colorbar: None,
            legend: Vec::new(),
        }
    }

    fn map(&self, title: &str, projection: MapProjection) -> (Figure, View) {
        let view = View { projection, ..View::globe(1, 1) };
        let plane = Plane::Map { view: view.clone(), has_coast: true, has_borders: false };
        (self.figure(title, plane), view)
    }

    fn ink(&self) -> Color {
        if self.theme == Theme::Dark { Color::rgb(230, 230, 230) } else { Color::rgb(30, 30, 30) }
    }

    fn paper(&self) -> Color {
        if self.theme == Theme::Dark { Color::rgb(25, 25, 25) } else { Color::rgb(255, 255, 255) }
    }

    fn save(
        &self,
        name: &str,
        figure: &Figure,
        layout: &Layout,
        marks: &[Mark],
        started: Instant,
    ) -> Outcome<()> {
        let marked = started.elapsed();
        let image = figure::draw(figure, layout, marks)?;
        println!("{name}: marks {marked:.1?}, all {:.1?}", started.elapsed());
        std::fs::write(Path::new(&self.folder).join(format!("{name}.png")), encode::png(&image)?)?;
        let svg = figure::draw_svg(figure, layout, marks)?;
        std::fs::write(Path::new(&self.folder).join(format!("{name}.svg")), svg)?;
        Ok(())
    }

    fn contours(&self, name: &str, projection: MapProjection, step: f64) -> Outcome<()> {
        let (figure, view) = self.map("Sea level pressure [hPa]", projection);
        let layout = Layout::of(&figure)?;
        let view = layout.panel_view(&view);
        let (grid, field) = globe(step)?;
        let cancel = Cancel::new();
        let cells = grid.cells(&view, &cancel)?;
        let levels = contour_levels(&Levels::Continuous, Norm::Linear, (-22.0, 38.0));
        let color = LineColor::Plain(Color::rgb(0x20, 0x50, 0xA0));
        let style = ContourStyle { color, width: 1.2, label_size: Some(9.0), scale: layout.unit };
        let started = Instant::now();
        let marks = contour_map((&cells, &grid, &field), &view, &levels, &style, &cancel)?;
        self.save(name, &figure, &layout, &marks, started)
    }

    fn filled(&self, name: &str, projection: MapProjection, step: f64) -> Outcome<()> {
        let (mut figure, view) = self.map("Near-surface temperature", projection);
        let edges = filled_levels(&Levels::Continuous, Norm::Linear, (-22.0, 38.0));
        let (low, high) = edges.first().zip(edges.last()).ok_or("no levels")?;
        let scale =
            Scale::new(*low, *high, Norm::Linear, Levels::Edges(edges.clone()), Colormap::named("viridis")?)?;
        figure.colorbar = Some((scale.clone(), "temperature [°C]".into()));
        let layout = Layout::of(&figure)?;
        let view = layout.panel_view(&view);
        let (grid, field) = globe(step)?;
        let cancel = Cancel::new();
        let cells = grid.cells(&view, &cancel)?;
        let started = Instant::now();
        let image = filled_map((&cells, &grid, &field), &view, &scale, Edges::Smooth, &cancel)?;
        let color = LineColor::Plain(Color { alpha: 150, ..Color::rgb(0, 0, 0) });
        let style = ContourStyle { color, width: 0.7, label_size: None, scale: 1.0 };
        let mut marks = vec![Mark::Image(image)];
        marks.extend(contour_map((&cells, &grid, &field), &view, &edges, &style, &cancel)?);
        self.save(name, &figure, &layout, &marks, started)
    }

    fn lines(&self, name: &str, shape: LineShape) -> Outcome<()> {
        let n: u32 = if shape == LineShape::Line { 20_000 } else { 60 };
        let days: Vec<f64> = (0..n).map(|i| f64::from(i) * 3650.0 / f64::from(n)).collect();
        let value = |number: usize, day: f64| {
            let wave = (day / 365.25 * std::f64::consts::TAU + number as f64).sin();
            let noise = (day * 12.9898 + number as f64 * 78.233).sin() * 43_758.545;
            wave * 3.0 + noise.fract() * 0.8 + number as f64 * 2.0
        };
        let n_series = if shape == LineShape::Area { 1 } else { 4 };
        let series: Vec<Series<'_>> = (0..n_series)
            .map(|number| {
                let is_missing = |day: f64| number == 1 && (1000.0..1300.0).contains(&day);
                let values =
                    days.iter().map(|day| if is_missing(*day) { f64::NAN } else { value(number, *day) });
                Series::new(number, format!("member {number}"), &days, values.collect())
            })
            .collect();
        let started = Instant::now();
        let ((first, last), (low, high)) =
            (line::coordinate_range(&series), line::value_range(&series, (None, None), Frame::Full));
        let units = TimeUnits::parse("days since 1991-01-01", Calendar::NoLeap)?;
        let x = Axis { first, last, quantity: Quantity::Time(units), label: None };
        let y = Axis { first: low, last: high, quantity: Quantity::Number, label: Some("index".into()) };
        let mut figure = self.figure("A series of four members", Plane::Axes { x: x.clone(), y: y.clone() });
        figure.legend = line::legend(&series);
        let layout = Layout::of(&figure)?;
        let style = LineStyle { shape, width: 1.4, marker: Some(4.0), scale: layout.unit };
        let marks = line::lines(&series, (&x, &y), panel(&layout), &style);
        self.save(name, &figure, &layout, &marks, started)
    }

    fn histogram(&self) -> Outcome<()> {
        let (_, field) = globe(1.0)?;
        let started = Instant::now();
        let mut histogram = Histogram::even(-22.0, 38.0, 40)?;
        histogram.add_all(&field.values);
        let (x, y) = (histogram.value_axis(Some("temperature [°C]".into())), histogram.count_axis());
        let figure = self.figure("Distribution", Plane::Axes { x: x.clone(), y: y.clone() });
        let layout = Layout::of(&figure)?;
        let marks = histogram.bars((&x, &y), panel(&layout), palette::color(0));
        self.save("hist", &figure, &layout, &marks, started)
    }

    fn section(&self) -> Outcome<()> {
        let depths =
            [5.0, 15.0, 30.0, 50.0, 100.0, 200.0, 400.0, 700.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0];
        let latitudes: Vec<f64> = (0..90).map(|i| f64::from(i) * 2.0 - 89.0).collect();
        let meters = Some("depth [m]".to_owned());
        let y = SectionAxis::new("depth", &depths, Quantity::Number, meters, Direction::Descending)?;
        let x = SectionAxis::new("lat", &latitudes, Quantity::Latitude, None, Direction::Ascending)?;
        let is_land = |depth: f64, latitude: f64| depth > 3500.0 - 30.0 * (latitude - 20.0).abs();
        let value = |depth: f64, latitude: f64| match is_land(depth, latitude) {
            true => f64::NAN,
            false => 28.0 * latitude.to_radians().cos().powi(2) * (-depth / 500.0).exp() + 2.0,
        };
        let values: Vec<f64> = depths
            .iter()
            .flat_map(|depth| latitudes.iter().map(|latitude| value(*depth, *latitude)))
            .collect();
        let edges = filled_levels(&Levels::Continuous, Norm::Linear, (2.0, 30.0));
        let scale =
            Scale::new(0.0, 30.0, Norm::Linear, Levels::Edges(edges.clone()), Colormap::named("plasma")?)?;
        let mut figure =
            self.figure("Section at 30° W", Plane::Axes { x: x.axis().clone(), y: y.axis().clone() });
        figure.colorbar = Some((scale.clone(), "temperature [°C]".into()));
        let layout = Layout::of(&figure)?;
        let (width, height) = panel(&layout);
        let started = Instant::now();
        let cells = section_cells(&x, &y, (width, height));
        let xs: Vec<f64> = latitudes.iter().map(|value| x.axis().share(*value) * f64::from(width)).collect();
        let ys: Vec<f64> =
            depths.iter().map(|value| (1.0 - y.axis().share(*value)) * f64::from(height)).collect();
        let lattice = Lattice::rectilinear(&xs, &ys, values.clone())?;
        let thermocline_render::CellMap::Separable { rows, columns, n_columns } = cells else {
            return Err("no section".into());
        };
        let nearest = |column: u32, row: u32| {
            let cell = rows[row as usize] * n_columns + columns[column as usize];
            values[cell as usize]
        };
        let cancel = Cancel::new();
        let image = filled(&lattice, (width, height), nearest, (&scale, Edges::Smooth), &cancel)?;
        let color = LineColor::Plain(Color::rgb(0, 0, 0));
        let style = ContourStyle { color, width: 0.8, label_size: Some(9.0), scale: layout.unit };
        let mut marks = vec![Mark::Image(image)];
        marks.extend(contour(&lattice, &edges, (width, height), &style, &cancel)?);
        self.save("section", &figure, &layout, &marks, started)
    }

    fn arrows(&self, name: &str, projection: MapProjection) -> Outcome<()> {
        let (mut figure, view) = self.map("Wind", projection);
        let scale = Scale::new(0.0, 25.0, Norm::Linear, Levels::Continuous, Colormap::named("viridis")?)?;
        figure.colorbar = Some((scale.clone(), "speed [m s⁻¹]".into()));
        let layout = Layout::of(&figure)?;
        let view = layout.panel_view(&view);
        let wind = |x: f64, y: f64| {
            let LonLat { longitude, latitude } = view.place(x, y)?;
            let (wave, height) = (longitude.to_radians() * 3.0, latitude.to_radians());
            let u = 12.0 * (2.0 * height.abs() - 0.6).sin() + 6.0 * wave.cos() * height.sin();
            Some(Wind { u, v: 8.0 * wave.sin() * height.cos() })
        };
        let reference = Some(Reference { units: "m s⁻¹".into(), ink: self.ink(), paper: self.paper() });
        let style = QuiverStyle {
            spacing: 24.0 * f64::from(layout.unit),
            color: LineColor::Of(&scale),
            heading: Heading::Earth,
            reference,
            scale: f64::from(layout.unit),
            max_speed: None,
        };
        let started = Instant::now();
        let arrows = quiver(&view, wind, &style, &Cancel::new())?;
        self.save(name, &figure, &layout, &arrows.marks, started)
    }

    fn stations(&self) -> Outcome<()> {
        let (mut figure, view) = self.map("Stations", MapProjection::PlateCarree);
        let scale = Scale::new(-22.0, 38.0, Norm::Linear, Levels::Continuous, Colormap::named("viridis")?)?;
        figure.colorbar = Some((scale.clone(), "temperature [°C]".into()));
        let layout = Layout::of(&figure)?;
        let view = layout.panel_view(&view);
        let places: Vec<LonLat> = (0..2000)
            .map(|i| {
                let (turn, height) = (f64::from(i) * 222.492_236, f64::from(i) / 1000.0 - 1.0);
                LonLat { longitude: turn % 360.0, latitude: height.asin().to_degrees() }
            })
            .collect();
        let color = |i: usize| scale.color(scale.entry(truth(places[i].longitude, places[i].latitude)));
        let started = Instant::now();
        let marks = points(&view, &places, color, (7.0 * layout.unit, Edges::Smooth), &Cancel::new())?;
        self.save("points", &figure, &layout, &marks, started)
    }

    fn scatter(&self) -> Outcome<()> {
        let n = 1_000_000;
        let noise = |i: u32, seed: f64| ((f64::from(i) * 12.9898 + seed).sin() * 43_758.545_3).fract();
        let xs: Vec<f64> = (0..n).map(|i| noise(i, 0.0) + noise(i, 1.0) + noise(i, 2.0)).collect();
        let ys: Vec<f64> = xs.iter().zip(0..n).map(|(x, i)| x * 0.6 + noise(i, 3.0)).collect();
        let axis = |label: &str| Axis {
            first: -3.0,
            last: 3.0,
            quantity: Quantity::Number,
            label: Some(label.into()),
        };
        let (x, y) = (axis("one variable"), axis("another"));
        let figure = self.figure("A million values", Plane::Axes { x: x.clone(), y: y.clone() });
        let layout = Layout::of(&figure)?;
        let color = Color { alpha: 40, ..palette::color(0) };
        let started = Instant::now();
        let disc = (3.0 * layout.unit, Edges::Smooth);
        let marks = scatter((&xs, &ys), (&x, &y), panel(&layout), |_| color, disc, &Cancel::new())?;
        self.save("scatter", &figure, &layout, &marks, started)
    }
}

fn panel(layout: &Layout) -> (u32, u32) {
    (layout.panel[2], layout.panel[3])
}

/// A grid of cells of so many degrees, and values on it, missing on a made-up island.
fn globe(step: f64) -> Outcome<(Grid, Field)> {
    let (n_columns, n_rows) = ((360.0 / step) as u32, (180.0 / step) as u32);
    let longitudes: Vec<f64> = (0..n_columns).map(|i| (f64::from(i) + 0.5) * step).collect();
    let latitudes: Vec<f64> = (0..n_rows).map(|i| (f64::from(i) + 0.5) * step - 90.0).collect();
    let value = |longitude: f64, latitude: f64| match (longitude - 290.0).hypot(latitude + 15.0) < 22.0 {
        true => f64::NAN,
        false => truth(longitude, latitude),
    };
    let values =
        latitudes.iter().flat_map(|latitude| longitudes.iter().map(|longitude| value(*longitude, *latitude)));
    let field = Field { values: Values::F64(values.collect()), cells: Cells::All, n_columns };
    Ok((Grid::rectilinear(&longitudes, &latitudes)?, field))
}

/// Something like temperature, without symmetry.
fn truth(longitude: f64, latitude: f64) -> f64 {
    let (x, y) = (longitude.to_radians(), latitude.to_radians());
    let waves =
        6.0 * (2.0 * x + 3.0 * y.sin()).sin() * y.cos() + 4.0 * (5.0 * x).cos() * y.cos().powi(3) * y.sin();
    50.0 * y.cos() - 20.0 + waves
}
