use proptest::prelude::*;

use super::shape::{Anchor, Label, Rect, Shape};
use super::*;
use crate::ticks::Quantity;
use crate::{Colormap, Extent, Levels, MapProjection, Norm, text};

fn scale(norm: Norm, levels: Levels) -> Scale {
    Scale::new(1.0, 250.0, norm, levels, Colormap::named("viridis").unwrap()).unwrap()
}

fn map(projection: MapProjection) -> Plane {
    Plane::Map { view: View { projection, ..View::globe(1, 1) }, has_coast: true, has_borders: false }
}

fn axes() -> Plane {
    let axis = |label: &str| Axis {
        first: 0.0,
        last: 12.0,
        quantity: Quantity::Number,
        label: Some(label.to_owned()),
    };
    Plane::Axes { x: axis("time"), y: axis("temperature [K]") }
}

fn figure(width: u32, height: Option<u32>, plane: Plane) -> Figure {
    Figure {
        width,
        height,
        frame: Frame::Full,
        theme: Theme::Light,
        scale: 1.0,
        title: "Near-surface air temperature".into(),
        subtitle: "time = 2001-02-16".into(),
        plane,
        has_grid: true,
        colorbar: Some((scale(Norm::Linear, Levels::Continuous), "air temperature [K]".into())),
        legend: Vec::new(),
    }
}

/// Where a text is, of letters from the line up to their height.
fn extent(label: &Label) -> Rect {
    let wide = text::width(&label.text, label.size);
    let start = match label.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -wide / 2.0,
        Anchor::End => -wide,
    };
    let high = text::cap_height(label.size);
    let [x, y] = label.at;
    if label.angle == 0.0 {
        return Rect { left: x + start, top: y - high, width: wide, height: high };
    }
    Rect { left: x - high, top: y - start - wide, width: high, height: wide }
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.left < b.right() && b.left < a.right() && a.top < b.bottom() && b.top < a.bottom()
}

fn texts(shapes: &[Shape]) -> Vec<(String, Rect)> {
    let text = |shape: &Shape| match shape {
        Shape::Text(label) if !label.text.is_empty() => Some((label.text.clone(), extent(label))),
        _ => None,
    };
    shapes.iter().filter_map(text).collect()
}

/// What is wrong with a figure: texts over texts, over the panel, over colours, or beyond the picture.
fn flaw(figure: &Figure) -> Option<String> {
    let layout = Layout::of(figure).unwrap();
    let shapes = furniture::shapes(figure, &layout, &Palette::of(figure.theme));
    let texts = texts(&shapes);
    let panel = layout.panel_rect();
    let is_round =
        matches!(&figure.plane, Plane::Map { view, .. } if layout.panel_view(view).outline().is_some());
    let colors: Vec<Rect> = shapes
        .iter()
        .filter_map(|shape| if let Shape::Picture(rect, _) = shape { Some(*rect) } else { None })
        .collect();
    for (i, (text, rect)) in texts.iter().enumerate() {
        if let Some((other, _)) = texts.iter().skip(i + 1).find(|(_, other)| overlap(*rect, *other)) {
            return Some(format!("{text:?} over {other:?}"));
        }
        if overlap(*rect, panel) && !is_round {
            return Some(format!("{text:?} over the panel: {rect:?} {panel:?}"));
        }
        if colors.iter().any(|color| overlap(*rect, *color)) {
            return Some(format!("{text:?} over the colours"));
        }
        let is_inside = rect.left >= -0.6
            && rect.top >= -0.6
            && rect.right() <= layout.width as f32 + 0.6
            && rect.bottom() <= layout.height as f32 + 0.6;
        if !is_inside {
            return Some(format!(
                "{text:?} beyond the picture of {} × {}: {rect:?}",
                layout.width, layout.height
            ));
        }
    }
    let is_panel_inside = layout.panel[0] + layout.panel[2] <= layout.width
        && layout.panel[1] + layout.panel[3] <= layout.height
        && layout.panel[2] > 0
        && layout.panel[3] > 0;
    let over = colors.iter().any(|color| overlap(*color, panel) || color.right() > layout.width as f32);
    (over || !is_panel_inside).then(|| "the parts lie over each other".to_owned())
}

