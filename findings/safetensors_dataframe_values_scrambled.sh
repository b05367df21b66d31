#!/usr/bin/env bash
# safetensors 0.8.0 (safetensors.numpy) with pandas 3.1.1.
#
# One would guess: saving DataFrame.to_numpy() and loading it again gives the same
# matrix, or an error. (The documentation asks for contiguous arrays; nothing
# checks it.)
# What happens: pandas 3.1.1 hands out the matrix in column order, even for
# DataFrame(x) of a row-ordered x, and safetensors.numpy.save writes the memory as
# it lies under the unchanged shape. The 3 x 2 matrix [[0,1],[2,3],[4,5]] comes
# back as [[0,2],[4,1],[3,5]]. Shape, dtype and the set of values are all right, so
# only a comparison of rows shows it. numpy.save keeps the same matrix intact.
# Hit: anyone who keeps embeddings in a table and exports them: each stored vector
# is a mixture of several clips. np.ascontiguousarray() before saving avoids it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 pandas==3.1.1 safetensors==0.8.0
"$tmp/venv/bin/python" - <<'PY'
import io
from importlib.metadata import version
import numpy as np
import pandas as pd
from safetensors.numpy import load, save

print("safetensors", version("safetensors"), "pandas", pd.__version__, "numpy", np.__version__)
x = np.arange(6, dtype=np.float32).reshape(3, 2)
tables = {
    "from a matrix": pd.DataFrame(x),
    "from columns": pd.DataFrame({"d0": x[:, 0], "d1": x[:, 1]}),
}
for name, table in tables.items():
    m = table.to_numpy()
    assert np.array_equal(m, x)
    back = load(save({"e": m}))["e"]
    npy = io.BytesIO()
    np.save(npy, m)
    npy.seek(0)
    fixed = load(save({"e": np.ascontiguousarray(m)}))["e"]
    print(f"{name}: row order {m.flags.c_contiguous}, safetensors gives {back.tolist()}")
    assert not m.flags.c_contiguous
    assert back.shape == x.shape and back.dtype == x.dtype
    assert back.tolist() == [[0, 2], [4, 1], [3, 5]]
    assert np.array_equal(np.load(npy), x) and np.array_equal(fixed, x)
PY
