#!/usr/bin/env python3
"""Measures how captions are worded, and what it is worth: with and without the guard on words and the ranking of the beams.

    benches/wording/run.py --echoic target/release/echoic --store STORE --texts clotho-val.csv --texts audiocaps-val.csv --sounds FOLDER

STORE holds texts of the starter's space and a decoder that learned from them. Of each file of texts (Clotho's columns, or AudioCaps' rows)
captions are embedded, captioned as if they were sounds, and scored against the other captions of their clips; of a folder of sounds, how often
a content word stands twice and how near the captions come to their sounds is told. Differences are to `projection` without guard and ranking,
with the 95 % interval of a paired bootstrap over the clips."""

import argparse
import array
import csv
import json
import os
import random
import subprocess
import sys
import tempfile

OFF = ["--unique-words", "false", "--rerank", "0"]
WAYS = {
    "nearest text": ["--strategy", "text"],
    "projection, no guard on words, no ranking": OFF,
    "projection, guard on words": ["--rerank", "0"],
    "projection, ranking": ["--unique-words", "false"],
    "projection, guard on words and ranking": [],
    "direct, no guard on words, no ranking": ["--strategy", "direct", *OFF],
    "direct, guard on words and ranking": ["--strategy", "direct"],
    "nearest, no guard on words, no ranking": ["--strategy", "nearest", *OFF],
    "nearest, guard on words and ranking": ["--strategy", "nearest"],
    "projection, paper's search": ["--beam", "1", "--no-repeat", "0", *OFF],
    "projection, words drawn": ["--sample", "1", "--no-repeat", "0", *OFF],
}
BASE = "projection, no guard on words, no ranking"


