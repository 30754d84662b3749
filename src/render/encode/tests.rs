use super::*;
use crate::Color;

fn image(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 4]) -> Image {
    let pixels = (0..height)
        .flat_map(|row| {
            (0..width).flat_map({
                let color = &color;
                move |column| color(column, row)
            })
        })
        .collect();
    Image { width, height, pixels }
}

/// Pictures of few colours, with holes, opaque with many colours, and with many colours and opacities.
fn pictures() -> [Image; 4] {
    [
        image(300, 200, |column, row| [(column / 20) as u8, (row / 20) as u8, 7, 255]),
        image(301, 200, |column, row| if row > column { [0; 4] } else { [(column / 2) as u8, 0, 0, 255] }),
        image(300, 211, |column, row| [column as u8, row as u8, (column * row) as u8, 255]),
        image(64, 64, |column, row| [column as u8, row as u8, 9, (column * 4) as u8]),
    ]
}

fn decoded_png(bytes: &[u8]) -> Result<(png_crate::ColorType, Vec<u8>)> {
    let mut decoder = png_crate::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png_crate::Transformations::EXPAND | png_crate::Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(failed)?;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or(0)];
    reader.next_frame(&mut pixels).map_err(failed)?;
    Ok((reader.info().color_type, pixels))
}

use ::png as png_crate;

#[test]
fn a_png_keeps_every_pixel_in_the_smallest_form() -> Result<()> {
    let forms = [
        png_crate::ColorType::Indexed,
        png_crate::ColorType::Indexed,
        png_crate::ColorType::Rgb,
        png_crate::ColorType::Rgba,
    ];
    for (image, form) in pictures().iter().zip(forms) {
        let (found, pixels) = decoded_png(&png(image)?)?;
        assert_eq!(found, form);
        assert!(pixels == image.pixels);
    }
    Ok(())
}

#[test]
fn a_webp_keeps_every_pixel() -> Result<()> {
    for image in pictures() {
        assert!(decoded_webp(&webp(&image)?, &image)? == [rgba(&image)]);
    }
    Ok(())
}

/// What is seen of a picture: transparent pixels have no colour.
fn rgba(image: &Image) -> Vec<[u8; 4]> {
    image.pixels.as_chunks::<4>().0.iter().map(|pixel| if pixel[3] == 0 { [0; 4] } else { *pixel }).collect()
}

fn decoded_webp(bytes: &[u8], like: &Image) -> Result<Vec<Vec<[u8; 4]>>> {
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(bytes)).map_err(failed)?;
    assert_eq!(decoder.dimensions(), (like.width, like.height));
    let mut frames = Vec::new();
    for _ in 0..decoder.num_frames().max(1) {
        let mut pixels = vec![0; decoder.output_buffer_size().unwrap_or(0)];
        if decoder.is_animated() {
            decoder.read_frame(&mut pixels).map_err(failed)?;
        } else {
            decoder.read_image(&mut pixels).map_err(failed)?;
        }
        if !decoder.has_alpha() {
            pixels = pixels.chunks(3).flat_map(|rgb| rgb.iter().copied().chain([255])).collect();
        }
        frames.push(rgba(&Image { pixels, ..like.clone() }));
    }
    Ok(frames)
}

/// Pictures that change in a part, lose pixels and get them back.
fn frames() -> Vec<Image> {
    (0..4_u32)
        .map(|step| {
            image(90, 60, move |column, row| match (column / 10, row / 10) {
                (2, 2) if step == 1 => [255, 0, 0, 255],
                (4, 1) if step == 2 => [0; 4],
                (0, _) => [0; 4],
                _ => [column as u8 / 10 * 20, row as u8 / 10 * 20, 0, 255],
            })
        })
        .collect()
}

/// What is seen in the first turn.
fn decoded_gif(bytes: &[u8]) -> Result<Vec<Vec<[u8; 4]>>> {
    turn_of_gif(bytes, &mut Vec::new())
}

