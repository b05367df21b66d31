#!/usr/bin/env bash
# fastparquet 2026.9.0 and Parquet columns of the type FLOAT16, as pyarrow writes half precision.
#
# One would guess: the column is read as numbers, or refused as a type not known.
# What happens: every value comes back as the two bytes that it is stored in:
# 1.5 is b"\x00>". The column has the type object, nothing is raised or warned
# of, and lists of half-precision numbers, as embeddings are kept to save space,
# come back as lists of such bytes. float32 beside it is read right.
# Hit: who reads embeddings of half precision with pandas and engine="fastparquet".
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    fastparquet==2026.9.0 pyarrow==26.0.1 numpy==2.4.6 pandas==3.1.1
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY'
import fastparquet
import numpy as np
import pyarrow as pa
import pyarrow.parquet

print("fastparquet", fastparquet.__version__, "pyarrow", pa.__version__)
numbers = np.array([1.5, 2.25, -3.0])
table = pa.table({
    "half": pa.array(numbers.astype("float16")),
    "single": pa.array(numbers.astype("float32")),
    "halves": pa.array([numbers.astype("float16")] * 3, type=pa.list_(pa.float16())),
})
pyarrow.parquet.write_table(table, "e.parquet")
frame = fastparquet.ParquetFile("e.parquet").to_pandas()
print(frame.dtypes.to_dict())
print("half:", list(frame["half"]), "single:", list(frame["single"]), "halves[0]:", list(frame["halves"][0]))
raw = [bytes(x) for x in numbers.astype("<f2")]
assert [bytes(x) for x in frame["half"]] == raw, list(frame["half"])
assert [bytes(x) for x in frame["halves"][0]] == raw, list(frame["halves"][0])
assert list(frame["single"]) == list(numbers), list(frame["single"])
assert pyarrow.parquet.read_table("e.parquet")["half"].to_pylist() == list(numbers)
PY
