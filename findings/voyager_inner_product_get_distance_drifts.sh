#!/usr/bin/env bash
# voyager 2.2.3 (nearest-neighbour index), Space.InnerProduct.
#
# One would guess: get_distance(a, b) depends on a and b only, and agrees with the
# distance that query() gives for the same pair: 1 - dot(a, b).
# What happens: it does so only until the index has met a longer vector. For the
# unit vector (1, 0) against itself the answer is 0 on an empty index and -361 once
# a vector of length 20 is stored; for (3, 4) against (1, 2), dot 11, it is -10 and
# then -371, while query() goes on reporting -10 for the stored (3, 4). A vector
# need not be stored: get_distance((30, 40), (1, 2)) on an empty index is enough to
# turn the later answer for (1, 0) against itself from 0 into -2401. Cosine and
# Euclidean distances stay put.
# Hit: anyone who uses get_distance with inner products to re-rank, to set a
# threshold or to compare two clips: the scale moves with the longest vector seen.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 voyager==2.2.3
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np
from voyager import Index, Space

print("voyager", version("voyager"))

def vec(*v):
    return np.array(v, dtype=np.float32)

one, a, b, long = vec(1, 0), vec(3, 4), vec(1, 2), vec(30, 40)
for space in (Space.InnerProduct, Space.Cosine, Space.Euclidean):
    empty = [Index(space, 2).get_distance(*p) for p in ((one, one), (a, b))]
    index = Index(space, 2)
    index.add_item(a, 1)
    index.add_item(vec(0, 20), 2)
    later = [index.get_distance(*p) for p in ((one, one), (a, b))]
    labels, dist = index.query(b, 2)
    found = dict(zip(labels.tolist(), dist.tolist()))[1]
    print(f"{space.name}: empty {empty}, later {later}, query says {found} for (3, 4), (1, 2)")
    if space == Space.InnerProduct:
        assert empty == [0.0, -10.0] and later == [-361.0, -371.0] and found == -10.0
    else:
        assert np.allclose(empty, later) and abs(found - later[1]) < 1e-6

index = Index(Space.InnerProduct, 2)
seen = [index.get_distance(*p) for p in ((one, one), (long, b), (one, one))]
print("empty index, three calls, first and last the same:", seen)
assert seen == [0.0, -109.0, -2401.0] and len(index) == 0
PY