def clips(path):
    """Each clip's captions."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if "caption_1" in rows[0]:
        return {row["file_name"]: [row[f"caption_{i}"] for i in range(1, 6)] for row in rows}
    found = {}
    for row in rows:
        found.setdefault(row["youtube_id"], []).append(row["caption"])
    found = {clip: captions for clip, captions in found.items() if len(captions) == 5}
    return found or sys.exit(f"{path}: no clip with five captions")


class Echoic:
    def __init__(self, program, store, decoder):
        self.program, self.store = program, store
        self.decoder = ["--decoder", decoder] if decoder else []

    def run(self, *arguments):
        done = subprocess.run([self.program, "--quiet", "--json", "--store", self.store, *arguments], stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()

    def captions(self, embeddings, way):
        lines = self.run("caption", "--embedding", embeddings, *self.decoder, *way).splitlines()
        return [json.loads(line)["caption"] for line in lines]


def table(path, head, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def interval(differences, seed=1, rounds=2000):
    """The 95 % bootstrap interval of a mean."""
    draw = random.Random(seed)
    count = len(differences)
    means = sorted(sum(draw.choices(differences, k=count)) / count for _ in range(rounds))
    return means[int(0.025 * rounds)], means[int(0.975 * rounds) - 1]


def texts(echoic, path, folder, arguments):
    queries, references = [], []
    draw, every = random.Random(arguments.seed), arguments.every
    for clip, captions in list(clips(path).items())[: arguments.clips]:
        for place in draw.sample(range(5), every):
            name = f"{clip}#{place}"
            queries.append([name, captions[place]])
            references.append([name, *(caption for i, caption in enumerate(captions) if i != place)])
    at = lambda name: os.path.join(folder, name)
    table(at("queries.csv"), ["file_name", "caption"], queries)
    table(at("references.csv"), ["file_name", "caption_1", "caption_2", "caption_3", "caption_4"], references)
    echoic.run("embed", "--text", at("queries.csv"), "--column", "caption", "--out", at("queries.npy"))
    measured = {}
    for name, way in WAYS.items():
        captions = echoic.captions(at("queries.npy"), way)
        table(at("predicted.csv"), ["file_name", "caption_predicted"], [[q[0], c] for q, c in zip(queries, captions, strict=True)])
        found = echoic.run("score", at("predicted.csv"), at("references.csv"), "--only", "cider_d,meteor,repetition,mean_length", "--per-clip", at("clips.csv"))
        with open(at("clips.csv"), newline="", encoding="utf-8") as file:
            each = list(csv.DictReader(file))
        columns = {metric: [float(row[metric]) for row in each] for metric in ("cider_d", "meteor", "repetition")}
        measured[name] = (json.loads(found), columns)
    print(f"\n{os.path.basename(path)}: {len(queries)} captions as queries\n")
    print("| way | a word twice | words | CIDEr-D | to the base | METEOR | to the base |\n|---|---|---|---|---|---|---|")
    for name, (whole, columns) in measured.items():
        cells = [name, f"{100 * whole['repetition']:.1f} %", f"{whole['mean_length']:.1f}"]
        for metric in ("cider_d", "meteor"):
            base = measured[BASE][1][metric]
            low, high = interval([a - b for a, b in zip(columns[metric], base, strict=True)])
            cells += [f"{whole[metric]:.4f}", "-" if name == BASE else f"{low:+.4f} to {high:+.4f}"]
        print("| " + " | ".join(cells) + " |")
    ours, text = (measured[name][1]["cider_d"] for name in ("projection, guard on words and ranking", "nearest text"))
    print("\nCIDEr-D of guard and ranking over the nearest text: {:+.4f} to {:+.4f}".format(*interval([a - b for a, b in zip(ours, text, strict=True)])))


def sounds(echoic, path, folder):
    at = lambda name: os.path.join(folder, name)
    echoic.run("embed", "--audio", path, "--out", at("sounds.npy"))
    print(f"\n{os.path.basename(os.path.normpath(path))}\n\n| way | sounds | a word twice | words | similarity to the sound |\n|---|---|---|---|---|")
    for name, way in WAYS.items():
        captions = echoic.captions(at("sounds.npy"), way)
        names = [os.path.basename(json.loads(line)["path"]) for line in open(at("sounds.jsonl"), encoding="utf-8")]
        table(at("predicted.csv"), ["file_name", "caption_predicted"], zip(names, captions, strict=True))
        # What repeats is told of the predictions alone; the references only have to be there.
        table(at("references.csv"), ["file_name", "caption_1"], [[name, "a sound"] for name in names])
        found = json.loads(echoic.run("score", at("predicted.csv"), at("references.csv"), "--only", "repetition,mean_length"))
        table(at("captions.csv"), ["file_name", "caption"], zip(names, captions))
        echoic.run("embed", "--text", at("captions.csv"), "--column", "caption", "--out", at("captions.npy"))
        near = similarity(at("sounds.npy"), at("captions.npy"))
        for file in ("captions.npy", "captions.jsonl"):
            os.remove(at(file))
        print(f"| {name} | {len(names)} | {100 * found['repetition']:.1f} % | {found['mean_length']:.1f} | {near:.3f} |")


def similarity(one, other):
    """The mean cosine of the rows of two files of unit vectors."""
    rows = []
    for path in (one, other):
        with open(path, "rb") as file:
            data = file.read()
        numbers = array.array("f")
        numbers.frombytes(data[10 + int.from_bytes(data[8:10], "little"):])
        rows.append(numbers)
    count = sum(1 for _ in open(one.replace(".npy", ".jsonl"), encoding="utf-8"))
    return sum(a * b for a, b in zip(*rows, strict=True)) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--echoic", default="target/release/echoic")
    parser.add_argument("--store", required=True)
    parser.add_argument("--decoder")
    parser.add_argument("--texts", action="append", default=[])
    parser.add_argument("--sounds", action="append", default=[])
    parser.add_argument("--every", type=int, default=1, help="captions of a clip that are asked with")
    parser.add_argument("--clips", type=int, help="only so many clips of each file of texts")
    parser.add_argument("--only", help="ways whose names begin so, beside the base and the nearest text")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.only:
        kept = {name: way for name, way in WAYS.items() if name.startswith((arguments.only, BASE, "nearest text"))}
        WAYS.clear()
        WAYS.update(kept)
    echoic = Echoic(arguments.echoic, arguments.store, arguments.decoder)
    for path in arguments.texts:
        with tempfile.TemporaryDirectory() as folder:
            texts(echoic, path, folder, arguments)
    for path in arguments.sounds:
        with tempfile.TemporaryDirectory() as folder:
            sounds(echoic, path, folder)


if __name__ == "__main__":
    main()
