//! The files of a store. Inputs get the checksums that they lack, or the fuzzer would never see what lies behind them; files that are not
//! the target's are written as `schema/v1.md` says.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use echoic::memory::{Damage, Effort, Scope, SearchOptions};
use echoic::progress::Control;
use echoic::{Embeddings, Snapshot, Store};

use crate::{blamed, scratch, write};

/// Components of a vector in the stores here.
const DIM: usize = 2;
/// Bytes of a graph's body that have a checksum of their own.
const BLOCK: usize = 4096;
/// Above every caption id.
const NEXT_CAPTION: u64 = 1 << 47;
/// Rows of the segment under the fuzzed graph: enough for a narrow walk to be preferred to a scan.
pub(crate) const GRAPH_ROWS: usize = 400;
/// Rows of the segment under the fuzzed tombstones.
pub(crate) const REMOVABLE: u64 = 70;
/// The version whose manifests name what belongs to a model.
const WITH_MODEL: u32 = 2;
/// Rows of the segment beside the fuzzed manifest.
const MANIFEST_ROWS: u64 = 3;
/// Most captions or repeats of an input that are looked at one by one.
const LOOKED_AT: u64 = 24;

/// A manifest as it is, and the body of one of either version.
pub fn manifest(data: &[u8]) -> bool {
    let dir = store();
    sound_segment(MANIFEST_ROWS, |segment| put_segment(&dir, segment, |_| {}));
    let files = [data.to_vec(), sealed_manifest(data, 1), sealed_manifest(data, WITH_MODEL)];
    files.iter().fold(false, |accepted, file| {
        write(&dir.join("manifest"), file);
        exercise(&dir).is_some() | accepted
    })
}

/// A captions file.
pub fn captions(data: &[u8]) -> bool {
    let mut file = data.to_vec();
    let [rows, repeats] = seal_captions(&mut file);
    segment_of(file, rows, repeats)
}

/// The values of caption records, each behind its length (u16). A sound caption with id 1 comes before them.
pub fn records(mut data: &[u8]) -> bool {
    let mut captions = vec![caption(1, "A dog barks.")];
    let mut repeats = Vec::new();
    while let Some((len, rest)) = data.split_first_chunk() {
        let (body, rest) = rest.split_at(rest.len().min(u16::from_le_bytes(*len).into()));
        if u32_at(body, 0) == 1 {
            repeats.push(body.to_vec())
        } else {
            captions.push(body.to_vec())
        }
        data = rest;
    }
    let counts = [captions.len(), repeats.len()].map(|count| count as u64);
    segment_of(captions_file(&captions, &repeats), counts[0], counts[1])
}

/// A vectors file.
pub fn vectors(data: &[u8]) -> bool {
    let mut file = data.to_vec();
    seal_vectors(&mut file);
    let rows = u64_at(&file, 16).min(LOOKED_AT);
    let texts: Vec<Vec<u8>> = (1..=rows).map(|id| caption(id, "Rain.")).collect();
    let dim = u64::from(u32_at(&file, 12));
    let segment = Segment {
        dim,
        rows,
        repeats: 0,
        ids: (rows.min(1), rows),
        captions: captions_file(&texts, &[]),
        vectors: file,
    };
    let dir = store();
    put_segment(&dir, &segment, |_| {});
    exercise(&dir).is_some_and(|damage| damage.is_empty())
}

/// A list of removed rows, of [`REMOVABLE`].
pub fn tombstones(data: &[u8]) -> bool {
    let mut file = data.to_vec();
    if file.len() >= 64 {
        let bitmap = crc32fast::hash(&file[64..]);
        put_u32(&mut file, 32, bitmap);
        seal(&mut file, 0, 60);
    }
    let dir = store();
    sound_segment(REMOVABLE, |segment| {
        put_segment(&dir, segment, |_| {});
        let body = manifest_body(segment, Some(&file));
        write(&dir.join("segments/00000001.1.tombstones"), &file);
        write(&dir.join("manifest"), &sealed_manifest(&body, 1));
    });
    exercise(&dir).is_some_and(|damage| damage.is_empty())
}

/// A graph beside [`GRAPH_ROWS`] vectors.
pub fn graph(data: &[u8]) -> bool {
    let dir = store();
    let mut file = data.to_vec();
    sound_segment(GRAPH_ROWS as u64, |segment| {
        seal_graph(&mut file, u32_at(&segment.vectors, 32));
        put_segment(&dir, segment, |segments| write(&segments.join("00000001.graph"), &file));
    });
    let memory =
        Store::open(&dir).and_then(|store| store.snapshot()).expect("a graph cannot keep a store from opening");
    search(&memory);
    // The graph is derived: the captions are all there, whatever it says.
    let exact = SearchOptions::default().k(GRAPH_ROWS).effort(Effort::EXACT);
    assert_eq!(memory.search(&[1.0, 0.0], &exact).expect("an answer").len(), GRAPH_ROWS);
    memory.stats().indexed == memory.len()
}

