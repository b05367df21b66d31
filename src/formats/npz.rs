//! Arrays of a `.npz` archive as rows of embeddings, whether they are packed or not.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::array::{ArrayRows, LONGEST_IN_STREAM, Shape, Source};
use super::choice::{Found, choose};
use super::npy;
use crate::quiet::quietly;
use crate::{Error, Result};

const EXPECTED: &str = "a .npz archive with an array of shape [rows, dim]";

/// What the name of every array ends with.
const ENDING: &str = ".npy";

/// Arrays of which the shapes are listed.
const LISTED: usize = 20;

/// Opens the array of that name, or the only one.
pub(super) fn open(path: &Path, wanted: Option<&str>) -> Result<ArrayRows> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let bad = |found: String| Error::input(path.display(), found, EXPECTED);
    let opened = quietly(|| ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string()));
    let mut archive = opened.unwrap_or_else(Err).map_err(bad)?;
    let name = choose(path, arrays(&mut archive), wanted, "array")?;
    let member = format!("{name}{ENDING}");
    let index = archive.index_for_name(&member).ok_or_else(|| bad(format!("no array '{name}'")))?;
    array(path, archive, index, format!("{}:{name}", path.display()))
}

/// What arrays there are; of the first of them, their shapes, too.
fn arrays(archive: &mut ZipArchive<BufReader<File>>) -> Vec<Found> {
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let arrays = names.into_iter().filter_map(|name| name.strip_suffix(ENDING).map(str::to_owned));
    let mut arrays: Vec<String> = arrays.collect();
    arrays.sort_unstable();
    let found = arrays.into_iter().enumerate().map(|(at, name)| {
        let shape = || {
            let mut member = archive.by_name(&format!("{name}{ENDING}")).ok()?;
            let shape = npy::described(&name, &mut member, None).ok()?.shape;
            Some(format!("[{}, {}]", shape.rows, shape.dim))
        };
        let shape = (at < LISTED).then(|| quietly(shape).ok().flatten());
        let (what, fits) = match shape {
            Some(Some(shape)) => (shape, true),
            Some(None) => ("no rows of floating-point numbers".into(), false),
            None => ("…".into(), true),
        };
        Found { name, what, fits }
    });
    found.collect()
}

/// The member of that number, which is read as it is unpacked. Columns cannot be read so: they are unpacked into a file that nobody sees.
fn array(path: &Path, archive: ZipArchive<BufReader<File>>, index: usize, name: String) -> Result<ArrayRows> {
    let bad = |found: String| Error::input(&name, found, EXPECTED);
    let mut member = Member::open(archive, index).map_err(bad)?;
    let npy::Described { number, shape } = npy::described(&name, &mut member, None)?;
    let Shape { rows, dim, by_columns } = shape;
    // What an archive says of its members may be forged; what one byte can become may not.
    let most = member.packed.saturating_mul(member.ratio);
    if shape.bytes(number) > most || dim > LONGEST_IN_STREAM {
        return Err(bad(format!("{} bytes whose header promises {rows} x {dim} numbers", member.packed)));
    }
    if !by_columns {
        return Ok(ArrayRows::new(name, Source::Stream(Box::new(member)), number, shape));
    }
    let mut unpacked = tempfile::tempfile().map_err(Error::io("create", path))?;
    let mut numbers = member.take(shape.bytes(number));
    crate::file::for_each_piece(&mut numbers, |piece| unpacked.write_all(piece))
        .map_err(|error| bad(error.to_string()))?;
    unpacked.rewind().map_err(Error::io("read", path))?;
    Ok(ArrayRows::new(name, Source::Columns(unpacked, 0), number, shape))
}

/// A member of an archive as it is unpacked.
struct Member {
    reader: Box<dyn Read>,
    /// Its bytes in the archive, and how many each of them can become.
    packed: u64,
    ratio: u64,
}

impl Member {
    fn open(mut archive: ZipArchive<BufReader<File>>, index: usize) -> std::result::Result<Self, String> {
        let (start, packed, method) = {
            let member = archive.by_index_raw(index).map_err(|error| error.to_string())?;
            if member.encrypted() {
                return Err("an encrypted array".into());
            }
            let start = member.data_start().ok_or("an array that lies nowhere")?;
            (start, member.compressed_size(), member.compression())
        };
        let mut file = archive.into_inner();
        let length = file.get_ref().metadata().map_err(|error| error.to_string())?.len();
        if start.checked_add(packed).is_none_or(|end| end > length) {
            return Err("an array that is cut short".into());
        }
        file.seek(std::io::SeekFrom::Start(start)).map_err(|error| error.to_string())?;
        let bytes = file.take(packed);
        let (reader, ratio): (Box<dyn Read>, _) = match method {
            CompressionMethod::Stored => (Box::new(bytes), 1),
            // Deflate makes 258 bytes of two bits at best.
            CompressionMethod::Deflated => (Box::new(flate2::read::DeflateDecoder::new(bytes)), 1032),
            other => return Err(format!("an array packed with {other}")),
        };
        Ok(Self { reader, packed, ratio })
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(buffer)
    }
}
