//! Draws a made-up field with all that stands around it: `cargo run --example figure -- OUT.png [WIDTH HEIGHT THEME PROJ]`.

use std::process::ExitCode;

use thermocline_render::figure::{self, Plane};
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
    let figure = figure(width, height, word(3).unwrap_or("light"), word(4).unwrap_or("platecarree"))?;
    let started = std::time::Instant::now();
    let layout = Layout::of(&figure)?;
    let marks = [Mark::Image(field(&figure, &layout))];
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

fn field(figure: &Figure, layout: &Layout) -> Image {
    let [_, _, width, height] = layout.panel;
    let mut image = Image { width, height, pixels: vec![0; width as usize * height as usize * 4] };
    let (Plane::Map { view, .. }, Some((scale, _))) = (&figure.plane, &figure.colorbar) else { return image };
    let view = layout.panel_view(view);
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