/// A store with a segment of these captions, and vectors to go with them.
fn segment_of(captions: Vec<u8>, rows: u64, repeats: u64) -> bool {
    let dir = store();
    let vectors = vectors_file(rows.min(LOOKED_AT));
    let ids = (1, u64::MAX - 1);
    put_segment(&dir, &Segment { dim: DIM as u64, rows, repeats, ids, captions, vectors }, |_| {});
    exercise(&dir).is_some_and(|damage| damage.is_empty())
}

/// Opens a store and asks it everything that a reader can; its damage, or `None` when it does not open.
fn exercise(dir: &Path) -> Option<Vec<Damage>> {
    let store = Store::open(dir).expect("there is a manifest");
    let report = blamed(store.check(&Control::default()));
    let memory = blamed(store.snapshot())?;
    let stats = memory.stats();
    assert_eq!(stats.captions, memory.len());
    assert!(stats.indexed <= stats.captions && stats.bytes.total() >= stats.bytes.manifest);
    let mut ids = Vec::new();
    for stored in memory.captions(&Scope::all()).expect("all domains are there") {
        let Some((caption, vector)) = blamed(stored) else { break };
        assert_eq!(vector.len(), memory.space().dim);
        ids.push(caption.id);
    }
    for id in ids.iter().copied().take(LOOKED_AT as usize).chain([0, 1, u64::MAX]) {
        let caption = blamed(memory.caption(id)).flatten();
        assert!(caption.is_none_or(|caption| caption.id == id && memory.embedding(id).is_some()));
        blamed(memory.clips(id));
    }
    for block in blamed(memory.blocks(&Scope::all())).unwrap_or_default() {
        assert_eq!(block.vectors().len(), block.len() * memory.space().dim);
        assert_eq!(block.ids().count(), block.len());
        (0..block.len()).for_each(|row| _ = black_box(block.multiplicity(row)));
    }
    for file in memory.model().iter().flat_map(|model| &model.files) {
        assert!(file.path.parent() == Some(dir.join("model").as_path()) && file.sha256.len() == 64, "{file:?}");
    }
    search(&memory);
    blamed(memory.verify(&Control::default()));
    Some(report.expect("a store that opens can be checked").damage)
}

fn search(memory: &Snapshot) {
    let dim = memory.space().dim;
    let queries: Vec<f32> = (0..2 * dim).map(|i| if i % 3 == 0 { 1.0 } else { -0.5 }).collect();
    let domains: Vec<String> = memory.domains().into_iter().map(|domain| domain.name).take(1).collect();
    let all = SearchOptions::default();
    let options = [
        all.clone().effort(Effort::EXACT),
        all.clone().k(1).effort(Effort::ef(1)),
        all.clone().k(2).effort(Effort::recall(0.01)),
        all.k(3).scope(Scope::domains(domains)).effort(Effort::ef(3)),
    ];
    for options in options {
        for query in queries.chunks_exact(dim) {
            let Some(found) = blamed(memory.search(query, &options)) else { continue };
            assert!(found.len() <= options.k);
            let similarities = found.iter().map(|neighbour| neighbour.similarity);
            // A vector with numbers that are not finite has no cosine.
            let ordered = found.iter().any(|neighbour| neighbour.similarity.is_nan())
                || similarities.is_sorted_by(|better, worse| better >= worse);
            assert!(ordered, "{found:?}");
        }
        let batch = Embeddings::from_vec(dim, queries.clone()).expect("whole rows");
        blamed(memory.search_batch(&batch, &options));
    }
}

/// A segment's files, and what the manifest says of it.
struct Segment {
    dim: u64,
    rows: u64,
    repeats: u64,
    /// Lowest and highest caption id.
    ids: (u64, u64),
    captions: Vec<u8>,
    vectors: Vec<u8>,
}

/// Calls `f` with a segment of captions 1 to `rows`, which is made once: a target asks for one size only.
fn sound_segment<T>(rows: u64, f: impl FnOnce(&Segment) -> T) -> T {
    thread_local! {
        static MADE: RefCell<HashMap<u64, Segment>> = RefCell::default();
    }
    let make = || {
        let texts: Vec<Vec<u8>> = (1..=rows).map(|id| caption(id, "Rain.")).collect();
        let (captions, vectors) = (captions_file(&texts, &[]), vectors_file(rows));
        Segment { dim: DIM as u64, rows, repeats: 0, ids: (rows.min(1), rows), captions, vectors }
    };
    MADE.with_borrow_mut(|made| f(made.entry(rows).or_insert_with(make)))
}

