//! How much noise the gap needs, from what is stored.

use std::collections::BTreeMap;

use crate::Result;
use crate::bridge::{NoiseEstimate, estimate_noise_variance};
use crate::memory::{Scope, Snapshot};

/// The noise to inject, estimated from the stored clips that have several captions (WSAC, section 3.2), as if each ingested row were stored
/// for itself; `None` where there is no such clip.
///
/// # Errors
/// As [`Snapshot::captions`].
pub fn estimate_noise(snapshot: &Snapshot, scope: &Scope) -> Result<Option<NoiseEstimate>> {
    // In the order of domains and clips, so that the sum has one order.
    let mut of_clips: BTreeMap<(String, String), Vec<&[f32]>> = BTreeMap::new();
    for stored in snapshot.captions(scope)? {
        let (caption, embedding) = stored?;
        for clip in snapshot.clips_of(&caption)? {
            of_clips.entry((caption.domain.clone(), clip)).or_default().push(embedding);
        }
    }
    Ok(estimate_noise_variance(of_clips.into_values()))
}
