#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2) and VBR mp3 files without a Xing header, as encoders write them to a pipe.
#
# One would guess: the length may be an estimate, but reading to the end gives
# every sample that is in the file.
# What happens: the length is estimated from the bit rate at the start, and read()
# stops there. 30 s of which the first 3 s are loud noise come back as 5.0 s;
# soft first and loud behind come back as 6.0 s. No exception, no warning. The
# same sound with a Xing header is read whole, and ffmpeg (by PyAV) and miniaudio
# read both whole.
# Hit: any corpus of streamed or piped mp3 read with soundfile, librosa, or
# what builds on them.
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

print("soundfile", version("soundfile"), "libsndfile", soundfile.__libsndfile_version__)
RATE = 44_100
FRAME = 1152
loud = np.random.default_rng(1).uniform(-0.7, 0.7, 3 * RATE)
soft = 0.05 * np.sin(2 * np.pi * 440 * np.arange(27 * RATE) / RATE)


def write(path, samples, xing):
    """30 s of mono sound at a variable bit rate, with or without the Xing header."""
    options = {"write_xing": "1" if xing else "0", "id3v2_version": "0"}
    with av.open(path, "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono", format="fltp")
        stream.codec_context.global_quality = 2 * 118  # quality 2, in lambda units
        stream.codec_context.flags |= av.codec.context.Flags.qscale
        samples = samples.astype("<f4")[None]
        for start in range(0, samples.shape[1], FRAME):
            part = np.ascontiguousarray(samples[:, start : start + FRAME])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def seconds(path):
    with av.open(path) as container:
        ffmpeg = sum(frame.samples for frame in container.decode(audio=0)) / RATE
    mini = miniaudio.decode_file(path, nchannels=1, sample_rate=RATE).num_frames / RATE
    return len(soundfile.read(path)[0]) / RATE, soundfile.info(path).duration, ffmpeg, mini


for name, parts, cut in (("loud first", (loud, soft), 5.013), ("soft first", (soft, loud), 6.010)):
    write("tagged.mp3", np.concatenate(parts), True)
    write("piped.mp3", np.concatenate(parts), False)
    tagged, piped = seconds("tagged.mp3"), seconds("piped.mp3")
    print(f"{name}: soundfile read, soundfile info, ffmpeg, miniaudio (seconds)")
    print("  with Xing    " + "  ".join(f"{x:.3f}" for x in tagged))
    print("  without Xing " + "  ".join(f"{x:.3f}" for x in piped))
    assert all(abs(x - 30) < 0.01 for x in tagged), tagged
    assert all(abs(x - 30.041) < 0.01 for x in piped[2:]), piped
    assert all(abs(x - cut) < 0.1 for x in piped[:2]), piped
PY