fn planes() -> impl Strategy<Value = Plane> {
    let projections = prop_oneof![
        Just(MapProjection::PlateCarree),
        Just(MapProjection::Mercator),
        Just(MapProjection::Robinson),
        Just(MapProjection::Orthographic),
        Just(MapProjection::NorthPolar),
        Just(MapProjection::Lambert),
        Just(MapProjection::Native),
    ];
    let extents = (-180.0..170.0_f64, 0.01..360.0_f64, -80.0..79.0_f64, 0.01..160.0_f64).prop_map(
        |(west, across, south, up)| Extent {
            west,
            east: west + across,
            south,
            north: (south + up).min(85.0),
        },
    );
    let maps = (projections, extents).prop_map(|(projection, extent)| {
        let view = View { projection, extent, ..View::globe(1, 1) };
        Plane::Map { view, has_coast: false, has_borders: false }
    });
    let axis = |label: String, first: f64, last: f64| Axis {
        first,
        last,
        quantity: Quantity::Number,
        label: Some(label),
    };
    let planes = (".{0,60}", ".{0,60}", -1e9..1e9_f64, 1e-9..1e9_f64).prop_map(move |(x, y, low, span)| {
        Plane::Axes { x: axis(x, 0.0, span), y: axis(y, low, low + span) }
    });
    prop_oneof![maps, planes]
}

fn figures() -> impl Strategy<Value = Figure> {
    let scales = prop_oneof![
        Just(scale(Norm::Linear, Levels::Continuous)),
        Just(scale(Norm::Log, Levels::Continuous)),
        Just(scale(Norm::Linear, Levels::Count(7))),
        Just(scale(Norm::Linear, Levels::Edges(vec![1e-7, 2e-7, 5e-7, 1e-6]))),
        Just(scale(Norm::SymLog(10.0), Levels::Continuous)),
        Just(scale(Norm::Power(0.5), Levels::Continuous)),
        Just(scale(Norm::Centered, Levels::Continuous)),
    ];
    let sizes = (1_u32..1400, prop::option::of(1_u32..1000));
    let frames = prop_oneof![Just(Frame::Full), Just(Frame::Axes)];
    let entry = ".{0,40}".prop_map(|text| LegendEntry { text, color: Color::rgb(9, 9, 9) });
    let texts = (".{0,200}", ".{0,200}", ".{0,80}");
    let bar = (any::<bool>(), scales, any::<[bool; 2]>());
    (sizes, frames, texts, planes(), bar, prop::collection::vec(entry, 0..20), 0.3..3.0_f64).prop_map(
        |(
            (width, height),
            frame,
            (title, subtitle, label),
            plane,
            (has_bar, mut scale, ends),
            legend,
            factor,
        )| {
            scale.below = ends[0].then_some(Color::rgb(1, 2, 3));
            scale.above = ends[1].then_some(Color::rgb(1, 2, 3));
            let colorbar = has_bar.then_some((scale, label));
            Figure { frame, title, subtitle, colorbar, legend, scale: factor, ..figure(width, height, plane) }
        },
    )
}

proptest! {
    #[test]
    fn nothing_lies_over_anything_else(figure in figures()) {
        if let Some(flaw) = flaw(&figure) {
            prop_assert!(false, "{flaw}");
        }
    }
}

#[test]
fn usual_sizes_have_all_their_parts() {
    for (width, height) in [(300, 200), (640, 480), (1000, 500), (1600, 900), (4000, 2000)] {
        let figure = figure(width, Some(height), map(MapProjection::PlateCarree));
        let layout = Layout::of(&figure).unwrap();
        assert_eq!(layout.left_out, layout::LeftOut::Nothing, "{width} × {height}");
        assert_eq!((layout.width, layout.height), (width, height));
        assert_eq!(flaw(&figure), None);
        let [_, _, panel_width, panel_height] = layout.panel.map(f64::from);
        assert!(panel_width * panel_height > 0.28 * f64::from(width * height), "{layout:?}");
        assert!((panel_width / panel_height - 2.0).abs() < 0.05, "{layout:?}");
    }
}

