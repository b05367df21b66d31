#!/usr/bin/env bash
# miniaudio 1.71 (Python binding of the miniaudio decoder).
#
# One would guess: decode(..., nchannels=1) averages the channels, and the choice
# of sample format changes the rounding only.
# What happens: a WAV with the SAME quiet sine (amplitude 0.05) in every channel
# comes out right as FLOAT32, whatever the number of channels. In the default
# format (SIGNED16) it comes out right for 2, 4 and 8 channels only. With 3, 5, 6
# or 7 channels each negative sample is wrong by a large constant, so the mono
# peak is 0.666, 0.400, 0.717 and 0.571 instead of 0.05. The positive half waves
# are right. No exception, no warning; 6 channels is ordinary 5.1 sound.
# Hit: anyone who reads surround files as mono with the default format.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 miniaudio==1.71
"$tmp/venv/bin/python" - <<'PY'
import io
import wave
from importlib.metadata import version
import miniaudio
import numpy as np

print("miniaudio", version("miniaudio"))
RATE = 48000
tone = np.round(0.05 * 32768 * np.sin(2 * np.pi * 440 * np.arange(4800) / RATE)).astype("<i2")

def to_mono(channels, fmt, scale):
    buf = io.BytesIO()
    with wave.open(buf, "wb") as w:
        w.setnchannels(channels)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(np.repeat(tone[:, None], channels, axis=1).tobytes())
    got = miniaudio.decode(buf.getvalue(), nchannels=1, sample_rate=RATE, output_format=fmt)
    return np.array(got.samples, dtype=np.float64) / scale

want = tone / 32768
fmt = miniaudio.SampleFormat
for channels in range(2, 9):
    f = to_mono(channels, fmt.FLOAT32, 1.0)
    s = to_mono(channels, fmt.SIGNED16, 32768.0)
    off = np.abs(s - want) > 0.001
    print(f"{channels} channels: peak float32 {np.abs(f).max():.3f}, int16 {np.abs(s).max():.3f}, "
          f"wrong int16 samples {off.sum()} of {len(s)} ({(want < 0).sum()} are negative)")
    assert np.abs(f - want).max() < 1e-4
    if channels in (2, 4, 8):
        assert not off.any()
    else:
        assert np.array_equal(off, want < 0) and np.abs(s).max() > 0.39
PY