/// The body that the target `manifest` has the segment for.
#[cfg(test)]
pub(crate) fn sound_manifest() -> Vec<u8> {
    sound_segment(MANIFEST_ROWS, |segment| manifest_body(segment, None))
}

/// The same with what belongs to a model behind it: an adapter that is not there.
#[cfg(test)]
pub(crate) fn sound_manifest_with_model() -> Vec<u8> {
    let string = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    [
        sound_manifest(),
        string(r#"{"model":"tiny","weights":["00"]}"#), // details
        1u64.to_le_bytes().to_vec(),                    // files
        string("adapter"),
        string("adapter-0123456789ab.safetensors"),
        vec![9; 32], // SHA-256
        5u64.to_le_bytes().to_vec(),
    ]
    .concat()
}

/// The folder of the store that this thread writes.
fn store() -> PathBuf {
    let dir = scratch("store");
    fs::create_dir_all(dir.join("segments")).expect("a folder");
    dir
}

/// Makes a segment the store's only one. The files of the last input are mapped by nobody any more; they are unlinked all the same.
fn put_segment(dir: &Path, segment: &Segment, beside: impl FnOnce(&Path)) {
    let segments = dir.join("segments");
    for kind in ["captions", "vectors", "graph", "1.tombstones"] {
        let _ = fs::remove_file(segments.join("00000001").with_extension(kind));
    }
    write(&segments.join("00000001.captions"), &segment.captions);
    write(&segments.join("00000001.vectors"), &segment.vectors);
    beside(&segments);
    write(&dir.join("manifest"), &sealed_manifest(&manifest_body(segment, None), 1));
}

/// A body that names the segment 1 of the domain `d`, and generation 1 of its removed rows if it has any.
fn manifest_body(segment: &Segment, removed: Option<&[u8]>) -> Vec<u8> {
    let (number, short) = (u64::to_le_bytes, u32::to_le_bytes);
    let file = |bytes: &[u8], crc: usize| [&number(bytes.len() as u64)[..], &short(u32_at(bytes, crc))].concat();
    let entry = |removed: &[u8]| [&number(1)[..], &short(1), &short(u32_at(removed, 28)), &file(removed, 60)].concat();
    let string = |text: &str| [&number(text.len() as u64)[..], text.as_bytes()].concat();
    [
        &[7; 16][..],        // store
        &number(1),          // commit
        &string("external"), // space
        &string(""),
        &number(segment.dim),
        &number(NEXT_CAPTION), // next caption
        &number(2),            // next segment
        &short(2),             // next domain
        &number(1),            // domains
        &short(1),
        &string("d"),
        &number(1), // segments
        &number(1),
        &short(1),
        &number(1),
        &short(u32::try_from(segment.rows).unwrap_or(u32::MAX)),
        &short(u32::try_from(segment.repeats).unwrap_or(u32::MAX)),
        &number(segment.ids.0),
        &number(segment.ids.1.min(NEXT_CAPTION - 1)),
        &file(&segment.captions, segment.captions.len().saturating_sub(4)),
        &file(&segment.vectors, 60),
        &number(removed.is_some().into()), // tombstones
        &removed.map_or(vec![], entry),
        &number(0), // decoders
    ]
    .concat()
}

fn sealed_manifest(body: &[u8], version: u32) -> Vec<u8> {
    let mut file = [&b"ECHOICMF"[..], &version.to_le_bytes(), &crc32fast::hash(body).to_le_bytes()].concat();
    file.extend_from_slice(&(body.len() as u64).to_le_bytes());
    file.resize(32, 0);
    seal(&mut file, 0, 28);
    file.extend_from_slice(body);
    file
}

/// The value of a caption's record, without a clip.
pub(crate) fn caption(id: u64, text: &str) -> Vec<u8> {
    let len = text.len() as u64;
    [&[0; 4][..], &id.to_le_bytes(), &len.to_le_bytes(), text.as_bytes(), &[0], &[0; 4]].concat()
}

/// The value of a repeat's record.
#[cfg(test)]
pub(crate) fn repeat(id: u64, clip: &str) -> Vec<u8> {
    let len = clip.len() as u64;
    [&[1, 0, 0, 0][..], &id.to_le_bytes(), &[1], &len.to_le_bytes(), clip.as_bytes(), &[0; 4]].concat()
}

/// A captions file of segment 1 with these values of records, sealed.
pub(crate) fn captions_file(captions: &[Vec<u8>], repeats: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"ECHOICCA\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let mut push = |body: &Vec<u8>| {
        let entry = (u64_at(body, 4), file.len() as u64);
        file.extend_from_slice(&(body.len() as u64).to_le_bytes()); // the length, and room for the checksum
        file.extend_from_slice(body);
        entry
    };
    let rows: Vec<(u64, u64)> = captions.iter().map(&mut push).collect();
    let entries: Vec<(u64, u64)> = repeats.iter().map(&mut push).collect();
    let is_local = |(id, _): &(u64, u64)| rows.iter().any(|row| row.0 == *id);
    let (mut local, mut foreign): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_local);
    local.sort_unstable();
    foreign.sort_unstable();
    let tables = file.len() as u64;
    for (id, offset) in &rows {
        let count = 1 + local.iter().filter(|repeat| repeat.0 == *id).count() as u64;
        file.extend([*id, *offset, count].iter().flat_map(|number| number.to_le_bytes()));
    }
    for (id, offset) in local.iter().chain(&foreign) {
        file.extend([*id, *offset].iter().flat_map(|number| number.to_le_bytes()));
    }
    file.extend_from_slice(b"ECHOICCA");
    let counts = [1, rows.len() as u64, local.len() as u64, foreign.len() as u64, tables, 0];
    file.extend(counts.iter().flat_map(|number| number.to_le_bytes()));
    file.extend_from_slice(&1u64.to_le_bytes()); // the version, and room for the checksum
    seal_captions(&mut file);
    file
}

