"""The table of sound concepts (concepts.txt): which clip means what, and how people put it in words."""
import os
import re
from collections import namedtuple

Concept = namedtuple("Concept", "name patterns nouns clauses")


def _alternatives(pattern):
    """Splits a regular expression at its top-level bars."""
    part, depth, out = "", 0, []
    for c in pattern:
        depth += (c == "(") - (c == ")")
        if c == "|" and depth == 0:
            out.append(part)
            part = ""
        else:
            part += c
    return [p.strip() for p in out + [part] if p.strip()]


def _compile(alternative):
    if alternative.isalpha() and len(alternative) <= 4:
        return re.compile(r"\b" + alternative + r"(?:s|es|ing|ed)?\b")
    if alternative[0] == "^" or alternative.startswith(r"\b"):
        return re.compile(alternative)
    return re.compile(r"\b" + alternative)


def load(path=os.path.join(os.path.dirname(__file__), "concepts.txt")):
    concepts = []
    for line in open(path, encoding="utf-8"):
        if not line.strip() or line.startswith("#"):
            continue
        name, rest = line.strip().split(" | ", 1)
        pattern, nouns, clauses = rest.rsplit(" | ", 2)
        patterns = [] if pattern == "-" else [_compile(p) for p in _alternatives(pattern)]
        concepts.append(Concept(name, patterns, nouns.split("; "), clauses.split("; ")))
    return concepts


def classify(concepts, source, label):
    """The concept with the longest match in the label; None when unknown or unusable."""
    label = label.replace("_", " ")
    full, best, length = source + ": " + label, None, 0
    for concept in concepts:
        for p in concept.patterns:
            m = p.search(full if ":" in p.pattern.replace("(?:", "") else label)
            if m and concept.name.startswith("drop."):
                return None
            if m and m.end() - m.start() > length:
                best, length = concept, m.end() - m.start()
    return best