#[test]
fn a_small_figure_leaves_things_out_and_keeps_its_panel() {
    let layout = Layout::of(&figure(60, Some(40), map(MapProjection::PlateCarree))).unwrap();
    assert!(layout.left_out > layout::LeftOut::Subtitle && layout.panel[2] > 25, "{layout:?}");
    let layout = Layout::of(&figure(1, Some(1), axes())).unwrap();
    assert_eq!(layout.panel, [0, 0, 1, 1]);
    assert!(Layout::of(&figure(0, None, axes())).is_err());
}

#[test]
fn a_height_that_is_not_asked_for_suits_the_map_and_stays_within_bounds() {
    let layout = Layout::of(&figure(1000, None, map(MapProjection::PlateCarree))).unwrap();
    assert!((400..700).contains(&layout.height), "{layout:?}");
    let layout = Layout::of(&figure(8192, None, map(MapProjection::NorthPolar))).unwrap();
    assert!(layout.height <= 8192 && u64::from(layout.width) * u64::from(layout.height) <= 1 << 25);
}

#[test]
fn without_a_frame_the_panel_is_the_picture() {
    let figure = Figure { frame: Frame::None, ..figure(64, Some(32), map(MapProjection::PlateCarree)) };
    let layout = Layout::of(&figure).unwrap();
    assert_eq!(layout.panel, [0, 0, 64, 32]);
    let mut image = Image { width: 64, height: 32, pixels: vec![0; 64 * 32 * 4] };
    image.pixels[..4].copy_from_slice(&[10, 20, 30, 255]);
    let drawn = draw(&figure, &layout, &[Mark::Image(image.clone())]).unwrap();
    assert_eq!(drawn, image, "no coast, no grid, no frame");
}

#[test]
fn without_a_frame_every_pixel_is_opaque_or_nothing() {
    let figure = Figure { frame: Frame::None, ..figure(100, Some(80), axes()) };
    let layout = Layout::of(&figure).unwrap();
    let red = Color::rgb(200, 0, 0);
    let marks = [
        Mark::Line {
            points: vec![[0.0, 3.0], [50.0, 70.0], [100.0, 10.0]],
            color: red,
            width: 1.5,
            dashes: vec![],
        },
        Mark::Area { rings: vec![vec![[10.2, 10.1], [30.7, 12.3], [20.0, 33.3]]], color: red },
        Mark::Discs { discs: vec![([80.3, 60.6], red), ([-900.0, f32::NAN], red)], diameter: 7.0 },
        Mark::Text { at: [50.0, 40.0], text: "8".into(), color: red, size: 12.0, angle: 0.0 },
    ];
    let drawn = draw(&figure, &layout, &marks).unwrap();
    let mut n_inked = 0;
    for pixel in drawn.pixels.chunks_exact(4) {
        assert!(pixel == [0, 0, 0, 0] || pixel == [200, 0, 0, 255], "{pixel:?}");
        n_inked += usize::from(pixel[3] > 0);
    }
    assert!(n_inked > 300);
    let has_ink = |column: u32| (0..80).any(|row| drawn.pixels[((row * 100 + column) * 4 + 3) as usize] > 0);
    assert!((0..100).all(has_ink), "the line has no gaps");
}

#[test]
fn a_disc_covers_the_pixels_whose_centres_it_holds() {
    let figure = Figure { frame: Frame::None, ..figure(21, Some(21), axes()) };
    let layout = Layout::of(&figure).unwrap();
    let marks = [Mark::Discs { discs: vec![([10.5, 10.5], Color::rgb(1, 2, 3))], diameter: 7.0 }];
    let drawn = draw(&figure, &layout, &marks).unwrap();
    for row in 0..21_i32 {
        for column in 0..21_i32 {
            let is_inside = (row - 10).pow(2) + (column - 10).pow(2) <= 12;
            let alpha = drawn.pixels[((row * 21 + column) * 4 + 3) as usize];
            assert_eq!(alpha == 255, is_inside, "{column}, {row}");
        }
    }
}

