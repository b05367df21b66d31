#!/usr/bin/env bash
# soundfile 0.14.0 with its bundled libsndfile 1.2.2.
#
# One would guess: a mono clip of 1001 frames written as AIFF has 1001 frames.
# What happens: with one-byte samples (PCM_S8, PCM_U8, ULAW, ALAW) and an odd number
# of frames the pad byte of the chunk is counted as sound: header and reader say
# 1002. The extra frame is not silence: as read back it is -1.0 for PCM_U8, -0.980
# for ULAW and -0.168 for ALAW (0.0 for PCM_S8), a click at the end of the clip.
# AIFF with 16 or 24 bits and the same subtypes in WAV keep 1001.
# Hit: anyone who converts to AIFF and checks lengths, joins clips, or takes the
# peak of a quiet one.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 soundfile==0.14.0
"$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
import numpy as np
import soundfile as sf

print("soundfile", sf.__version__, "libsndfile", sf.__libsndfile_version__)
path = sys.argv[1] + "/clip"

def frames(fmt, subtype, n):
    sf.write(path, np.full(n, 0.1), 16000, format=fmt, subtype=subtype)
    with open(path, "rb") as f:
        raw = f.read()
    y, _ = sf.read(path)
    at = raw.find(b"COMM")
    header = int.from_bytes(raw[at + 10:at + 14], "big") if fmt == "AIFF" else len(y)
    assert header == len(y) == sf.info(path).frames
    return len(y), float(y[-1])

last = {"PCM_S8": 0.0, "PCM_U8": -1.0, "ULAW": -0.980, "ALAW": -0.168}
for subtype in ("PCM_S8", "PCM_U8", "ULAW", "ALAW", "PCM_16", "PCM_24"):
    even, odd = frames("AIFF", subtype, 1000), frames("AIFF", subtype, 1001)
    print(f"AIFF {subtype}: 1000 -> {even[0]}, 1001 -> {odd[0]}, last sample {odd[1]:.3f}")
    assert even[0] == 1000
    if subtype in last:
        assert odd[0] == 1002 and abs(odd[1] - last[subtype]) < 0.001
    else:
        assert odd[0] == 1001 and abs(odd[1] - 0.1) < 0.001
    if subtype != "PCM_S8":
        assert frames("WAV", subtype, 1001)[0] == 1001
PY
