//! Draws a made-up field with all that stands around it: `cargo run --example figure -- OUT.png [WIDTH HEIGHT THEME PLANE]`.

use std::process::ExitCode;

use thermocline_model::cf::{Calendar, TimeUnits};
use thermocline_render::figure::{self, LegendEntry, Plane};
use thermocline_render::ticks::{Axis, Quantity};
use thermocline_render::{
    Color, Colormap, Extent, Figure, Frame, Image, Layout, Levels, MapProjection, Mark, Norm, Scale, Theme,
    View, encode,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |i: usize| words.get(i).map(String::as_str);
    let out = word(0).unwrap_or("figure.png");
    let width: u32 = word(1).unwrap_or("1000").parse()?;
    let height: Option<u32> = word(2).and_then(|text| text.parse().ok());
    let plane = word(4).unwrap_or("platecarree");
    let mut figure = figure(width, height, word(3).unwrap_or("light"), plane)?;
    if matches!(plane, "series" | "section") {
        of_axes(&mut figure, plane == "section", word(5).unwrap_or("3650"))?;
    }
    let started = std::time::Instant::now();
    let layout = Layout::of(&figure)?;
    let marks = if figure.legend.is_empty() {
        vec![Mark::Image(field(&figure, &layout))]
    } else {
        lines(&figure, &layout)
    };
    let field_ms = started.elapsed().as_secs_f64() * 1e3;
    if out.ends_with(".svg") {
        std::fs::write(out, figure::draw_svg(&figure, &layout, &marks)?)?;
        return Ok(());
    }
    figure::draw(&figure, &layout, &marks)?;
    let started = std::time::Instant::now();
    let image = figure::draw(&figure, &layout, &marks)?;
    let draw_ms = started.elapsed().as_secs_f64() * 1e3;
    let started = std::time::Instant::now();
    std::fs::write(out, encode::png(&image)?)?;
    let png_ms = started.elapsed().as_secs_f64() * 1e3;
    println!(
        "{}×{} panel {:?}: field {field_ms:.1} ms, figure {draw_ms:.1} ms, PNG {png_ms:.1} ms",
        layout.width, layout.height, layout.panel
    );
    Ok(())
}

fn figure(
    width: u32,
    height: Option<u32>,
    theme: &str,
    projection: &str,
) -> Result<Figure, Box<dyn std::error::Error>> {
    let mut scale = Scale::new(-2.0, 32.0, Norm::Linear, Levels::Continuous, Colormap::named("viridis")?)?;
    scale.above = Some(Color::rgb(200, 30, 30));
    let mut view = View::globe(1, 1);
    view.projection = match projection {
        "mercator" => MapProjection::Mercator,
        "robinson" => MapProjection::Robinson,
        "mollweide" => MapProjection::Mollweide,
        "equalearth" => MapProjection::EqualEarth,
        "orthographic" => MapProjection::Orthographic,
        "northpolar" => MapProjection::NorthPolar,
        "southpolar" => MapProjection::SouthPolar,
        "lambert" => MapProjection::Lambert,
        _ => MapProjection::PlateCarree,
    };
    if matches!(projection, "lambert" | "region") {
        view.extent = Extent { west: -12.0, east: 32.0, south: 34.0, north: 62.0 };
    }
    if projection == "pacific" {
        view.extent = Extent { west: 120.0, east: 290.0, south: -30.0, north: 30.0 };
    }
    view.center = if projection == "orthographic" { (10.0, 35.0) } else { (0.0, 0.0) };
    Ok(Figure {
        width,
        height,
        frame: Frame::Full,
        theme: match theme {
            "dark" => Theme::Dark,
            "transparent" => Theme::Transparent,
            _ => Theme::Light,
        },
        scale: 1.0,
        title: "Sea surface temperature".into(),
        subtitle: "time = 2001-02-16 12:00, depth = 5 m".into(),
        plane: Plane::Map {
            view,
            has_coast: true,
            has_borders: projection == "region" || projection == "lambert",
        },
        has_grid: true,
        colorbar: Some((scale, "sea surface temperature [°C]".into())),
        legend: Vec::new(),
    })
}

/// Makes it a section over time and depth, or several series, over so many days.
fn of_axes(figure: &mut Figure, is_section: bool, days: &str) -> Result<(), Box<dyn std::error::Error>> {
    let units = TimeUnits::parse("days since 1999-11-20T07:10", Calendar::NoLeap)?;
    let x = Axis { first: 0.0, last: days.parse()?, quantity: Quantity::Time(units), label: None };
    let number = |first: f64, last: f64, label: &str| Axis {
        first,
        last,
        quantity: Quantity::Number,
        label: Some(label.into()),
    };
    let y = if is_section {
        number(5500.0, 0.0, "depth [m]")
    } else {
        number(-1.3e-5, 1.2e-5, "wind stress [N m⁻²]")
    };
    figure.plane = Plane::Axes { x, y };
    if !is_section {
        figure.colorbar = None;
        figure.legend =
            [("Atlantic", [31, 119, 180]), ("Pacific", [255, 127, 14]), ("Indian Ocean", [44, 160, 44])]
                .map(|(text, [red, green, blue])| LegendEntry {
                    text: text.into(),
                    color: Color::rgb(red, green, blue),
                })
                .into();
    }
    Ok(())
}

fn lines(figure: &Figure, layout: &Layout) -> Vec<Mark> {
    let [_, _, width, height] = layout.panel;
    let line = |(i, entry): (usize, &LegendEntry)| {
        let y = |x: f32| (0.5 + 0.4 * (x * 12.0 + i as f32).sin() * (x * 3.0).cos()) * height as f32;
        let points = (0..=width).map(|x| [x as f32, y(x as f32 / width as f32)]).collect();
        Mark::Line { points, color: entry.color, width: 1.5, dashes: Vec::new() }
    };
    figure.legend.iter().enumerate().map(line).collect()
}

fn field(figure: &Figure, layout: &Layout) -> Image {
    let [_, _, width, height] = layout.panel;
    let mut image = Image { width, height, pixels: vec![0; width as usize * height as usize * 4] };
    let Some((scale, _)) = &figure.colorbar else { return image };
    let view = match &figure.plane {
        Plane::Map { view, .. } => layout.panel_view(view),
        Plane::Axes { .. } => View::globe(width, height),
    };
    for (i, pixel) in image.pixels.chunks_exact_mut(4).enumerate() {
        let (x, y) = ((i as u32 % width) as f64 + 0.5, (i as u32 / width) as f64 + 0.5);
        let Some(place) = view.place(x, y) else { continue };
        let (lon, lat) = (place.longitude.to_radians(), place.latitude.to_radians());
        let value = 30.0 * lat.cos().powi(2) + 4.0 * (3.0 * lon).sin() * (2.0 * lat).cos() - 1.0;
        let Color { red, green, blue, alpha } = scale.color(scale.entry(value));
        pixel.copy_from_slice(&[red, green, blue, alpha]);
    }
    image
}