#[test]
fn the_data_of_a_framed_figure_are_those_of_its_panel() {
    let figure = Figure { has_grid: false, ..figure(400, Some(300), axes()) };
    let layout = Layout::of(&figure).unwrap();
    let [left, top, width, height] = layout.panel;
    let pixels = (0..width * height).flat_map(|i| [i as u8, (i >> 8) as u8, 7, 255]).collect();
    let image = Image { width, height, pixels };
    let drawn = draw(&figure, &layout, &[Mark::Image(image.clone())]).unwrap();
    for row in 0..height {
        for column in 0..width {
            let from = ((row * width + column) * 4) as usize;
            let at = (((row + top) * 400 + column + left) * 4) as usize;
            assert_eq!(drawn.pixels[at..at + 4], image.pixels[from..from + 4], "{column}, {row}");
        }
    }
}

#[test]
fn a_transparent_figure_has_ink_on_nothing() {
    let figure = Figure { theme: Theme::Transparent, ..figure(400, Some(300), axes()) };
    let layout = Layout::of(&figure).unwrap();
    let drawn = draw(&figure, &layout, &[]).unwrap();
    assert_eq!(drawn.pixels[..4], [0, 0, 0, 0]);
    let ink = drawn.pixels.chunks_exact(4).filter(|pixel| pixel[3] == 255 && pixel[0] == 0x22).count();
    assert!(ink > 500, "{ink}");
}

#[test]
fn marks_do_not_leave_a_round_map() {
    let figure = figure(400, Some(300), map(MapProjection::Mollweide));
    let layout = Layout::of(&figure).unwrap();
    let [_, _, width, height] = layout.panel.map(|n| n as f32);
    let red = Color::rgb(255, 0, 0);
    let line =
        Mark::Line { points: vec![[0.0, 0.0], [width, height]], color: red, width: 2.0, dashes: vec![] };
    let drawn = draw(&figure, &layout, &[line]).unwrap();
    let [left, top, ..] = layout.panel;
    let corner = (((top + 6) * 400 + left + 12) * 4) as usize;
    assert_eq!(drawn.pixels[corner..corner + 4], [255, 255, 255, 255]);
    assert!(drawn.pixels.chunks_exact(4).any(|pixel| pixel == [255, 0, 0, 255]));
}

#[test]
fn the_same_figure_has_the_same_bytes() {
    let figure = figure(500, Some(300), map(MapProjection::Robinson));
    let layout = Layout::of(&figure).unwrap();
    assert_eq!(draw(&figure, &layout, &[]).unwrap(), draw(&figure, &layout, &[]).unwrap());
    assert_eq!(draw_svg(&figure, &layout, &[]).unwrap(), draw_svg(&figure, &layout, &[]).unwrap());
}

/// Reads a document to its end.
fn elements(document: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(document);
    reader.config_mut().check_end_names = true;
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => return names,
            quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag) => {
                for attribute in tag.attributes() {
                    attribute.unwrap();
                }
                names.push(tag.name().as_ref().to_owned());
            }
            _ => {}
        }
    }
}

