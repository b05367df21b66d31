//! Files of tensors: adapters, decoders, and checkpoints of models.

use std::io::{Cursor, Write};

use echoic::decoder::{Decoder, GenerateOptions};
use echoic::towers::adapter::Adapter;
use echoic::towers::detect;
use serde_json::Value;

use crate::files::split_at_zero;
use crate::{blamed, scratch, write};

/// Bytes of numbers that are made up for a file at most.
const DATA: usize = 1 << 20;

/// An adapter's file; see [`file`] for the form of the input.
pub fn adapter(data: &[u8]) -> bool {
    let Some(adapter) = blamed(Adapter::from_bytes(&file(data), "input")) else { return false };
    let features: Vec<f32> = (0..adapter.facts().inputs).map(|i| (i % 7) as f32 - 3.0).collect();
    // Weights may cancel out or overflow: then there is no direction, and no vector.
    if let Ok(vector) = adapter.apply(&features) {
        let square = vector.iter().map(|x| x * x).sum::<f32>();
        assert!(vector.len() == adapter.facts().outputs && (square - 1.0).abs() < 1e-3, "squared length {square}");
    }
    true
}

/// A decoder's file; see [`file`] for the form of the input.
pub fn decoder(data: &[u8]) -> bool {
    let path = scratch("input.safetensors");
    write(&path, &file(data));
    let Some(decoder) = blamed(Decoder::load(&path)) else { return false };
    let mut prefix = vec![0.0; decoder.info().config.dim];
    prefix[0] = 1.0;
    for (beam, temperature, no_repeat) in [(1, 0.0, 2), (32, 0.0, 0), (1, 1.0, 1)] {
        let options = GenerateOptions::default().max_tokens(8).beam(beam).temperature(temperature).no_repeat(no_repeat);
        let caption = blamed(decoder.generate(&prefix, &options));
        assert!(caption.is_none_or(|caption| caption.tokens <= 8));
    }
    true
}

/// A checkpoint of a model, as it comes from anywhere. An input that begins as a pickle does is put into the archive that PyTorch makes, where
/// a checksum would keep the fuzzer out; any other is as in [`file`].
pub fn checkpoint(data: &[u8]) -> bool {
    let path = scratch("input.pt");
    let bytes = if data.starts_with(b"\x80") { archive(data) } else { file(data) };
    write(&path, &bytes);
    blamed(detect(&path)).is_some_and(|found| {
        assert!(found.dim > 0 && found.weights == path);
        true
    })
}

/// The archive of a checkpoint with this description, and no numbers.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("archive/data.pkl", stored).expect("a new name");
    archive.write_all(pickle).expect("memory");
    archive.finish().expect("memory").into_inner()
}

/// The file that an input stands for. One that begins with `{` is three parts with zero bytes between them: the JSON of the metadata
/// entry `echoic`, the JSON of the table of tensors, and numbers, which are repeated until the table is satisfied. Any other is the
/// file itself.
fn file(data: &[u8]) -> Vec<u8> {
    if !data.starts_with(b"{") {
        return data.to_vec();
    }
    let (description, rest) = split_at_zero(data);
    let (table, numbers) = split_at_zero(rest);
    let description = Value::from(String::from_utf8_lossy(description)).to_string();
    let table = String::from_utf8_lossy(table);
    let header =
        format!(r#"{{"__metadata__":{{"echoic":{description}}},{}"#, table.trim_start().trim_start_matches('{'));
    let end = serde_json::from_str(&table).map_or(0, |table| end_of(&table)).min(DATA);
    let numbers = if numbers.is_empty() { &[0] } else { numbers };
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend(numbers.iter().cycle().take(end));
    file
}

/// Where the last tensor of a table ends.
fn end_of(table: &Value) -> usize {
    let entries = table.as_object().into_iter().flatten();
    let ends = entries.filter_map(|(_, entry)| entry.get("data_offsets")?.get(1)?.as_u64());
    ends.max().map_or(0, |end| usize::try_from(end).unwrap_or(usize::MAX))
}
