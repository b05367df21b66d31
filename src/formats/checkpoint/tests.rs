//! What PyTorch and safetensors write, read back: `tests/fixtures/make_checkpoints.py` made the files.

use std::path::{Path, PathBuf};

use super::open;
use crate::formats::pickle::Pickle;

const COUNTING: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

#[test]
fn every_type_of_number_comes_out_as_f32() {
    for (file, extra) in [("nested.pt", 5), ("plain.safetensors", 0)] {
        let tensors = open(&fixture(file)).unwrap();
        for name in ["f32", "f64", "f16", "bf16"] {
            assert_eq!(tensors.get(name, &[2, 3]).unwrap(), COUNTING, "{name} of {file}");
        }
        assert_eq!(tensors.names().len(), 5 + extra, "{:?}", tensors.names());
        assert_eq!(tensors.names()["f32"], [2, 3]);
        let error = tensors.get("ids", &[3]).unwrap_err().to_string();
        assert!(error.contains("ids") && error.contains("numbers of type"), "{error}");
        let error = tensors.get("f32", &[3, 2]).unwrap_err().to_string();
        assert!(error.contains("found shape [2, 3], expected shape [3, 2]"), "{error}");
        assert!(tensors.get("module.f32", &[2, 3]).unwrap_err().to_string().contains("found nothing"));
    }
}

#[test]
fn the_state_is_found_however_deep_it_lies_and_whatever_wraps_it() {
    let tensors = open(&fixture("nested.pt")).unwrap();
    assert_eq!(tensors.get("row", &[3]).unwrap(), COUNTING[3..]);
    assert_eq!(tensors.get("scalar", &[]).unwrap(), [7.0]);
    assert_eq!(tensors.get("parameter", &[2]).unwrap(), [0.5, -0.25]);
    assert!(tensors.get("turned", &[3, 2]).unwrap_err().to_string().contains("strided"));
}

#[test]
fn what_is_no_checkpoint_is_named() {
    let refused = |path: &Path| {
        let error = open(path).err().unwrap();
        (error.to_string(), error.hint().map(|hint| hint.to_string()).unwrap_or_default())
    };
    let old = refused(&fixture("old.pt"));
    assert!(old.0.contains("before 1.6") && old.1.contains("torch.save"), "{old:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.pt");
    for (content, found) in [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "Git LFS pointer"),
        ("<html>sign in</html>", "another kind of file"),
        ("", "another kind of file"),
        ("PK\x03\x04 and no more", "EOCD"),
        ("\x10\0\0\0\0\0\0\0{} and no more", "damaged file"),
    ] {
        std::fs::write(&file, content).unwrap();
        let (error, _) = refused(&file);
        assert!(error.contains("model.pt") && error.contains(found), "{error}");
    }
}

#[test]
fn a_cut_or_changed_description_is_an_error_and_no_panic() {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(fixture("nested.pt")).unwrap()).unwrap();
    let mut pickle = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name("nested/data.pkl").unwrap(), &mut pickle).unwrap();
    assert!(Pickle::parse(&pickle).unwrap().dictionaries().count() > 3);
    for end in 0..pickle.len() {
        assert!(Pickle::parse(&pickle[..end]).is_err(), "cut at {end}");
    }
    for at in 0..pickle.len() {
        for bit in 0..8 {
            let mut changed = pickle.clone();
            changed[at] ^= 1 << bit;
            if let Ok(pickle) = Pickle::parse(&changed) {
                super::state(&pickle);
            }
        }
    }
}

#[test]
fn nesting_and_sharing_cost_no_more_than_the_bytes_that_describe_them() {
    // A tuple of a tuple of a tuple …, a million deep; and one that holds itself twice, again and again.
    let deep = [b"\x80\x02N".as_slice(), &b"\x85".repeat(1 << 20), b"."].concat();
    assert!(Pickle::parse(&deep).is_ok());
    let wide = [b"\x80\x02N".as_slice(), &b"2\x86".repeat(1 << 20), b"."].concat();
    assert!(Pickle::parse(&wide).is_ok());
    // A text of a million bytes that names a class again and again.
    let text = [b"X".as_slice(), &(1u32 << 20).to_le_bytes(), &b"a".repeat(1 << 20), b"q\x00"].concat();
    let named = [b"\x80\x04".as_slice(), &text, &b"h\x00h\x00\x93".repeat(1 << 20), b"."].concat();
    assert!(Pickle::parse(&named).unwrap_err().contains("1048576 bytes"));
}