#[test]
fn svg_is_well_formed_whatever_the_texts_are() {
    let hostile = "<script>\"&'\u{0}\u{8}\u{FFFE}]]></svg>".to_owned();
    let mut figure = figure(600, Some(400), map(MapProjection::Orthographic));
    figure.title.clone_from(&hostile);
    figure.subtitle.clone_from(&hostile);
    figure.colorbar = Some((scale(Norm::Log, Levels::Continuous), hostile.clone()));
    figure.legend = vec![LegendEntry { text: hostile.clone(), color: Color::rgb(1, 2, 3) }];
    let layout = Layout::of(&figure).unwrap();
    let image = Image { width: 2, height: 1, pixels: vec![255; 8] };
    let red = Color { red: 255, green: 0, blue: 0, alpha: 100 };
    let marks = [
        Mark::Image(image),
        Mark::Line {
            points: vec![[0.0, 0.0], [f32::NAN, 1.0], [9.0, 9.0], [20.0, 4.0]],
            color: red,
            width: 1.0,
            dashes: vec![2.0, 1.0],
        },
        Mark::Area { rings: vec![vec![[0.0, 0.0], [5.0, 5.0], [0.0, 5.0]]], color: red },
        Mark::Discs { discs: vec![([5.0, 5.0], red)], diameter: 4.0 },
        Mark::Text { at: [5.0, 5.0], text: hostile, color: red, size: 9.0, angle: 30.0 },
    ];
    let document = draw_svg(&figure, &layout, &marks).unwrap();
    let names = elements(&document);
    assert!(!names.iter().any(|name| name == "script"));
    for name in ["image", "path", "circle", "text", "clipPath"] {
        assert!(names.iter().any(|found| found == name), "no {name}");
    }
}

#[test]
fn legends_of_all_sizes_are_drawn() {
    for (width, height) in
        [(400, 60), (60, 400), (300, 80), (1, 1), (256, 20), (20, 256), (2000, 300), (90, 300)]
    {
        for norm in [Norm::Linear, Norm::Log, Norm::SymLog(5.0)] {
            let bar = Legend {
                scale: scale(norm, Levels::Continuous),
                label: "precipitation [mm d⁻¹]".into(),
                width,
                height,
                theme: Theme::Light,
            };
            let image = legend(&bar).unwrap();
            assert_eq!((image.width, image.height), (width, height));
            elements(&legend_svg(&bar).unwrap());
        }
    }
    let none = Legend { width: 0, height: 5, ..bar_of(400, 60) };
    assert!(legend(&none).is_err());
}

fn bar_of(width: u32, height: u32) -> Legend {
    let scale = scale(Norm::Linear, Levels::Continuous);
    Legend { scale, label: "temperature [K]".into(), width, height, theme: Theme::Light }
}

#[test]
fn a_lying_legend_shows_its_colours_from_left_to_right() {
    let image = legend(&bar_of(400, 60)).unwrap();
    let row: Vec<&[u8]> = image.pixels.chunks_exact(4).skip(400 * 10).take(400).collect();
    let table = Colormap::named("viridis").unwrap().table;
    let first = row.iter().position(|pixel| pixel[..3] == table[0]).unwrap();
    let last = row.iter().rposition(|pixel| pixel[..3] == table[255]).unwrap();
    assert!(first < 40 && last > 360, "{first} to {last}");
}

#[test]
fn ticks_of_bands_stand_at_their_edges() {
    let bands = scale(Norm::Linear, Levels::Edges(vec![0.0, 1.0, 5.0, 20.0, 100.0]));
    let ruler =
        crate::ticks::Ruler { length: 400.0, size: 12.0, direction: crate::ticks::Direction::Vertical };
    let ticks = colorbar::ticks_of(&bands, &ruler);
    let found: Vec<(f64, &str)> = ticks.major.iter().map(|tick| (tick.share, tick.label.as_str())).collect();
    assert_eq!(found, [(0.0, "0"), (0.25, "1"), (0.5, "5"), (0.75, "20"), (1.0, "100")]);
}

#[test]
fn a_range_of_one_value_has_one_label() {
    let constant =
        Scale::new(3.0, 3.0, Norm::Linear, Levels::Continuous, Colormap::named("viridis").unwrap()).unwrap();
    let ruler =
        crate::ticks::Ruler { length: 400.0, size: 12.0, direction: crate::ticks::Direction::Vertical };
    assert_eq!(colorbar::ticks_of(&constant, &ruler).major.len(), 1);
}
