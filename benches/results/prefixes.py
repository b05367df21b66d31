#!/usr/bin/env python3
"""What lies beyond the paper, measured on captions before it is built: other ways to what the decoder is given, and to what it says.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy==2.4.6
    python3 benches/results/run.py target/release/echoic --data DATA --work WORK --parts text,audio     # makes store, decoders and ESC-50's table
    target/release/echoic --store WORK/store export WORK/memory.npy --format npy --domain clotho-train --domain audiocaps-train
    target/release/echoic --store WORK/store embed --audio DATA/audio/esc50_16k --out WORK/esc50.npy
    /tmp/venv/bin/python benches/results/prefixes.py target/release/echoic --data DATA --work WORK

Three askings: ESC-50's fold 4, where a caption is right that names the class (esc50_names.csv), and the first captions of 300 clips of each validation
split, measured by the others of their clip (CIDEr-D). Memory and decoder are those of both corpora. Each way makes its prefixes here, and the program
decodes them as they are; intervals are of a paired bootstrap over clips, of the difference to projection.
"""
import argparse
import csv
import json
import pathlib
import re
import subprocess

import numpy as np

from beyond import HERE, show, unit

TEMPERATURE = 0.01
DRAWN = 8


class Asking:
    """Embeddings that ask, and how their captions are measured."""

    def __init__(self, name, embeddings, measure):
        self.name, self.embeddings, self.measure = name, embeddings, measure


