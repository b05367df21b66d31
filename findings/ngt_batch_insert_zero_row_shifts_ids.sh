#!/usr/bin/env bash
# ngt 2.8.0.post1 (module ngtpy, nearest-neighbour index), distance type
# "Normalized Cosine".
#
# One would guess: the object id that search() returns is the row number in the
# matrix given to batch_insert(); a row that cannot be stored either raises or
# keeps its number free.
# What happens: an all-zero row is left out with one line on standard error. No
# exception is raised and the return value is None. All later rows move down by
# one: with a zero row at place 5 of 11, searching for rows 6 to 10 gives the ids
# 5 to 9, each as a perfect match. insert() of the same single row raises
# RuntimeError instead. With "Cosine" (not normalised) the row is stored.
# Hit: anyone who keeps captions or file names in a list beside the index. A silent
# clip with a zero embedding gives every clip after it the wrong caption.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 ngt==2.8.0.post1
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version
import ngtpy
import numpy as np

print("ngt", version("ngt"))
rows = np.random.default_rng(3).standard_normal((11, 8)).astype(np.float32)
rows[5] = 0.0

ngtpy.create("norm", 8, distance_type="Normalized Cosine")
index = ngtpy.Index("norm")
answer = index.batch_insert(rows)
hits = {i: index.search(rows[i], 1)[0] for i in range(11) if i != 5}
print("batch_insert returned", answer, "- stored", index.get_num_of_objects(), "of", len(rows))
print("row -> id:", {i: h[0] for i, h in hits.items()})
assert answer is None and index.get_num_of_objects() == 10
assert all(h[1] < 1e-5 for h in hits.values())
assert {i: h[0] for i, h in hits.items()} == {i: i if i < 5 else i - 1 for i in hits}

try:
    index.insert(rows[5])
    raise SystemExit("insert() of a zero row no longer raises")
except RuntimeError:
    print("insert() of the zero row alone: RuntimeError")

ngtpy.create("plain", 8, distance_type="Cosine")
plain = ngtpy.Index("plain")
plain.batch_insert(rows)
print("Cosine: stored", plain.get_num_of_objects(), "of", len(rows))
assert plain.get_num_of_objects() == 11
PY
