"""Looks in the field recordings for what the adapter must never have heard: the demo's recordings and ESC-50 fold 4.

    python3 leaks.py --audio DIR --field DIR DEMO...

DEMO are the recordings that the demo captions. Prints the highest normalised cross-correlation, at 4 kHz, of each field
recording with 10 s windows of those and with the clips of its own kind of fold 4: 1 is the same recording, and other
ones stay below about .3. Ends with 1 if one is above .5.
"""
import argparse
import collections
import csv
import os
import sys

import numpy as np

import concepts as table
import field
import prepare
import sounds

RATE = 4000
SAME = 0.5


def read(path):
    return sounds.resample(sounds.read(path), sounds.RATE, RATE)


def highest(recording, clip):
    """The highest correlation of the clip with any stretch of the recording, each scaled by its energy."""
    if len(clip) > len(recording):
        recording, clip = clip, recording
    n = 1 << int(np.ceil(np.log2(len(recording) + len(clip))))
    products = np.fft.irfft(np.fft.rfft(recording, n) * np.conj(np.fft.rfft(clip, n)), n)[: len(recording) - len(clip) + 1]
    energy = np.concatenate([[0], np.cumsum(np.square(recording, dtype=np.float64))])
    stretches = energy[len(clip):] - energy[: -len(clip)]
    floor = 1e-6 * energy[-1] + 1e-12  # silence matches nothing
    return float(np.abs(products / np.sqrt(np.maximum(stretches, floor) * (clip @ clip + 1e-12))).max())


def unheard(folder):
    """The clips of fold 4, by concept."""
    known, found = table.load(), collections.defaultdict(list)
    for r in csv.DictReader(open(os.path.join(folder, "index.csv"), encoding="utf-8")):
        if r["split"] == prepare.TEST_FOLD:
            found[table.classify(known, r["source"], r["label"]).name].append(read(os.path.join(folder, r["path"])))
    return found


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--audio", required=True)
    args.add_argument("--field", required=True)
    args.add_argument("demo", nargs="+")
    args = args.parse_args()
    window = 10 * RATE
    demo = [x[at: at + window] for x in map(read, args.demo) for at in range(0, max(1, len(x) - window), 2 * window)]
    of_kind = unheard(args.audio)
    worst = 0
    for r in field.load():
        recording = read(os.path.join(args.field, r.repository, r.path))
        with_demo = max(highest(recording, x) for x in demo)
        with_fold = max((highest(recording, x) for x in of_kind[r.concept]), default=0)
        print("%.3f demo  %.3f fold 4  %s %s" % (with_demo, with_fold, r.repository, r.path), flush=True)
        worst = max(worst, with_demo, with_fold)
    sys.exit("the same recording may be among them" if worst > SAME else 0)


if __name__ == "__main__":
    main()
