//! Sounds to look at: waveforms and spectrograms over time.

use super::axis::Axis;
use super::colours::Look;
use super::raster::image;
use super::sheet::{Anchor, Sheet};
use crate::Result;

/// The lowest and the highest sample of each of many short stretches.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    title: String,
    seconds: f64,
    peaks: Vec<(f32, f32)>,
}

impl Waveform {
    /// A sound of so many seconds by the lowest and highest sample of equally long stretches, full scale 1.
    pub fn new(title: impl Into<String>, seconds: f64, peaks: Vec<(f32, f32)>) -> Self {
        Self { title: title.into(), seconds, peaks }
    }

    /// The plot.
    pub fn svg(&self, look: Look) -> String {
        let most = self.peaks.iter().fold(0f32, |most, (low, high)| most.max(low.abs()).max(high.abs()));
        let description = format!("Waveform of {:.2} seconds, peak {most:.3} of full scale.", self.seconds);
        let mut sheet = Sheet::new(look, &self.title, &description, 240.0);
        let frame = sheet.frame(72.0, 52.0);
        let reach = f64::from(if most > 0.0 { most } else { 1.0 });
        let (across, up) =
            (Axis::new("seconds").between(0.0, self.seconds), Axis::new("sample").between(-reach, reach));
        let (_, y) = sheet.axes(frame, (&across, Vec::new()), (&up, Vec::new()));
        let step = (frame.right - frame.left) / self.peaks.len().max(1) as f64;
        let place =
            |(index, sample): (usize, f32)| (frame.left + (index as f64 + 0.5) * step, y.place(f64::from(sample)));
        let above = self.peaks.iter().map(|peak| peak.1).enumerate();
        let below = self.peaks.iter().map(|peak| peak.0).enumerate().rev();
        let colour = sheet.colours.series(0).to_owned();
        sheet.path(above.chain(below).map(place), &colour, true);
        sheet.finish()
    }
}

/// Loudness by time and frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrogram {
    title: String,
    seconds: f64,
    bands: Vec<f64>,
    values: Vec<u8>,
}

impl Spectrogram {
    /// A sound of so many seconds, column after column: in each the loudness of every band, 0 the quietest that is shown, 255 the loudest.
    /// `bands` are their middles in Hz, ascending.
    pub fn new(title: impl Into<String>, seconds: f64, bands: Vec<f64>, values: Vec<u8>) -> Self {
        Self { title: title.into(), seconds, bands, values }
    }

    /// The plot.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) when the image within cannot be written.
    pub fn svg(&self, look: Look) -> Result<String> {
        let bands = self.bands.len();
        let description = format!("Spectrogram of {:.2} seconds in {bands} bands.", self.seconds);
        let mut sheet = Sheet::new(look, &self.title, &description, 320.0);
        let frame = sheet.frame(72.0, 52.0);
        let columns = self.values.len().checked_div(bands).unwrap_or(0);
        if columns > 0 {
            let upside = (0..bands).rev().flat_map(|band| (0..columns).map(move |column| column * bands + band));
            let pixels: Vec<u8> = upside.map(|index| self.values[index]).collect();
            sheet.image(frame, &image(columns, bands, &pixels)?);
        }
        let x = Axis::new("").between(0.0, self.seconds).scale(std::iter::empty(), frame.left, frame.right);
        sheet.ticks_below(frame, &x);
        for (band, hertz) in self.marks() {
            let y = frame.bottom - (band as f64 + 0.5) / bands as f64 * (frame.bottom - frame.top);
            sheet.words(frame.left - 8.0, y + 4.0, Anchor::End, &hertz);
        }
        sheet.names(frame, "seconds", "Hz");
        Ok(sheet.finish())
    }

    /// The bands nearest to round frequencies.
    fn marks(&self) -> Vec<(usize, String)> {
        let round = [125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0];
        let within = |hertz: &f64| self.bands.first() <= Some(hertz) && self.bands.last() >= Some(hertz);
        let nearest = |hertz: f64| {
            let distance = |band: &usize| (self.bands[*band] - hertz).abs();
            (0..self.bands.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
        };
        let marks = round.into_iter().filter(within);
        marks.filter_map(|hertz| Some((nearest(hertz)?, format!("{hertz:.0}")))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spectrogram_keeps_its_pixels() {
        let svg =
            Spectrogram::new("t", 1.0, vec![100.0, 1_000.0], vec![0, 255, 255, 0, 0, 255]).svg(Look::Light).unwrap();
        let data = svg.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        use base64::Engine;
        let file = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (3, 2));
        assert_eq!(&pixels[..6], [255, 0, 255, 0, 255, 0], "the upper row is the higher band");
    }
}