/// Writes every checksum of a captions file; returns the rows and repeats that it announces.
fn seal_captions(file: &mut [u8]) -> [u64; 2] {
    let Some(footer) = file.len().checked_sub(64).filter(|footer| *footer >= 32) else { return [0, 0] };
    seal(file, 0, 28);
    let tables = usize::try_from(u64_at(file, footer + 40)).unwrap_or(usize::MAX);
    if (32..=footer).contains(&tables) {
        let mut at = 32;
        while at + 8 <= tables {
            let end = at + 8 + u32_at(file, at) as usize;
            if end > tables {
                break;
            }
            let crc = crc32fast::hash(&file[at + 8..end]);
            put_u32(file, at + 4, crc);
            at = end;
        }
        let (records, rest) = (crc32fast::hash(&file[32..tables]), crc32fast::hash(&file[tables..footer]));
        put_u32(file, footer + 48, records);
        put_u32(file, footer + 52, rest);
    }
    seal(file, footer, footer + 60);
    [u64_at(file, footer + 16), u64_at(file, footer + 24).saturating_add(u64_at(file, footer + 32))]
}

/// A vectors file of segment 1: unit vectors around a circle.
pub(crate) fn vectors_file(rows: u64) -> Vec<u8> {
    let mut file = b"ECHOICVE\x01\0\0\0\x02\0\0\0".to_vec();
    file.extend([rows, 1].iter().flat_map(|number| number.to_le_bytes()));
    file.resize(64, 0);
    let angles = (0..rows).map(|row| row as f32 * 0.7);
    file.extend(angles.flat_map(|angle| [angle.cos(), angle.sin()]).flat_map(f32::to_le_bytes));
    seal_vectors(&mut file);
    file
}

fn seal_vectors(file: &mut [u8]) {
    if file.len() >= 64 {
        let data = crc32fast::hash(&file[64..]);
        put_u32(file, 32, data);
        seal(file, 0, 60);
    }
}

/// Writes every checksum of a graph on vectors with that checksum.
fn seal_graph(file: &mut [u8], vectors: u32) {
    if file.len() < 64 {
        return;
    }
    put_u32(file, 36, vectors);
    let [levels, dim, calibrated] = [24, 44, 48].map(|at| u32_at(file, at) as usize);
    let known = 64 + 4 * (levels + dim + 3 * calibrated);
    let tables = |start: usize| known + 4 * (file.len() - start).div_ceil(BLOCK);
    // The body begins behind the tables, which have a checksum for each of its blocks.
    if let Some(start) = (BLOCK..=file.len()).step_by(BLOCK).find(|start| tables(*start) <= *start) {
        let end = tables(start);
        let blocks: Vec<u32> = file[start..].chunks(BLOCK).map(crc32fast::hash).collect();
        blocks.iter().enumerate().for_each(|(index, crc)| put_u32(file, known + 4 * index, *crc));
        let tables = crc32fast::hash(&file[64..end]);
        put_u32(file, 40, tables);
    }
    seal(file, 0, 60);
}

/// Writes the checksum of the bytes from `from` to `at` behind them.
fn seal(file: &mut [u8], from: usize, at: usize) {
    let crc = crc32fast::hash(&file[from..at]);
    put_u32(file, at, crc);
}

fn put_u32(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// The number at `at`; 0 past the end.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
