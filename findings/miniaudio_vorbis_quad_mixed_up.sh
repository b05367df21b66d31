#!/usr/bin/env bash
# miniaudio 1.71 and Ogg Vorbis of four channels (quad).
#
# One would guess: a decoder that gives four channels gives what was in them.
# What happens: a sine of its own loudness and pitch in each channel comes back with
# wrong levels in every channel: of 4 channels at 1, 2, 3, 4 (times 0.08) about
# 1.3, 2.3, 1.1, 2.5. Files of 1, 2, 3 and 5 channels are right (in Vorbis's
# order). No exception, no warning. ffmpeg (by PyAV) reads the same files right.
# Hit: quadraphonic and ambisonic recordings in Ogg that are loaded with miniaudio.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 soundfile==0.14.0 av==18.1.0 miniaudio==1.71
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version

import av
import miniaudio
import numpy as np
import soundfile

print("miniaudio", version("miniaudio"))
RATE = 48_000
time = np.arange(RATE) / RATE


def levels(samples):
    """The level of each channel in units of 0.08, smallest first."""
    return sorted(round(float(np.sqrt(2 * (channel**2).mean()) / 0.08), 1) for channel in samples.T)


for channels in (1, 2, 3, 4, 5):
    sound = np.stack([0.08 * (i + 1) * np.sin(2 * np.pi * (300 + 100 * i) * time) for i in range(channels)], axis=1)
    soundfile.write("c.ogg", sound, RATE, format="OGG", subtype="VORBIS")
    decoded = miniaudio.decode_file(
        "c.ogg", output_format=miniaudio.SampleFormat.FLOAT32, nchannels=channels, sample_rate=RATE)
    by_miniaudio = levels(np.array(decoded.samples).reshape(-1, channels))
    with av.open("c.ogg") as container:
        by_ffmpeg = levels(np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1).T)
    print(channels, "channels: ffmpeg", by_ffmpeg, "miniaudio", by_miniaudio)
    written = np.arange(1, channels + 1)
    assert np.allclose(by_ffmpeg, written, atol=0.15), by_ffmpeg
    assert np.allclose(by_miniaudio, written, atol=0.15) == (channels != 4), by_miniaudio
PY
