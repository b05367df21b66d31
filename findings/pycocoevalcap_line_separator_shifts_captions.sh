#!/usr/bin/env bash
# pycocoevalcap 1.2 (the COCO caption scores that audio captioning reports, too).
#
# One would guess: a caption is scored as the caption of its own clip, whatever
# white space is in it; the tokenizer replaces "\n" by a space for that purpose.
# What happens: only "\n" is replaced. A carriage return, a vertical tab, a form
# feed, U+2028 or U+2029 inside a caption also ends a line for the Java
# tokenizer behind it. The lines are zipped with the clips, so from that caption
# on every clip is scored with the text of the clip before, and the last captions
# are dropped. Nothing is reported: four predictions that equal their references
# score a BLEU-1 of 0.15 in place of 1.
# Hit: whoever scores captions that were copied from the web or from a document,
# or read from a file with stray carriage returns.
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
captions = ["a dog barks", "rain falls on tin", "a bell rings twice", "people talk"]


def tokenized(texts):
    return PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)})


truths = tokenized(captions)
assert [truths[i] for i in range(4)] == [[text] for text in captions]
for name, mark in [("\\n", "\n"), ("\\r", "\r"), ("U+000B", "\v"), ("U+000C", "\f"),
                   ("U+2028", "\u2028"), ("U+2029", "\u2029")]:
    tests = tokenized([captions[0].replace(" barks", mark + "barks")] + captions[1:])
    score = Bleu(4).compute_score(truths, tests, verbose=0)[0][0]
    print(f"{name} in the first caption: {[tests[i][0] for i in range(4)]}, BLEU-1 {score:.3f}")
    if mark == "\n":
        assert abs(score - 1) < 1e-6
    else:
        assert [tests[i][0] for i in range(4)] == ["a dog", "barks", captions[1], captions[2]]
        assert 0.1 < score < 0.2
PY
