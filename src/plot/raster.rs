//! Plots as pixels.

use std::sync::Arc;

use resvg::usvg::fontdb::{Database, Family, Query};
use resvg::{tiny_skia, usvg};

use super::colours::loudness;
use crate::error::Hint;
use crate::{Error, Result};

/// The families that a plot's words are set in, the first that is installed.
const FAMILIES: [&str; 8] =
    ["Inter", "Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "Noto Sans", "DejaVu Sans", "Roboto"];

/// Draws a plot as a PNG file, `scale` pixels a unit.
///
/// # Errors
/// [`Error::Input`] where no font is installed to set its words in; [`Error::Internal`] when it is no drawing.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>> {
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    draw(svg, scale, fonts)
}

fn draw(svg: &str, scale: f32, fonts: Database) -> Result<Vec<u8>> {
    let wrong = |what: &str| Error::Internal(format!("a plot that cannot be drawn: {what}"));
    let options = usvg::Options { font_family: family(&fonts)?, fontdb: Arc::new(fonts), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|cause| wrong(&cause.to_string()))?;
    let size = tree.size();
    let (width, height) = ((size.width() * scale).ceil() as u32, (size.height() * scale).ceil() as u32);
    let mut pixels = tiny_skia::Pixmap::new(width, height).ok_or_else(|| wrong("it has no extent"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|cause| wrong(&cause.to_string()))
}

/// The family to set words in.
fn family(fonts: &Database) -> Result<String> {
    let is_there = |name: &&str| fonts.query(&Query { families: &[Family::Name(name)], ..Query::default() }).is_some();
    let any = || fonts.faces().next().and_then(|face| Some(face.families.first()?.0.clone()));
    let known = FAMILIES.into_iter().find(|name| is_there(name)).map(str::to_owned);
    known.or_else(any).ok_or_else(|| {
        Error::input("the plot", "no installed font to set its words in", "one at least")
            .with_hint(Hint::from("write it as SVG, which needs none, or install a font such as DejaVu Sans"))
    })
}

/// Pixels of loudness in 0..=255, row after row, as a PNG file in the colours of loudness.
pub(super) fn image(width: usize, height: usize, pixels: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let wrong = |cause: &dyn std::fmt::Display| Error::Internal(format!("an image that cannot be written: {cause}"));
    let narrow = |length: usize| u32::try_from(length).map_err(|cause| wrong(&cause));
    let mut encoder = png::Encoder::new(&mut bytes, narrow(width)?, narrow(height)?);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette((0..=255).flat_map(loudness).collect::<Vec<u8>>());
    let mut writer = encoder.write_header().map_err(|cause| wrong(&cause))?;
    writer.write_image_data(pixels).map_err(|cause| wrong(&cause))?;
    writer.finish().map_err(|cause| wrong(&cause))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, Lines, Look, Series};

    #[test]
    fn without_a_font_it_says_what_to_do() {
        let svg =
            Lines::new("t", Axis::new("x"), Axis::new("y"), vec![Series::new("s", vec![(0.0, 1.0)])]).svg(Look::Light);
        let error = draw(&svg, 1.0, Database::new()).unwrap_err();
        assert!(error.to_string().contains("no installed font") && error.hint().unwrap().to_string().contains("SVG"));
    }
}