class Program:
    def __init__(self, path, work, store="store"):
        self.path, self.work, self.store = path, work, store

    def __call__(self, *words):
        done = subprocess.run([self.path, "--json", "--quiet", "--store", str(self.work / self.store), *map(str, words)],
                              stdout=subprocess.PIPE, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def captions(self, prefixes, *options):
        """What the decoder makes of each prefix."""
        file = self.work / "prefixes.npy"
        np.save(file, prefixes.astype("<f4"))
        return [line["caption"] for line in self("caption", "--embedding", file, "--strategy", "direct", "--decoder", "base", *options)]

    def embed(self, captions):
        """The captions' own embeddings."""
        texts, vectors = self.work / "said.jsonl", self.work / "said-vectors.npy"
        texts.write_text("".join(json.dumps({"audio_id": str(place), "caption": caption}) + "\n" for place, caption in enumerate(captions)))
        self("embed", "--text", texts, "--out", vectors)
        return np.load(vectors).astype("f4")

    def cider(self, captions, references):
        """CIDEr-D of each."""
        said, written, scores = (self.work / name for name in ("said.csv", "written.csv", "scores.csv"))
        for path, head, rows in [(said, ["file_name", "caption_predicted"], [[place, text] for place, text in enumerate(captions)]),
                                 (written, ["file_name", "caption"], [[place, text] for place, texts in enumerate(references) for text in texts])]:
            with open(path, "w", newline="") as file:
                csv.writer(file).writerows([head, *rows])
        self("score", said, written, "--only", "cider_d", "--per-clip", scores)
        return np.array([float(row["cider_d"]) for row in csv.DictReader(open(scores))])


def weights_at(similarities, temperature):
    weights = np.exp((similarities - similarities.max(1, keepdims=True)) / temperature)
    return weights / weights.sum(1, keepdims=True)


def spread_over(similarities, texts):
    """Weights whose temperature is chosen for each sound so that they are worth so many texts: the exponential of their entropy."""
    low, high = np.full(len(similarities), 1e-4), np.full(len(similarities), 1.0)
    for _ in range(40):
        middle = np.sqrt(low * high)
        weights = weights_at(similarities, middle[:, None])
        worth = np.exp(-(weights * np.log(np.maximum(weights, 1e-30))).sum(1))
        low, high = np.where(worth < texts, middle, low), np.where(worth < texts, high, middle)
    return weights


def ways(program, memory, of_clotho, asked):
    """By name, the captions that each way leads to."""
    similarities = asked @ memory.T
    projected = unit(weights_at(similarities, TEMPERATURE) @ memory)
    first = program.captions(projected)
    yield "projection", first
    for temperature in (0.005, 0.02):
        yield f"projection at {temperature}", program.captions(unit(weights_at(similarities, temperature) @ memory))
    for texts in (2, 5, 10, 20):
        yield f"a temperature for each, worth {texts} texts", program.captions(unit(spread_over(similarities, texts) @ memory))
    said = program.embed(first)
    for share in (0.25, 0.5, 0.75):
        again = unit(share * asked + (1 - share) * said) @ memory.T
        yield f"second retrieval, {share} of the first question", program.captions(unit(weights_at(again, TEMPERATURE) @ memory))
    for share in (0.3, 0.7, 0.9):
        weights = weights_at(similarities, TEMPERATURE) * np.where(of_clotho, share, 1 - share)
        yield f"Clotho weighs {share}, AudioCaps {1 - share:.1f}", program.captions(unit(weights @ memory))
    drawn = [program.captions(projected, "--sample", "0.7", "--top-p", "0.9", "--seed", seed) for seed in range(DRAWN)]
    vectors = np.stack([said, *(program.embed(captions) for captions in drawn)])
    candidates = [first, *drawn]
    nearest = lambda near: [candidates[place][row] for row, place in enumerate(near.argmax(0))]
    yield f"of {DRAWN} drawn and the best beam, the nearest to the sound", nearest(np.einsum("crd,rd->cr", vectors, asked))
    yield f"of {DRAWN} drawn and the best beam, the nearest to the projection", nearest(np.einsum("crd,rd->cr", vectors, projected))
    yield f"of {DRAWN} drawn and the best beam, the nearest to the others", nearest(np.einsum("crd,rd->cr", vectors, vectors.mean(0)))


def stored(work):
    """The texts of the memory with their embeddings, each once: an export has a row for each clip that a text describes."""
    lines = [json.loads(line) for line in open(work / "memory.jsonl")]
    once = list({line["caption_id"]: place for place, line in reversed(list(enumerate(lines)))}.values())
    return [lines[place] for place in once], unit(np.load(work / "memory.npy").astype("f4")[once])


def sounds(data, work):
    words = {row["class"]: set(row["words"].split()) for row in csv.DictReader(open(HERE / "esc50_names.csv"))}
    label = {row["file_name"]: row["caption"] for row in csv.DictReader(open(work / "esc50.csv"))}
    names = [pathlib.Path(json.loads(line)["path"]).name for line in open(work / "esc50.jsonl")]
    unseen = [place for place, name in enumerate(names) if name.startswith("4-")]
    classes = [words[label[names[place]]] for place in unseen]
    right = lambda captions: np.array([bool(set(re.findall("[a-z]+", said.lower())) & named) for said, named in zip(captions, classes)], float)
    return Asking(f"{len(unseen)} sounds of ESC-50, share that names the class", unit(np.load(work / "esc50.npy").astype("f4")[unseen]), right)


def texts(program, data, corpus, clips):
    by_clip = {}
    for row in csv.DictReader(open(data / f"captions/{corpus}-val.csv", newline="")):
        captions = [row[name] for name in row if name.startswith("caption")]
        by_clip.setdefault(row.get("file_name") or row["youtube_id"], []).extend(captions)
    chosen = [captions for captions in by_clip.values() if len(captions) > 1][:clips]
    asked = unit(program.embed([captions[0] for captions in chosen]))
    return Asking(f"{len(chosen)} captions of {corpus}, CIDEr-D", asked, lambda said: program.cider(said, [captions[1:] for captions in chosen]))


def askings(program, options):
    yield sounds(options.data, options.work)
    for corpus in ("clotho", "audiocaps"):
        yield texts(program, options.data, corpus, options.clips)


def compare(asking, named):
    """A table of captions by the way that leads to them, each beside the first."""
    print(f"\n### {asking.name}\n\n| | value | difference, 95 % |\n|---|---|---|", flush=True)
    base = None
    for name, captions in named:
        measured = asking.measure(captions)
        base = measured if base is None else base
        show(name, measured, base)


def asked_for(description):
    """The options of the command line."""
    asked = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("program", type=lambda path: str(pathlib.Path(path).resolve()))
    asked.add_argument("--data", type=pathlib.Path, required=True)
    asked.add_argument("--work", type=pathlib.Path, required=True)
    asked.add_argument("--clips", type=int, default=300)
    return asked.parse_args()


def main():
    options = asked_for(__doc__)
    program = Program(options.program, options.work)
    lines, memory = stored(options.work)
    of_clotho = np.array([line["domain"] == "clotho-train" for line in lines])
    for asking in askings(program, options):
        compare(asking, ways(program, memory, of_clotho, asking.embeddings))


if __name__ == "__main__":
    main()
