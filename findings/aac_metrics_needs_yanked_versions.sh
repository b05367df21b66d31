#!/usr/bin/env bash
# aac-metrics 0.6.0 (the scores of DCASE's captioning task, FENSE and SPIDEr-FL among them).
#
# One would guess: `pip install aac-metrics` works; it is the newest version, and its
# requirements name versions that PyPI has.
# What happens: it asks for pythonwrench>=0.3.0,<0.4.0. The only version in that range,
# 0.3.0, was yanked ("Python max version was not specified"), and pip takes a yanked
# version only where it is asked for by ==. So pip says that there is no matching
# distribution, and lists 0.3.0 among those that it found. With
# `pythonwrench==0.3.0` named beside it the two fit together.
# Hit: whoever sets up the metrics of DCASE anew, or pins aac-metrics in a lock file
# without its dependencies.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
pip() { "$tmp/venv/bin/pip" --disable-pip-version-check "$@"; }
pip install --quiet pip==25.3
pip download --quiet --no-deps --dest "$tmp/own" aac-metrics==0.6.0
echo "aac-metrics 0.6.0, $(pip --version | cut -d' ' -f1-2)"

# The requirement alone, so that nothing large is fetched.
if pip download --quiet --no-deps --dest "$tmp/range" 'pythonwrench>=0.3.0,<0.4.0' 2> "$tmp/range.txt"; then
    echo "the range can be met: this has changed"
    exit 1
fi
grep -o 'No matching distribution found for .*' "$tmp/range.txt"
grep -q '0\.3\.0' "$tmp/range.txt" && echo "0.3.0 is among the versions that pip lists"
pip download --quiet --no-deps --dest "$tmp/exact" pythonwrench==0.3.0 2> "$tmp/exact.txt"
grep -q 'yanked version' "$tmp/exact.txt" && echo "asked for by ==, pip takes the yanked version"

# That this is what aac-metrics asks for.
tar xzf "$tmp"/own/aac_metrics-0.6.0.tar.gz -C "$tmp" --wildcards --strip-components=1 '*/PKG-INFO'
grep 'Requires-Dist: pythonwrench<0.4.0,>=0.3.0' "$tmp/PKG-INFO"