/// What is seen in a turn that starts on a screen as the turn before left it.
fn turn_of_gif(bytes: &[u8], screen: &mut Vec<[u8; 4]>) -> Result<Vec<Vec<[u8; 4]>>> {
    let mut options = gif_crate::DecodeOptions::new();
    options.set_color_output(gif_crate::ColorOutput::RGBA);
    let mut decoder = options.read_info(bytes).map_err(failed)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    screen.resize(width * height, [0_u8; 4]);
    let mut shown = Vec::new();
    while let Some(frame) = decoder.read_next_frame().map_err(failed)? {
        let (left, top, cut) = (usize::from(frame.left), usize::from(frame.top), usize::from(frame.width));
        for (number, pixel) in frame.buffer.as_chunks::<4>().0.iter().enumerate() {
            if pixel[3] != 0 {
                screen[(top + number / cut) * width + left + number % cut] = *pixel;
            }
        }
        shown.push(screen.clone());
        if frame.dispose == gif_crate::DisposalMethod::Background {
            for number in 0..cut * usize::from(frame.height) {
                screen[(top + number / cut) * width + left + number % cut] = [0; 4];
            }
        }
    }
    Ok(shown)
}

use ::gif as gif_crate;

#[test]
fn an_animated_gif_of_few_colours_shows_every_picture_as_it_is() -> Result<()> {
    let frames = frames();

    let shown = decoded_gif(&gif(&frames, 125)?)?;
    assert_eq!(shown.len(), 4);
    for (number, (shown, frame)) in shown.iter().zip(&frames).enumerate() {
        assert!(*shown == rgba(frame), "picture {number}");
    }
    Ok(())
}

#[test]
fn a_gif_starts_again_as_it_started() -> Result<()> {
    let picture = |hole: bool, step: u8| {
        image(40, 30, move |column, row| match (column / 10, row / 10) {
            (1, 1) if hole => [0; 4],
            (3, 2) => [step, 0, 0, 255],
            _ => [0, 9, 0, 255],
        })
    };
    let frames = [picture(true, 0), picture(false, 0), picture(false, 7)];

    let bytes = gif(&frames, 125)?;
    let mut screen = Vec::new();
    for turn in 0..2 {
        let shown = turn_of_gif(&bytes, &mut screen)?;
        assert!(shown == frames.iter().map(rgba).collect::<Vec<_>>(), "turn {turn}");
    }
    Ok(())
}

#[test]
fn a_gif_of_many_colours_shows_near_ones() -> Result<()> {
    let many = image(256, 128, |column, row| [column as u8, (row * 2) as u8, 128, 255]);
    let mut writer = GifWriter::new(256, 128, 100, &[Color::rgb(3, 3, 3)])?;
    writer.push(many.clone())?;
    writer.push(many.clone())?;

    let shown = decoded_gif(&writer.finish()?)?;
    let farthest = shown[0]
        .iter()
        .zip(rgba(&many))
        .flat_map(|(a, b)| (0..4).map(move |part| a[part].abs_diff(b[part])))
        .max();
    assert!(farthest.is_some_and(|farthest| farthest <= 16), "{farthest:?}");
    assert!(shown[1] == shown[0]);
    Ok(())
}

#[test]
fn an_animated_webp_keeps_every_pixel() -> Result<()> {
    let frames = frames();
    let mut writer = WebpWriter::new(90, 60, 125)?;
    for frame in &frames {
        writer.push(frame)?;
    }

    let shown = decoded_webp(&writer.finish()?, &frames[0])?;
    assert!(shown == frames.iter().map(rgba).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn pictures_that_do_not_fit_are_refused() -> Result<()> {
    let small = image(2, 2, |_, _| [0; 4]);
    let short = Image { pixels: vec![0; 15], ..small.clone() };
    let empty = Image { width: 0, height: 0, pixels: Vec::new() };

    for image in [&short, &empty] {
        for encoded in [png(image), webp(image), gif(std::slice::from_ref(image), 100)] {
            assert!(matches!(encoded, Err(Error::Encode(_))));
        }
    }
    assert!(gif(&[], 100).is_err());
    assert!(gif(&[small.clone(), image(3, 2, |_, _| [0; 4])], 100).is_err());
    assert!(WebpWriter::new(2, 2, 9)?.finish().is_err());
    assert!(GifWriter::new(70_000, 2, 9, &[]).is_err());
    Ok(())
}
