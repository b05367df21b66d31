#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2), Ogg files of several links.
#
# Ogg allows files to follow one another in one file ("chaining"): recorders of web
# radio write a link a song, and `cat a.ogg b.ogg` makes one.
# One would guess: such a file is read to its end, or refused.
# What happens: soundfile stops behind the first link and reports its length as
# the whole, for Vorbis and for Opus. No exception, no warning. PyAV (ffmpeg)
# reads both links.
# Hit: corpora of recorded streams lose all but their first seconds.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 soundfile==0.14.0 av==18.1.0
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version

import av
import numpy as np
import soundfile

print("soundfile", version("soundfile"), "libsndfile", soundfile.__libsndfile_version__)
RATE = 48_000
noise = np.random.default_rng(1).uniform(-0.3, 0.3, 3 * RATE)

for codec in ("VORBIS", "OPUS"):
    links = []
    for link in range(2):
        soundfile.write(f"{link}.ogg", noise, RATE, format="OGG", subtype=codec)
        with open(f"{link}.ogg", "rb") as file:
            links.append(file.read())
    with open("chained.ogg", "wb") as file:
        file.write(b"".join(links))
    by_soundfile = len(soundfile.read("chained.ogg")[0]) / RATE
    announced = soundfile.info("chained.ogg").duration
    with av.open("chained.ogg") as container:
        by_ffmpeg = sum(frame.samples for frame in container.decode(audio=0)) / RATE
    print(f"{codec}: 2 links of 3 s; soundfile {by_soundfile:.3f} s (info {announced:.3f}), ffmpeg {by_ffmpeg:.3f} s")
    assert abs(by_soundfile - 3) < 0.01 and abs(announced - 3) < 0.01, (by_soundfile, announced)
    assert abs(by_ffmpeg - 6) < 0.05, by_ffmpeg
PY
