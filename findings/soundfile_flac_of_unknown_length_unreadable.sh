#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2), FLAC files that do not say how long they are.
#
# A FLAC header may give 0 for its number of samples, which the format defines as
# "unknown": ffmpeg and recorders that write to a pipe cannot go back and fill it in.
# One would guess: such a file is read to its end, as PyAV (ffmpeg) and miniaudio do.
# What happens: soundfile announces 9223372036854775807 frames, 192 billion seconds;
# read() asks numpy for an array of that size (ValueError), and reading block by
# block fails with "Internal psf_fseek() failed" at the last block, whose samples are
# lost, also where the caller knows the length and asks for no more than there is.
# Hit: sums of durations over a corpus, and every loader that calls soundfile.read.
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
RATE, FRAMES = 48_000, 96_123
soundfile.write("known.flac", np.random.default_rng(1).uniform(-0.3, 0.3, FRAMES), RATE)
data = bytearray(open("known.flac", "rb").read())
# 36 bits of the stream's first block: the lower half of byte 21, and bytes 22 to 25.
data[21] &= 0xF0
data[22:26] = bytes(4)
with open("unknown.flac", "wb") as file:
    file.write(data)

with av.open("unknown.flac") as container:
    by_ffmpeg = sum(frame.samples for frame in container.decode(audio=0))
by_miniaudio = len(miniaudio.decode_file("unknown.flac", nchannels=1, sample_rate=RATE).samples)
announced = soundfile.info("unknown.flac").frames


def failure(read):
    try:
        read()
    except (ValueError, MemoryError, soundfile.LibsndfileError) as error:
        return f"{type(error).__name__}: {error}"
    return "none"


whole = failure(lambda: soundfile.read("unknown.flac"))
blocks = []


def block_by_block():
    with soundfile.SoundFile("unknown.flac") as file:
        while len(block := file.read(4096)):
            blocks.append(len(block))


in_blocks = failure(block_by_block)
known = failure(lambda: soundfile.read("unknown.flac", frames=FRAMES))
print(f"{FRAMES} frames; ffmpeg {by_ffmpeg}, miniaudio {by_miniaudio}; soundfile announces {announced}")
print(f"read(): {whole}")
print(f"block by block: {sum(blocks)} frames, then {in_blocks}")
print(f"read(frames={FRAMES}): {known}")
assert (by_ffmpeg, by_miniaudio) == (FRAMES, FRAMES)
assert sum(blocks) < FRAMES, sum(blocks)
assert announced == 2**63 - 1, announced
assert "none" not in (whole, in_blocks, known), (whole, in_blocks, known)
PY
