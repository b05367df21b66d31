//! `gap.safetensors`: a measurement of the modality gap, which is kept beside the memory and named by no manifest.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::{EmbeddingSpace, Error, Result, file};

/// The kind and version of the file, as its header names it.
const FORMAT: &str = "echoic-gap-1";
/// The one tensor.
const SHIFT: &str = "shift";
/// More than any such file takes.
const MOST_BYTES: u64 = 64 << 20;

/// A measurement of the gap between texts and sounds, as a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptGap {
    /// The embedding space that it was measured in.
    pub space: EmbeddingSpace,
    /// The version of Echoic that measured it.
    pub echoic: String,
    /// What was measured, as whoever measured it noted it.
    pub measured: serde_json::Value,
    /// The mean of the sounds' embeddings less that of the texts' `[dim]`; `None` where there were no pairs.
    pub shift: Option<Vec<f32>>,
}

/// What the header says beside where the tensor lies.
#[derive(Serialize, Deserialize)]
struct Said {
    format: String,
    space: EmbeddingSpace,
    echoic: String,
    measured: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift: Option<Tensor>,
}

/// Texts alone, as safetensors has it.
#[derive(Serialize, Deserialize)]
struct Metadata {
    /// [`Said`] as JSON.
    echoic: String,
    /// SHA-256 of that text and the bytes behind the header.
    sha256: String,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct Tensor {
    dtype: String,
    shape: [usize; 1],
    data_offsets: [usize; 2],
}

impl Tensor {
    fn of(dim: usize) -> Self {
        Self { dtype: "F32".into(), shape: [dim], data_offsets: [0, 4 * dim] }
    }
}

fn sha256(said: &str, data: &[u8]) -> String {
    hex(&Sha256::new().chain_update(said).chain_update(data).finalize())
}

fn internal(error: serde_json::Error) -> Error {
    Error::Internal(format!("a gap that is no JSON: {error}"))
}

/// Writes the file whole: whoever reads sees the old one or the new.
pub(crate) fn write(path: &Path, gap: &KeptGap) -> Result<()> {
    let KeptGap { space, echoic, measured, shift } = gap.clone();
    let said = Said { format: FORMAT.into(), space, echoic, measured };
    let said = serde_json::to_string(&said).map_err(internal)?;
    let data: Vec<u8> = shift.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    let sha256 = sha256(&said, &data);
    let shift = shift.as_ref().map(|shift| Tensor::of(shift.len()));
    let header = Header { metadata: Metadata { echoic: said, sha256 }, shift };
    let mut header = serde_json::to_vec(&header).map_err(internal)?;
    // The numbers begin at a multiple of 8, as safetensors asks.
    header.resize(header.len().next_multiple_of(8), b' ');
    file::replace(path, &[&(header.len() as u64).to_le_bytes()[..], &header, &data].concat())
}

/// Reads the file and compares every byte; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<KeptGap>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(Error::io("open", path))?,
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let damaged = |at: usize, found: &str, expected: &str| Error::damaged(path, at as u64, found, expected);
    let Some((len, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(0, "less than 8 bytes", "the length of a safetensors header"));
    };
    let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
    let Some((header, data)) = rest.split_at_checked(len) else {
        return Err(damaged(0, &format!("a header of {len} bytes in a file of {}", bytes.len()), "a whole header"));
    };
    let header: Header =
        serde_json::from_slice(header).map_err(|e| damaged(8, &e.to_string(), "the header of a measured gap"))?;
    if sha256(&header.metadata.echoic, data) != header.metadata.sha256 {
        return Err(damaged(8, "another SHA-256", "the one that the header has"));
    }
    let said: Said = serde_json::from_str(&header.metadata.echoic)
        .map_err(|e| damaged(8, &e.to_string(), "what was measured of a gap"))?;
    if said.format != FORMAT {
        return Err(Error::input(path.display(), format!("the format '{}'", said.format), FORMAT)
            .with_hint("a newer version of Echoic has measured it; measure it again, or use that version"));
    }
    let shift: Vec<f32> = data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let expected = Tensor::of(said.space.dim);
    let fits = match &header.shift {
        Some(found) => *found == expected && data.len() == expected.data_offsets[1],
        None => data.is_empty(),
    };
    if !fits || shift.iter().any(|x| !x.is_finite()) {
        let expected = format!("none, or {} finite numbers", said.space.dim);
        return Err(damaged(8 + len, &format!("a tensor {SHIFT} of {} bytes", data.len()), &expected));
    }
    Ok(Some(KeptGap {
        space: said.space,
        echoic: said.echoic,
        measured: said.measured,
        shift: header.shift.map(|_| shift),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn gap(shift: Option<Vec<f32>>) -> KeptGap {
        let measured = serde_json::json!({ "distance": 0.75, "pairs": 3 });
        KeptGap { space: EmbeddingSpace::external(3), echoic: "0.1.0".into(), measured, shift }
    }

    #[test]
    fn what_is_written_is_read_and_every_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gap.safetensors");
        assert_eq!(read(&path).unwrap(), None);
        for shift in [None, Some(vec![0.5, -0.25, 0.0])] {
            let whole = gap(shift);
            write(&path, &whole).unwrap();
            assert_eq!(read(&path).unwrap(), Some(whole));
            let bytes = std::fs::read(&path).unwrap();
            for at in 0..bytes.len() {
                let mut bent = bytes.clone();
                bent[at] ^= 1;
                std::fs::write(&path, &bent).unwrap();
                assert!(read(&path).is_err(), "a bit of byte {at} of {} is told by nothing", bytes.len());
                std::fs::write(&path, &bytes[..at]).unwrap();
                assert!(read(&path).is_err(), "cut at {at}");
            }
        }
    }

    #[test]
    fn numbers_that_do_not_fit_the_space_are_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gap.safetensors");
        for shift in [vec![1.0], vec![1.0, f32::NAN, 0.0]] {
            write(&path, &gap(Some(shift))).unwrap();
            assert!(matches!(read(&path), Err(Error::Damaged { .. })));
        }
    }
}
