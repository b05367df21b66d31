#!/usr/bin/env bash
# pycocoevalcap 1.2 (the COCO caption scores that audio captioning reports, too).
#
# One would guess: how a caption is cut into words depends on that caption, so
# that the order of the clips changes no score of a clip.
# What happens: all captions go to the Java tokenizer as the lines of one text, and
# its rules for abbreviations look past the end of the line. A caption that ends in
# a single letter and a full stop ("plan b.") loses the full stop where the next
# caption begins with one of some sixty words in upper case, such as "The" or "He",
# and keeps it as part of the word elsewhere. The same prediction with the same
# reference then has another score, by which clip comes next in the dictionary.
# Hit: whoever shuffles, splits or shards a test set and compares scores of clips.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
command -v java >/dev/null || apt-get install -y -qq default-jre-headless >/dev/null
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 pycocoevalcap==1.2
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

print("pycocoevalcap", version("pycocoevalcap"))
predictions = {"plan": "a man speaks about plan b", "next": "a dog barks"}
truths = {"plan": "a man speaks about plan B.", "next": "The dog barks.", "other": "Dogs bark."}


def score(clips):
    gts = PTBTokenizer().tokenize({clip: [{"caption": truths[clip]}] for clip in clips})
    res = PTBTokenizer().tokenize({clip: [{"caption": predictions.get(clip, "a dog barks")}] for clip in clips})
    each = Bleu(4).compute_score(gts, res, verbose=0)[1][0]
    return dict(zip(clips, each))["plan"], gts["plan"][0]


for clips in [["plan", "next"], ["plan", "other"], ["next", "plan"]]:
    bleu, words = score(clips)
    print(f"order {clips}: reference cut into {words.split()}, BLEU-1 of 'plan' {bleu:.3f}")
assert score(["plan", "next"])[1] == "a man speaks about plan b"
assert score(["plan", "other"])[1] == "a man speaks about plan b."
assert score(["next", "plan"])[1] == "a man speaks about plan b."
assert score(["plan", "next"])[0] - score(["plan", "other"])[0] > 0.1
PY
