#!/usr/bin/env bash
# datasets 5.2.0 (Hugging Face), a column of the type Audio, made of local files.
#
# One would guess: every writer keeps the same two fields of a sound, its bytes
# and its path.
# What happens: to_parquet() keeps the path as it was given and no bytes, so the
# file is of no use on another machine. save_to_disk() keeps the bytes and only
# the last part of the path: "cat/1.wav" and "dog/1.wav" both become "1.wav".
# No warning from either. Labels in folder names are lost, and who joins captions
# or clips by path joins different recordings.
# Hit: any corpus whose clips lie in folders by class or speaker.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1
cd "$tmp"
export HF_HUB_OFFLINE=1 HF_HOME="$tmp/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1
"$tmp/venv/bin/python" - <<'PY'
import os
import wave
from importlib.metadata import version

import pyarrow.ipc
import pyarrow.parquet
from datasets import Audio, Dataset

print("datasets", version("datasets"))
paths = ["cat/1.wav", "dog/1.wav"]
for path in paths:
    os.makedirs(os.path.dirname(path))
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(3_200))

sounds = Dataset.from_dict({"audio": paths, "caption": ["A cat.", "A dog."]}).cast_column("audio", Audio())
sounds.to_parquet("sounds.parquet")
sounds.save_to_disk("sounds")


def fields(table):
    return [(row["path"], row["bytes"] is not None) for row in table["audio"].to_pylist()]


parquet = fields(pyarrow.parquet.read_table("sounds.parquet"))
with pyarrow.memory_map("sounds/data-00000-of-00001.arrow") as file:
    arrow = fields(pyarrow.ipc.open_stream(file).read_all())
print("to_parquet:   path, has bytes:", parquet)
print("save_to_disk: path, has bytes:", arrow)
assert parquet == [("cat/1.wav", False), ("dog/1.wav", False)], parquet
assert arrow == [("1.wav", True), ("1.wav", True)], arrow
PY
