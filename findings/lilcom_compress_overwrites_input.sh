#!/usr/bin/env bash
# lilcom 1.8.2 (lossy packing of feature matrices, used by audio toolkits).
#
# One would guess: lilcom.compress(x) only reads x.
# What happens: when x is float32, x itself is overwritten with the rounded
# values that a reader will later get back. With the default settings the values
# of a standard-normal matrix move by up to 0.00195. The same call on float64
# input leaves its argument alone.
# Two things follow: code that packs a matrix to disk and goes on computing with
# it uses the rounded values from there on, and a test that measures the loss as
# decompress(compress(x)) - x reports exactly zero.
# Hit: anyone who stores float32 features or embeddings with lilcom.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 lilcom==1.8.2
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version
import lilcom
import numpy as np

print("lilcom", version("lilcom"), "numpy", np.__version__)
base = np.random.default_rng(7).standard_normal((200, 64))

for dtype in (np.float32, np.float64):
    x = base.astype(dtype)
    before = x.copy()
    packed = lilcom.compress(x)
    back = lilcom.decompress(packed)
    moved = float(np.abs(x - before).max())
    naive = float(np.abs(back - x).max())
    true = float(np.abs(back - before).max())
    print(f"{np.dtype(dtype).name}: input moved by {moved:.5f}, "
          f"loss seen against x {naive:.5f}, true loss {true:.5f}")
    assert 0.001 < true < 0.002
    if dtype is np.float32:
        assert moved == true and naive == 0.0
        assert np.array_equal(x, back)
    else:
        assert moved == 0.0 and naive > 0.001
PY
