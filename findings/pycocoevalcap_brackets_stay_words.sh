#!/usr/bin/env bash
# pycocoevalcap 1.2 (the COCO caption scores that audio captioning reports, too).
#
# One would guess: brackets are punctuation and count for nothing; the tokenizer's
# list of what it takes out names -LRB-, -RRB-, -LCB- and -RCB-.
# What happens: the Java tokenizer is asked for lower case, and the list is compared
# after that. "(" comes out as "-lrb-", which is not in the list, and stays as a
# word of its own in every metric, as do square and curly brackets. "A dog (barks)."
# has five words; compared with "A dog barks." BLEU-1 is 0.6, and the vocabulary of
# a system that writes brackets has words that nobody wrote. "?!" stays, too: the
# list has both marks by themselves alone.
# Hit: whoever scores captions with remarks in brackets, or counts their words.
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
from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, PTBTokenizer

print("pycocoevalcap", version("pycocoevalcap"))
assert {"-LRB-", "-RRB-", "-LCB-", "-RCB-"} <= set(PUNCTUATIONS)
tests = {0: "A dog (barks).", 1: "A dog [barks].", 2: "A dog {barks}.", 3: 'A dog, "barks"; -- ?!'}
tests = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in tests.items()})
for i in range(4):
    print(tests[i][0])
assert [tests[i][0] for i in range(3)] == [f"a dog -l{b}b- barks -r{b}b-" for b in "rsc"]
assert tests[3] == ["a dog barks ?!"]
truths = {0: ["a dog barks"]}
score = Bleu(4).compute_score(truths, {0: tests[0]}, verbose=0)[0][0]
print(f"BLEU-1 of the first with 'a dog barks': {score:.3f}")
assert abs(score - 0.6) < 1e-6
PY
