"""Captions written by hand for single recordings: captions.txt holds `source: label | caption | caption ...`."""
import os


def load(path=os.path.join(os.path.dirname(__file__), "captions.txt")):
    found = {}
    for line in open(path, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            key, *texts = line.rstrip("\n").split(" | ")
            source, label = key.split(": ", 1)
            found[source, label] = texts
    return found
