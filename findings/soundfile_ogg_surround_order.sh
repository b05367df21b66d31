#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2) and surround sound in Ogg Vorbis.
#
# One would guess: column 2 of a 5.0 array is the same loudspeaker in each format
# that soundfile reads and writes; wav and FLAC have left, right, centre.
# What happens: the order is that of the stream, and Vorbis has left, centre, right.
# An array in the order of wav that soundfile writes to Ogg is played with the
# centre on the right, and an Ogg file of another program comes back with right and
# centre exchanged; wav and FLAC come back as written. ffmpeg (by PyAV) gives one order for
# all. Nothing is said, in the result or in the documentation of read().
# Hit: "take the centre channel for speech", downmixing with weights, beam forming.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 soundfile==0.14.0 av==18.1.0
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY'
import av
import numpy as np
import soundfile

print("soundfile", soundfile.__version__, "libsndfile", soundfile.__libsndfile_version__)
RATE, CHANNELS = 48_000, 5
time = np.arange(RATE) / RATE
sound = np.stack([0.08 * (i + 1) * np.sin(2 * np.pi * (300 + 100 * i) * time) for i in range(CHANNELS)], axis=1)


def levels(samples):
    return [round(float(np.sqrt(2 * (channel**2).mean()) / 0.08)) for channel in np.asarray(samples, "f8").T]


def by_ffmpeg(path):
    with av.open(path) as container:
        # One frame format for all, 32-bit float planes.
        resampler = av.AudioResampler(format="fltp", layout="5.0", rate=RATE)
        parts = [r.to_ndarray() for f in container.decode(audio=0) for r in resampler.resample(f)]
    return levels(np.concatenate(parts, axis=1).T)


for path, order in (("s.wav", [1, 2, 3, 4, 5]), ("s.flac", [1, 2, 3, 4, 5]), ("s.ogg", [1, 3, 2, 4, 5])):
    soundfile.write(path, sound, RATE)
    found, played = levels(soundfile.read(path)[0]), by_ffmpeg(path)
    print(f"{path:6} written by soundfile: soundfile reads {found}, ffmpeg reads {played}")
    assert found == [1, 2, 3, 4, 5] and played == order, (found, played)
PY
