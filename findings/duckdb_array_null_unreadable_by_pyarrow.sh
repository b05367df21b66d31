#!/usr/bin/env bash
# duckdb 2.0.1 writes, pyarrow 26.0.1 reads: a column of fixed-size arrays with a null.
#
# One would guess: embeddings in a FLOAT[3] column, one of them missing, go through
# Parquet as a FLOAT[] column does.
# What happens: pyarrow refuses the whole file ("Length spanned by list offsets (8)
# larger than values array (length 6)"): one null array adds as many to the
# offsets as an array has components, and no value. DuckDB and polars 2.1.0 read
# the same file right. As FLOAT[] (a list), or without a null, pyarrow reads it.
# Hit: embeddings that DuckDB exports with a row not computed yet; `datasets` and
# pandas read Parquet through pyarrow.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1 polars==2.1.0
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY'
import duckdb
import polars
import pyarrow
import pyarrow.parquet

print("duckdb", duckdb.__version__, "pyarrow", pyarrow.__version__, "polars", polars.__version__)


def by_pyarrow():
    try:
        return pyarrow.parquet.read_table("e.parquet")["e"].to_pylist()
    except pyarrow.ArrowInvalid as error:
        return str(error)


for kind, rows, refused in (
    ("FLOAT[3]", "[1, 2, 3]), (NULL), ([4, 5, 6]", True),
    ("FLOAT[3]", "[1, 2, 3]), ([4, 5, 6]", False),
    ("FLOAT[]", "[1, 2, 3]), (NULL), ([4, 5, 6]", False),
):
    duckdb.sql(f"COPY (SELECT e::{kind} AS e FROM (VALUES ({rows})) AS t(e)) TO 'e.parquet'")
    written = [None if e is None else list(e) for (e,) in duckdb.sql("SELECT e FROM 'e.parquet'").fetchall()]
    found = by_pyarrow()
    print(f"{kind:9} written {written}\n          pyarrow {found}")
    assert polars.read_parquet("e.parquet")["e"].to_list() == written
    assert ("larger than values array" in found) if refused else (found == written), found
PY
