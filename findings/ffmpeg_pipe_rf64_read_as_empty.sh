#!/usr/bin/env bash
# What one would guess: what ffmpeg writes to standard output it can read back. A plain wav goes that way (sizes of 0xFFFFFFFF, heard to the
# end), so RF64, its large kin for field recordings, AIFF and Wave64 should as well; or else the writer should refuse to write to a pipe.
#
# What happens, with ffmpeg 9.0.2 (of imageio-ffmpeg 0.8.1) and libsndfile 1.2.2 (of soundfile 0.14.0), two seconds each:
#   wav    both read all
#   RF64   both read nothing: ffmpeg ends with 0, libsndfile opens it with 0 frames, neither with an error
#   AIFF   ffmpeg refuses its own file (invalid data), libsndfile reads all
#   w64    ffmpeg refuses its own file, libsndfile reads all
#   CAF    ffmpeg reads all, libsndfile refuses it
# The sound is there in each file; RF64 alone is lost without a word.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check imageio-ffmpeg==0.8.1 soundfile==0.14.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import subprocess

import imageio_ffmpeg
import numpy as np
import soundfile

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
frames, rate = 32_000, 16_000
soundfile.write("tone.wav", 0.3 * np.sin(np.arange(frames) * 0.17), rate, subtype="PCM_16")


def by_ffmpeg(path):
    read = subprocess.run([ffmpeg, "-v", "error", "-i", path, "-f", "s16le", "-"], capture_output=True)
    return (read.returncode, len(read.stdout) // 2)


def by_libsndfile(path):
    try:
        return len(soundfile.read(path)[0])
    except soundfile.LibsndfileError:
        return "refused"


found = {}
for name, options in [("wav", "-f wav"), ("rf64", "-f wav -rf64 always"), ("aiff", "-f aiff"), ("w64", "-f w64"), ("caf", "-f caf")]:
    written = subprocess.run([ffmpeg, "-v", "error", "-i", "tone.wav", *options.split(), "-"], capture_output=True, check=True)
    assert len(written.stdout) > 2 * frames, "the sound is not there"
    path = f"piped.{name}"
    open(path, "wb").write(written.stdout)
    found[name] = (*by_ffmpeg(path), by_libsndfile(path))
    print(f"{name:5} ffmpeg ends with {found[name][0]} and {found[name][1]} frames, libsndfile: {found[name][2]}")

assert found["wav"] == (0, frames, frames), found
assert found["rf64"] == (0, 0, 0), found
assert found["aiff"][0] != 0 and found["aiff"][1:] == (0, frames), found
assert found["w64"][0] != 0 and found["w64"][1:] == (0, frames), found
assert found["caf"] == (0, frames, "refused"), found
PY
